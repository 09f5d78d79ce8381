"""Bare Ray: what its actor calls reach with nothing behind them. The floors that a cluster is held against.

An actor that answers at once and stores nothing is the cheapest service that Ray can run.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import ray

from benchmarks.floors import Flusher, calls_per_second
from benchmarks.results import Result, print_json, told

ROOT = Path(__file__).parents[1]
IN_FLIGHT = (1, 64, 256)


class Nothing:
    """Counts in memory: what is lost when its process dies."""

    def __init__(self) -> None:
        self._count = 0

    async def add(self, n: int) -> int:
        """Count, and say how far."""
        self._count += n
        return self._count


class BareActor:
    """One actor of bare Ray, called from this process. Needs a Ray that runs."""

    def __init__(self) -> None:
        self._actor: Any = ray.remote(num_cpus=0)(Nothing).remote()
        ray.get(self._actor.add.remote(0))

    async def call(self, _: int) -> None:
        """One call, answered."""
        await self._actor.add.remote(1)

    async def rate(self, in_flight: int, seconds: float) -> float:
        """Calls per second with so many at a time."""
        return await calls_per_second(self.call, in_flight, seconds)

    async def call_and_flush_us(self, flusher: Flusher, count: int) -> float:
        """The median time of one call after the other, each with one flush after it."""
        took = []
        for n in range(count):
            begun = time.perf_counter()
            await self.call(n)
            flusher.once()
            took.append(time.perf_counter() - begun)
        return median(took) * 1e6

    def close(self) -> None:
        """Let go of its process."""
        ray.kill(self._actor)


@contextmanager
def own_ray() -> Iterator[None]:
    """A Ray of one machine for as long as this takes, whose workers can import the benchmarks."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *([before] if before else [])])
    with tempfile.TemporaryDirectory(prefix="r-", dir=os.environ.get("RAY_TMPDIR")) as folder:
        ray.init(num_cpus=8, include_dashboard=False, log_to_driver=False, logging_level="ERROR", _temp_dir=folder)
        try:
            yield
        finally:
            ray.shutdown()
            os.environ.pop("PYTHONPATH") if before is None else os.environ.update(PYTHONPATH=before)


async def _measure(folder: Path, seconds: float, rounds: int) -> list[Result]:
    bare, flusher = BareActor(), Flusher(folder)
    results = []
    for in_flight in IN_FLIGHT:
        rates = [await bare.rate(in_flight, seconds) for _ in range(rounds)]
        results.append(told(f"bare Ray actor calls, {in_flight} in flight", "calls/s", median(rates)))
    took = await bare.call_and_flush_us(flusher, int(seconds * 500))
    flusher.close()
    bare.close()
    return [*results, told("one bare call and one flush, p50", "us", took)]


def measure(quick: bool) -> list[Result]:
    """The floors of Ray on this machine."""
    with own_ray(), tempfile.TemporaryDirectory(prefix="bench-") as folder:
        return asyncio.run(_measure(Path(folder), *((0.2, 1) if quick else (1.5, 3))))


if __name__ == "__main__":
    print_json(measure)
