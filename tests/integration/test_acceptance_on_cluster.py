"""What programs are promised when they run embedded holds on a cluster, whose processes are killed meanwhile."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import ssms
from ssms.on_ray.local_cluster import LocalCluster
from tests.integration.command_line import ROOT
from tests.integration.on_cluster import run

pytestmark = pytest.mark.process

FOLDER = Path(os.environ.get("ACCEPTANCE", ROOT.parent / "shared" / "acceptance"))
KILL_EVERY_TURNS = 10


@pytest.fixture
def cluster() -> Iterator[LocalCluster]:
    with ssms.local_cluster(nodes=2, replicas=2) as cluster:
        yield cluster


class Killer:
    """Kills the processes of one node after the other, every KILL_EVERY_TURNS turns."""

    def __init__(self, cluster: LocalCluster) -> None:
        self.kills = 0
        self._cluster = cluster
        self._turns = itertools.count(1)
        self._nodes = itertools.cycle(cluster.nodes)

    def __call__(self) -> None:
        if next(self._turns) % KILL_EVERY_TURNS == 0:
            self.kills += self._cluster.kill_host(next(self._nodes))


@pytest.mark.parametrize("program", ["01_objects.py", "02_crash.py", "03_retwis.py", "04_resume.py", "05_automata.py"])
def test_a_program_for_one_process_runs_on_a_cluster(program: str, cluster: LocalCluster) -> None:
    if not FOLDER.is_dir():
        pytest.skip(f"no folder {FOLDER} with programs: say ACCEPTANCE=<folder>")
    done = run(FOLDER / program, cluster.address, Killer(cluster), seconds_max=300)
    assert done.code == 0, done.out + done.err
    assert done.out.splitlines()[-1].startswith("ok"), done.out
