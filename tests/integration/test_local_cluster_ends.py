import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.integration.command_line import ROOT

pytestmark = pytest.mark.process

PATIENCE_SECONDS = 60.0
PROGRAM = """
import os, sys, time
from ssms.cluster_order import ClusterOrder
from ssms.on_ray.local_cluster import LocalCluster

with LocalCluster(ClusterOrder(nodes=1, roles="tests.integration.stand_in:STAND_IN")) as cluster:
    print(cluster.address, flush=True)
    if sys.argv[1] == "raise":
        sys.stdin.readline()
        raise ValueError("the body has failed")
    time.sleep(600)
"""


def processes_with(mark: str) -> list[str]:
    """Command lines of all processes that have this in their environment, and do anything."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text())
        except OSError:
            continue
    return found


@pytest.mark.parametrize("how", ["raise", "SIGTERM", "SIGKILL"])
def test_nothing_stays_behind_however_its_program_ends(how: str, tmp_path: Path) -> None:
    mark = f"SSMS_TEST_MARK={tmp_path.name}-{os.getpid()}"
    name, _, value = mark.partition("=")
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, how],
        env=os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": "/tmp", name: value},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline()
    assert len(processes_with(mark)) > 3
    if how != "raise":
        process.send_signal(signal.Signals[how])
    process.communicate("now\n" if how == "raise" else None, timeout=PATIENCE_SECONDS)
    last = time.monotonic() + PATIENCE_SECONDS
    while (left := processes_with(mark)) and time.monotonic() < last:
        time.sleep(0.05)
    assert left == []
