"""Objects that compute pi (SSMS §4.4), and an actor that holds them: in a module of its own, as workers import it."""

import asyncio
from collections.abc import Sequence
from itertools import cycle
from statistics import median

import ssms
from automata import object_type, ref
from benchmarks.floors import calls_per_second
from ssms.on_ray.workers import WorkerPlaces

CALLERS = 4


class _Pi:
    """Remembers how often it has computed, and what came of it."""

    computed: int = 0
    last_digits: int = 0

    async def compute(self, digits: int) -> int:
        """One task. Returns the last ten digits."""
        self.computed += 1
        self.last_digits = pi(digits) % 10**10
        return self.last_digits


@object_type(name="benchmarks.Pi")
class Pi(_Pi):
    """Computes where its state is."""


@object_type(name="benchmarks.PiApart", compute="worker", num_cpus=0)
class PiApart(_Pi):
    """Computes in a worker."""


def pi(digits: int) -> int:
    """Pi times 10**digits (Machin's formula, in integers)."""
    unit = 10 ** (digits + 10)
    return (16 * _arctan(5, unit) - 4 * _arctan(239, unit)) // 10**10


def _arctan(x: int, unit: int) -> int:
    power = total = unit // x
    for n, sign in zip(range(3, 10**9, 2), cycle((-1, 1)), strict=False):
        power //= x * x
        if not power:
            break
        total += sign * (power // n)
    return total


class EngineHost:
    """An engine in an actor. places: where the workers of its objects are."""

    def __init__(self, folder: str, places: WorkerPlaces) -> None:
        self._folder = folder
        self._options = ssms.Options(workers=places.workers)

    async def rates(self, apart: bool, digits: Sequence[int], seconds: float, rounds: int) -> list[float]:
        """Tasks a second for each number of digits, medians of rounds."""
        made = PiApart if apart else Pi
        async with ssms.open(self._folder, options=self._options):

            async def task(n: int, count: int) -> None:
                await ref(made, f"pi-{n % CALLERS}").compute(count)

            found = []
            for count in digits:
                await asyncio.gather(*(task(n, count) for n in range(CALLERS)))  # starts the workers
                runs = [await calls_per_second(lambda n, c=count: task(n, c), CALLERS, seconds) for _ in range(rounds)]
                found.append(median(runs))
            return found
