"""A process that keeps a Ray cluster of this machine: it starts the nodes, does as it is told, and takes all down.

`python -m ssms.on_ray.keeper '{"nodes": 3, ...}'` answers with one line of JSON once the cluster stands. Then each line
of its input is an order, answered by a line. The end of its input is the end of the cluster: so nothing stays behind
when whoever started it ends, in whatever way. One that was told to stay goes on until SIGTERM.
"""

from __future__ import annotations

import json
import os
import pkgutil
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

import msgspec
import ray

from ssms.cluster_order import ClusterOrder
from ssms.on_ray.connection import attach
from ssms.on_ray.homes import Roles
from ssms.on_ray.installing import install, plan_of, uninstall
from ssms.on_ray.local_nodes import LocalNodes


class Keeper:
    """One cluster, from its start to its end."""

    def __init__(self, order: ClusterOrder) -> None:
        self.order = order
        self._root = Path(order.root or tempfile.mkdtemp(prefix="ssms-data-")).resolve()
        self._nodes = LocalNodes(self._root, order.cpus, order.dashboard)
        self.orders: dict[str, Callable[..., object]] = {
            "add_node": self._nodes.add,
            "remove_node": self._nodes.remove,
            "kill_host": lambda node: self._nodes.signal_hosts(node, signal.SIGKILL),
            "kill_coordinator": self._nodes.kill_coordinator,
            "pause": lambda node: self._nodes.signal_hosts(node, signal.SIGSTOP),
            "resume": lambda node: self._nodes.signal_hosts(node, signal.SIGCONT),
        }

    def start(self) -> dict[str, object]:
        """Start the nodes and the coordinator; where they are."""
        order = self.order
        for _ in range(order.nodes):
            self._nodes.add()
        attach(self._nodes.address)
        roles = pkgutil.resolve_name(order.roles)
        assert isinstance(roles, Roles)
        install(plan_of(order, str(self._root)), roles)
        return {"address": self._nodes.address, "nodes": self._nodes.names, "dashboard": self._nodes.dashboard}

    def obey(self, line: str) -> dict[str, object]:
        """Do what one line says; its result, or its error."""
        what, *arguments = json.loads(line)
        try:
            return {"result": self.orders[what](*arguments)}
        except Exception as error:  # noqa: BLE001 - it is told to whoever gave the order
            return {"error": f"{type(error).__name__}: {error}"}

    def stop(self) -> None:
        """Take everything down: properly if the data is kept, at once if not."""
        if self.order.root and ray.is_initialized():
            uninstall()
        self._nodes.close()
        if not self.order.root:
            shutil.rmtree(self._root, ignore_errors=True)


def main() -> None:
    """Keep the cluster that the first argument orders."""
    answers = _own_standard_output()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    keeper = Keeper(msgspec.json.decode(sys.argv[1], type=ClusterOrder))
    code = 0
    try:
        _keep(keeper, answers)
    except SystemExit as ending:
        code = int(ending.code or 0)
    except Exception:  # noqa: BLE001 - told, and the end of the cluster all the same
        traceback.print_exc()
        code = 1
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # the end is not interrupted
    keeper.stop()
    os._exit(code)  # Ray would say good-bye to a cluster that is gone, which takes it 5 s


def _keep(keeper: Keeper, answers: TextIO) -> None:
    _say(answers, keeper.start())
    for line in sys.stdin:
        _say(answers, keeper.obey(line))
    while keeper.order.stays:
        signal.pause()


def _own_standard_output() -> TextIO:
    """Standard output for answers alone: what Ray prints goes where errors go."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return answers


def _say(answers: TextIO, answer: dict[str, Any]) -> None:
    try:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
    except BrokenPipeError:
        raise SystemExit from None  # nobody is there any more


def _leave(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    main()
