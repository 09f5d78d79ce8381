"""A real Ray cluster of several nodes on this machine, for tests and trials: it ends with whoever started it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import msgspec

from darq.errors import AutomataError
from ssms.cluster_app import ClusterApp
from ssms.cluster_order import ClusterOrder
from ssms.connecting import connect
from ssms.on_ray.connection import attach, detach
from ssms.on_ray.peers import RayPeers

_LOG_CHARS = 4_000


class ClusterFailed(AutomataError):
    """The cluster could not be started, or not do what it was told: the message has what its processes have said."""


class LocalCluster:
    """A cluster in processes of its own. Use it with `with`; its data is deleted in the end if it has no path.

    Ray's ports and folders are its own, so that several may run at once, beside other Ray clusters too.
    """

    def __init__(self, order: ClusterOrder) -> None:
        self._order = order
        self._one_at_a_time = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._log: IO[str] | None = None
        self._about: dict[str, Any] = {}

    def __enter__(self) -> LocalCluster:
        self._log = tempfile.TemporaryFile("w+")
        try:
            self._process = subprocess.Popen(
                keeper_command(self._order),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                text=True,
                env=keeper_environment(),
                start_new_session=True,  # Ctrl-C is for this process, which takes the cluster down when it is done
            )
            self._about = self._answer()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            detach(self.address)
        finally:
            self._end()

    @property
    def address(self) -> str:
        """Where `ssms.connect(address)` and `ray.init(address)` find it."""
        return str(self._about["address"])

    @property
    def dashboard(self) -> str:
        """The address of Ray's dashboard, which takes jobs; "" if there is none."""
        return str(self._about["dashboard"])

    @property
    def nodes(self) -> list[str]:
        """The nodes that it started with, the head first."""
        return [str(node) for node in self._about["nodes"]]

    def connect(self, *, deploy: bool = True) -> ClusterApp:
        """An app on this cluster, as of `ssms.connect()`."""
        attach(self.address)  # here, as Ray would like to be connected by the main thread
        return connect(self.address, token=self._order.token, deploy=deploy)

    def peers(self) -> RayPeers:
        """Connect this process, as a driver; the processes of the cluster, by name."""
        attach(self.address)
        return RayPeers()

    def add_node(self) -> str:
        """One more machine, with an empty disk; its id. It takes its share of stores or copies by itself."""
        return str(self._ask("add_node"))

    def remove_node(self, node: str) -> None:
        """A machine and its disk are gone: all its processes get SIGKILL, its data is deleted. Not the head."""
        self._ask("remove_node", node)

    def kill_host(self, node: str) -> int:
        """SIGKILL to the processes of a node that hold copies of stores; how many there were. Ray restarts them."""
        return int(self._ask("kill_host", node))

    def kill_coordinator(self) -> int:
        """SIGKILL to the coordinator; how many there were. Ray restarts it."""
        return int(self._ask("kill_coordinator"))

    def pause(self, node: str) -> int:
        """SIGSTOP to the same processes: they live, and do nothing until `resume`."""
        return int(self._ask("pause", node))

    def resume(self, node: str) -> int:
        """SIGCONT to them."""
        return int(self._ask("resume", node))

    def _ask(self, *order: str) -> Any:
        assert self._process is not None
        assert self._process.stdin is not None
        with self._one_at_a_time:
            try:
                self._process.stdin.write(json.dumps(order) + "\n")
                self._process.stdin.flush()
            except BrokenPipeError as error:
                raise ClusterFailed(self._last_words()) from error
            answer = self._answer()
        if "error" in answer:
            raise ClusterFailed(answer["error"])
        return answer["result"]

    def _answer(self) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise ClusterFailed(self._last_words())
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _last_words(self) -> str:
        assert self._log is not None
        self._log.seek(0)
        return f"the cluster's keeper has ended:\n{self._log.read()[-_LOG_CHARS:]}"

    def _end(self) -> None:
        if self._process is not None:
            self._process.communicate()  # closes its input, which ends it
        if self._log is not None:
            self._log.close()


def keeper_command(order: ClusterOrder) -> list[str]:
    """The command line of a process that keeps this cluster."""
    return [sys.executable, "-m", "ssms.on_ray.keeper", msgspec.json.encode(order).decode()]


def keeper_environment() -> dict[str, str]:
    """Its environment, and that of all processes of the cluster: they can import what this process can."""
    inside = (sys.prefix, sys.base_prefix)
    paths = [path or str(Path.cwd()) for path in sys.path]
    own = [path for path in paths if not path.startswith(inside)]
    return os.environ | {"PYTHONPATH": os.pathsep.join(own)}
