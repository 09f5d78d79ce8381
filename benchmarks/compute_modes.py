"""Where a method computes (SSMS §4.1, §4.4): beside its object's log, in an actor on the same node, or on another node.

The paper's application: tasks that compute pi to some digits, each on another object. Everything runs in one actor, the
host, with an engine and its callers. The machine is one, with two nodes of Ray on it: what is called remote goes
through another raylet, and no wire.
"""

import asyncio
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import Any

import ray
from ray.cluster_utils import Cluster
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

import ssms
from automata import object_type, ref
from benchmarks.bare_ray import ROOT
from benchmarks.floors import calls_per_second
from benchmarks.results import Result, print_json, told
from ssms.on_ray.workers import WorkerPlaces

CALLERS = 4
DIGITS = (10, 1_000, 10_000, 30_000)
MODES = ("co-located", "an actor on the same node", "remote")


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


@contextmanager
def two_nodes() -> Iterator[tuple[str, str]]:
    """A Ray of two nodes on this machine, and their ids."""
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    with tempfile.TemporaryDirectory(prefix="r-", dir=os.environ.get("RAY_TMPDIR")) as folder:
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 4, "temp_dir": folder})
        try:
            other = cluster.add_node(num_cpus=4)
            cluster.wait_for_nodes()
            ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
            yield cluster.head_node.node_id, other.node_id
        finally:
            ray.shutdown()
            cluster.shutdown()


def measure(quick: bool) -> list[Result]:
    """Tasks a second by mode and size of the task."""
    seconds, rounds, digits = (0.3, 1, DIGITS[:2]) if quick else (1.5, 3, DIGITS)
    rates = {}
    with two_nodes() as (head, other), tempfile.TemporaryDirectory(prefix="bench-") as folder:
        here = NodeAffinitySchedulingStrategy(head, soft=False)
        for n, (mode, node) in enumerate(zip(MODES, (head, head, other), strict=True)):
            made: Any = ray.remote(num_cpus=1, scheduling_strategy=here)(EngineHost)
            host = made.remote(str(Path(folder) / str(n)), WorkerPlaces(node, strictly=True))
            rates[mode] = ray.get(host.rates.remote(mode != MODES[0], digits, seconds, rounds))
            ray.kill(host)
    return [
        told(f"pi to {count:,} digits, {CALLERS} objects: {mode}", "tasks/s", rates[mode][n])
        for n, count in enumerate(digits)
        for mode in MODES
    ]


if __name__ == "__main__":
    print_json(measure)
