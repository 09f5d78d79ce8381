"""Where a method computes (SSMS §4.1, §4.4): beside its object's log, in an actor on the same node, or on another node.

The paper's application: tasks that compute pi to some digits, each on another object. Everything runs in one actor, the
host, with an engine and its callers. The machine is one, with two nodes of Ray on it: what is called remote goes
through another raylet, and no wire.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from ray.cluster_utils import Cluster
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from benchmarks.bare_ray import ROOT
from benchmarks.pi_host import CALLERS, EngineHost
from benchmarks.results import Result, print_json, told
from ssms.on_ray.workers import WorkerPlaces

DIGITS = (10, 1_000, 10_000, 30_000)
MODES = ("co-located", "an actor on the same node", "remote")


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
