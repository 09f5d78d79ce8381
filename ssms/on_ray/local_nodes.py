"""Ray nodes on this machine, each with its own name and folder, and their ends: of a process, of a whole machine."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
from ray._private.authentication.authentication_token_setup import (
    enable_token_auth_by_default,
    ensure_token_if_auth_enabled,
)
from ray._private.node import Node
from ray.cluster_utils import Cluster

from ssms.on_ray.actors import Coordinator, ServingActor, StoreCopy
from ssms.on_ray.failure_detection import SYSTEM_CONFIG
from ssms.on_ray.homes import node_folder
from ssms.on_ray.names import NODE_LABEL

OBJECT_STORE_BYTES = 80 * 1024**2
"""The shared memory of a node, near the least that Ray takes: what we store is not there."""

KILL_SECONDS_MAX = 5.0
_POLL_SECONDS = 0.01
_HEAD_NAME = "n1"


class LocalNodes:
    """The nodes of one Ray cluster, started one after another (several at once hang now and then, with Ray 2.60).

    root: folder of the data; cpus: what Ray may think that each node has; dashboard: needed by `ray job submit`.
    """

    def __init__(self, root: Path, cpus: int, dashboard: bool) -> None:
        self._root = root
        self._cpus = cpus
        self._dashboard = dashboard
        self._nodes: dict[str, Node] = {}
        self._given = 0
        # Ray puts sockets here, whose paths may have 107 bytes: no room for a folder that somebody has chosen.
        self._temporary = Path(tempfile.mkdtemp(prefix="ssms-"))
        # Ray notes the address of the newest cluster in a file for all programs of this machine: this one has its own.
        (self._temporary / "ray").mkdir()
        os.environ["RAY_TMPDIR"] = str(self._temporary)
        self._cluster = Cluster(shutdown_at_exit=False)

    @property
    def address(self) -> str:
        """Where drivers connect."""
        return str(self._cluster.address)

    @property
    def dashboard(self) -> str:
        """Where Ray's dashboard listens; "" if there is none."""
        return f"http://{self._cluster.webui_url}" if self._dashboard else ""

    @property
    def names(self) -> list[str]:
        """All nodes that live, the head first."""
        return list(self._nodes)

    def add(self) -> str:
        """One more node; the first is the head. Names are never used twice."""
        self._given += 1
        name = f"n{self._given}"
        common: dict[str, Any] = {
            "num_cpus": self._cpus,
            "object_store_memory": OBJECT_STORE_BYTES,
            "labels": {NODE_LABEL: name},
            "include_log_monitor": False,
        }
        if self._nodes:
            node = self._cluster.add_node(**common)
        else:
            enable_token_auth_by_default()  # as ray.init() does for a cluster of its own
            ensure_token_if_auth_enabled(SYSTEM_CONFIG, create_token_if_missing=True)
            node = self._cluster.add_node(
                temp_dir=str(self._temporary),
                include_dashboard=self._dashboard,
                dashboard_port=0,
                _system_config=SYSTEM_CONFIG,
                **common,
            )
            # where Ray looks for the cluster that a job belongs to; without it, it takes any that runs on this machine
            (self._temporary / "ray_current_cluster").write_text(str(self._cluster.address))
        self._nodes[name] = node
        return name

    def remove(self, name: str) -> None:
        """The machine and its disk are gone: every process of the node is killed, its folder deleted."""
        if name == _HEAD_NAME:
            raise ValueError(f"{name} is the head of this Ray cluster, which does not live without it")
        node = self._nodes.pop(name)
        _kill(list(_processes(node)))
        self._cluster.remove_node(node, allow_graceful=False)
        shutil.rmtree(node_folder(str(self._root), name), ignore_errors=True)

    def signal_hosts(self, name: str, number: signal.Signals) -> int:
        """Send a signal to the processes of a node that hold copies of stores; how many there are."""
        hosts = [process for process in _processes(self._nodes[name]) if _runs_actor(process, StoreCopy)]
        for process in hosts:
            process.send_signal(number)
        return len(hosts)

    def kill_coordinator(self) -> int:
        """SIGKILL to the coordinator; how many there were."""
        found = [process for process in _processes(self._nodes[_HEAD_NAME]) if _runs_actor(process, Coordinator)]
        for process in found:
            process.kill()
        return len(found)

    def close(self) -> None:
        """Kill everything, and delete what Ray has written."""
        _kill([process for node in self._nodes.values() for process in _processes(node)])
        _kill(psutil.Process().children(recursive=True))
        shutil.rmtree(self._temporary, ignore_errors=True)


def _processes(node: Node) -> Iterator[psutil.Process]:
    """The processes that Ray started for a node, and all below them: its raylet first, which starts others anew."""
    for started in (info for kind in node.all_processes.values() for info in kind):
        try:
            root = psutil.Process(started.process.pid)
            below = root.children(recursive=True)
        except psutil.NoSuchProcess:
            continue
        yield root
        yield from below


def _kill(processes: list[psutil.Process]) -> None:
    """SIGKILL to all, and wait until none of them does anything more."""
    for process in processes:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    last = time.monotonic() + KILL_SECONDS_MAX
    while any(_runs(process) for process in processes) and time.monotonic() < last:
        time.sleep(_POLL_SECONDS)


def _runs(process: psutil.Process) -> bool:
    """A killed process whose parent has not asked for its end yet stays in the list of processes, and does nothing."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _runs_actor(process: psutil.Process, kind: type[ServingActor]) -> bool:
    try:
        command = process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return False
    return bool(command) and command[0].startswith(f"ray::{kind.__name__}")
