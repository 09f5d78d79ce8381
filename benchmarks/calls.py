"""Calls on 1,000 durable counters from within the process: many callers, one caller, and readonly ones.

Engine and floor take turns in short rounds of one run, first the one, then the other, since the machine is noisy.
"""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median

import ssms
from automata import object_type, readonly, ref
from benchmarks.floors import (
    CALLERS,
    COUNTERS,
    BareRocks,
    Flusher,
    Prototype,
    bare_future,
    calls_per_second,
    microseconds_p50,
)
from benchmarks.results import Result, against_floor, print_json, told

KEYS = [f"counter-{n}" for n in range(COUNTERS)]

Round = Callable[[], Awaitable[float]]


@object_type(name="benchmarks.Counter")
class Counter:
    """A durable number."""

    count: int = 0

    async def add(self, n: int) -> int:
        """Count, and say how far."""
        self.count += n
        return self.count

    @readonly
    async def get(self) -> int:
        """How far."""
        return self.count


async def add(counter: int) -> None:
    """One durable call."""
    await ref(Counter, KEYS[counter]).add(1)


async def get(counter: int) -> None:
    """One readonly call."""
    await ref(Counter, KEYS[counter]).get()


async def compare(engine: Round, floor: Round, rounds: int) -> tuple[float, float]:
    """(engine, floor): medians of alternating rounds, after one of each to warm up."""
    await floor()
    await engine()
    taken: tuple[list[float], list[float]] = ([], [])
    for n in range(rounds):
        order = ((0, engine), (1, floor))
        for place, run in order if n % 2 else reversed(order):
            taken[place].append(await run())
    return median(taken[0]), median(taken[1])


async def latency_us(calls: int) -> float:
    """The median time of one call after the other by one caller."""
    took = []
    for n in range(calls):
        begun = time.perf_counter()
        await add(n % COUNTERS)
        took.append(time.perf_counter() - begun)
    return median(took) * 1e6


async def _measure(folder: Path, seconds: float, rounds: int) -> list[Result]:
    flusher, rocks = Flusher(folder), BareRocks(folder)
    prototype = Prototype(rocks)
    count = int(seconds * 2000)

    def rate(call: Callable[[int], Awaitable[None]], callers: int = CALLERS) -> Round:
        return lambda: calls_per_second(call, callers, seconds)

    def p50(work: Callable[[], None]) -> Round:
        async def run() -> float:
            return microseconds_p50(work, count)

        return run

    async with ssms.open(folder / "store"):
        many = await compare(rate(add), rate(prototype.call), rounds)
        reads = await compare(rate(get), rate(bare_future), rounds)
        one = await compare(lambda: latency_us(count), p50(flusher.once), rounds)
        write, _ = await compare(p50(rocks.write_one), p50(flusher.once), rounds)
        lone_prototype = await rate(prototype.call, 1)()
    flusher.close()
    rocks.close()
    return [
        against_floor(f"add(1), {CALLERS} callers", "calls/s", many, 0.4, 0.7),
        against_floor("add(1), 1 caller, p50", "us", one, 1.6, 1.2),
        told("RocksDB synced write of one entry, p50", "us", write),
        told("prototype, 1 caller, mean", "us", 1e6 / lone_prototype),
        against_floor(f"@readonly get(), {CALLERS} callers", "calls/s", reads, 0.18, 0.35),
    ]


def measure(quick: bool) -> list[Result]:
    """Rates and latencies beside their floors."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        return asyncio.run(_measure(Path(folder), *((0.05, 2) if quick else (0.5, 7))))


if __name__ == "__main__":
    print_json(measure)
