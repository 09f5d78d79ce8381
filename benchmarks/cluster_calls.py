"""Durable calls on a cluster against bare Ray actor calls that store nothing, in one run: one, 64 and 256 at a time.

One driver makes all calls. Cluster and floor take turns in short rounds; both are warm. What replication costs is held
against a cluster of the same shape with one copy of each store, each measured in lengths of its own run's floor.
"""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from benchmarks.bare_ray import BareActor
from benchmarks.calls import Counter, add, compare, get, latency_us
from benchmarks.clusters import IS_THERE, Shape, opened
from benchmarks.floors import COUNTERS, Flusher, calls_per_second
from benchmarks.results import Result, against_floor, print_json, told

ONE_HOST, TWO_HOSTS = Shape(), Shape(hosts=2)
ALONE, IN_PAIRS = Shape(nodes=2), Shape(nodes=2, replicas=2)

Round = Callable[[], Awaitable[float]]


class Pace:
    """Rates of the cluster and of bare Ray. seconds: of each round; rounds: how many of each."""

    def __init__(self, seconds: float, rounds: int) -> None:
        self.seconds = seconds
        self.rounds = rounds

    async def against_bare(self, bare: BareActor, callers: int, of_bare: int | None = None) -> tuple[float, float]:
        """(calls/s of the cluster, of bare Ray), each with so many in flight."""
        await self._touch_all()
        floor = of_bare or callers
        return await compare(
            lambda: calls_per_second(add, callers, self.seconds),
            lambda: bare.rate(floor, self.seconds),
            self.rounds,
        )

    async def one_at_a_time(self, bare: BareActor, flusher: Flusher) -> tuple[float, float]:
        """(us of a durable call, of a bare call and a flush), one after the other."""
        count = int(self.seconds * 400)
        return await compare(lambda: latency_us(count), lambda: bare.call_and_flush_us(flusher, count), self.rounds)

    async def reads(self, bare: BareActor, callers: int) -> tuple[float, float]:
        """(readonly calls/s of the cluster, bare calls/s)."""
        return await compare(
            lambda: calls_per_second(get, callers, self.seconds), lambda: bare.rate(callers, self.seconds), self.rounds
        )

    async def _touch_all(self) -> None:
        await asyncio.gather(*(add(n) for n in range(COUNTERS)))


async def one_host(pace: Pace, embedded: bool = False) -> list[Result]:
    """The rows of one host."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        flusher = Flusher(Path(folder))
        async with opened(ONE_HOST, Counter, embedded=embedded):
            bare = BareActor()
            many = await pace.against_bare(bare, 64)
            most = await pace.against_bare(bare, 256)
            one = await pace.one_at_a_time(bare, flusher)
            reads = await pace.reads(bare, 64)
            bare.close()
        flusher.close()
    return [
        against_floor("durable add(1), 64 in flight, one host", "calls/s", many, 6, 10),
        against_floor("durable add(1), one at a time, p50, against a bare call and a flush", "us", one, 1.5, 1.2),
        against_floor("durable add(1), 256 in flight, one host", "calls/s", most, 12, 20),
        against_floor("@readonly get(), 64 in flight, one host", "calls/s", reads, 6, 10),
    ]


async def two_hosts(pace: Pace, embedded: bool = False) -> list[Result]:
    """The row of two hosts."""
    async with opened(TWO_HOSTS, Counter, embedded=embedded):
        bare = BareActor()
        most = await pace.against_bare(bare, 256)
        bare.close()
    return [against_floor("durable add(1), 256 in flight, two hosts", "calls/s", most, 15, 20)]


async def replicated(pace: Pace, embedded: bool = False) -> list[Result]:
    """What a second copy costs: rates in multiples of bare Ray, so that the two clusters' runs compare."""
    multiples, rates = [], []
    for shape in (ALONE, IN_PAIRS):
        async with opened(shape, Counter, embedded=embedded):
            bare = BareActor()
            rate, floor = await pace.against_bare(bare, 64)
            bare.close()
        rates.append(rate)
        multiples.append(rate / floor)
    alone, pairs = multiples
    return [
        against_floor(
            "replicas=2 against 1, 64 in flight, in multiples of bare Ray", "x bare", (pairs, alone), 0.5, 0.7
        ),
        told("durable add(1), 64 in flight, two nodes, replicas=1", "calls/s", rates[0]),
        told("durable add(1), 64 in flight, two nodes, replicas=2", "calls/s", rates[1]),
    ]


async def _measure(pace: Pace, embedded: bool = False) -> list[Result]:
    return [result for part in (one_host, two_hosts, replicated) for result in await part(pace, embedded)]


def measure(quick: bool, embedded: bool = False) -> list[Result]:
    """Rates and latencies of a cluster beside those of bare Ray."""
    if not (IS_THERE or embedded):
        return [told("a cluster: not there", "calls/s", None)]
    return asyncio.run(_measure(Pace(0.3, 2) if quick else Pace(1.0, 5), embedded))


if __name__ == "__main__":
    print_json(measure)
