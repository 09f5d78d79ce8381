"""Automata: a chain of messages across seven of one store, and the replay of one from its records.

Both as users write them: each hop consumes a message, records what it did, applies that, and sends the next.
"""

import asyncio
import math
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import ssms
from automata import apply, automaton, readonly, record, ref, replay_cost, send
from benchmarks.results import Result, absolute, print_json

WORKERS, CHAINS = 7, 20


@dataclass(frozen=True)
class Hop:
    """One message of a chain, and what is recorded of it."""

    chain: int
    number: int
    left: int


@dataclass(frozen=True)
class Batch:
    """Asks for many records."""

    first: int
    count: int


@automaton(name="benchmarks.Worker")
class Worker:
    """Counts hops, and keeps the last of each chain."""

    done: int = 0
    last: dict[int, int] = {}  # noqa: RUF012 - a field: each automaton has its own

    async def hop(self, hop: Hop) -> None:
        """Do one, and send the next."""
        record(hop)
        if hop.left:
            target = ref(Worker, f"w{(hop.chain + hop.number + 1) % WORKERS}")
            send(target.hop(Hop(hop.chain, hop.number + 1, hop.left - 1)))

    async def many(self, batch: Batch) -> None:
        """Record many."""
        for number in range(batch.first, batch.first + batch.count):
            record(Hop(number % CHAINS, number, 0))

    @apply
    def hopped(self, hop: Hop) -> None:
        """Count."""
        self.last[hop.chain] = hop.number
        self.done += 1

    @readonly
    async def count(self) -> int:
        """Hops done."""
        return self.done


async def hops_per_second(folder: Path, hops: int) -> float:
    """A chain's hops a second, with all chains together."""
    async with ssms.open(folder):
        begun = time.perf_counter()
        for chain in range(CHAINS):
            await send(ref(Worker, f"w{chain % WORKERS}").hop(Hop(chain, 0, hops // CHAINS - 1)))
        while await _done() < hops // CHAINS * CHAINS:  # noqa: ASYNC110 - nothing tells clients when; they can only ask
            await asyncio.sleep(0.005)
        return hops / (time.perf_counter() - begun)


async def _done() -> int:
    return sum([await ref(Worker, f"w{n}").count() for n in range(WORKERS)])


async def replayed_per_second(folder: Path, records: int) -> float:
    """Records a second that are applied when an automaton is touched first, without any checkpoint."""
    best = 0.0
    with mock.patch.object(replay_cost, "REPLAY_US_MIN", math.inf):
        await _record(folder, records)
    for _ in range(3):
        async with ssms.open(folder):
            begun = time.perf_counter()
            done = await ref(Worker, "replayed").count()
            best = max(best, done / (time.perf_counter() - begun))
            assert done == records, f"{done} of {records}"
    return best


async def _record(folder: Path, records: int) -> None:
    async with ssms.open(folder):
        for first in range(0, records, 100):
            await ref(Worker, "replayed").many(Batch(first, 100))


def measure(quick: bool) -> list[Result]:
    """Hops and replayed records a second."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        chain = asyncio.run(hops_per_second(Path(folder) / "chain", 10_000 if quick else 200_000))
        replay = asyncio.run(replayed_per_second(Path(folder) / "replay", 10_000 if quick else 200_000))
    return [
        absolute(f"chain: messages across {WORKERS} automata, recorded and applied", "hops/s", chain, 25_000, 60_000),
        absolute("replay: records applied at first touch", "records/s", replay, 200_000, 500_000),
    ]


if __name__ == "__main__":
    print_json(measure)
