"""A cluster that stays on this machine until it is taken down: where it is noted, how it begins and ends."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import msgspec

from automata.errors import StateError
from ssms.cluster_order import ClusterOrder
from ssms.ray_room import ray_room

LOG = "cluster.log"
NOTE = "cluster.json"
DOWN_SECONDS_MAX = 60.0
_POLL_SECONDS = 0.05
_LOG_CHARS = 4_000


class Running(msgspec.Struct, frozen=True):
    """A cluster of this machine. pid: of the process that keeps it; address: of its Ray cluster; dashboard: of Ray's,
    which takes jobs, "" if there is none.
    """

    pid: int
    address: str
    dashboard: str
    nodes: list[str]


def find(path: Path) -> Running | None:
    """The cluster that runs over the data in this folder, if there is one."""
    try:
        running = msgspec.json.decode((path / NOTE).read_bytes(), type=Running)
    except FileNotFoundError:
        return None
    return running if _keeps(running.pid) else None


def begin(order: ClusterOrder) -> Running:
    """Start it, and return when it stands. Raises StateError if one runs there, or if it cannot be started."""
    path = Path(order.root)
    there = find(path)
    if there is not None:
        raise StateError(f"a cluster runs over {path} already, at {there.address}: ssms down --path {path}")
    path.mkdir(parents=True, exist_ok=True)
    log = path / LOG
    room = ray_room("local_cluster")
    with log.open("w") as errors:
        keeper = subprocess.Popen(
            room.keeper_command(order),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=room.keeper_environment(),
            start_new_session=True,  # it outlives this terminal
        )
    assert keeper.stdout is not None
    with keeper.stdout:
        answer = keeper.stdout.readline()
    if not answer:
        raise StateError(f"the cluster could not be started:\n{log.read_text()[-_LOG_CHARS:]}")
    about = msgspec.json.decode(answer)
    running = Running(keeper.pid, about["address"], about["dashboard"], about["nodes"])
    (path / NOTE).write_bytes(msgspec.json.encode(running))
    ray_room("connection").publish(running.address)
    return running


def end(path: Path) -> Running:
    """Take it down, its stores closed, its data left. Raises StateError if none runs there."""
    running = find(path)
    if running is None:
        raise StateError(f"no cluster runs over {path}")
    os.kill(running.pid, signal.SIGTERM)
    last = time.monotonic() + DOWN_SECONDS_MAX
    while _keeps(running.pid):
        if time.monotonic() > last:
            raise StateError(f"the cluster's process {running.pid} has not ended in {DOWN_SECONDS_MAX:.0f} s")
        time.sleep(_POLL_SECONDS)
    (path / NOTE).unlink(missing_ok=True)
    ray_room("connection").withdraw(running.address)
    return running


def _keeps(pid: int) -> bool:
    """Whether the process is there and is a keeper: numbers of processes are used again."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return False
    return b"ssms.on_ray.keeper" in command
