"""What docs/OPERATIONS.md promises to whoever runs a cluster, tried on real ones with the real command."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.command_line import ROOT, Done
from tests.postgres import server

pytestmark = pytest.mark.process

PATIENCE_SECONDS = 120
TYPES = """
from automata import object_type, readonly, ref, send, Retry

@object_type(retry=Retry(tries=1))
class Counter:
    key: str
    value: int = 0

    async def add(self, n: int) -> int:
        self.value += n
        return self.value

    async def fail(self) -> None:
        raise ValueError("never")

    @readonly
    async def look(self) -> int:
        return self.value
"""


class Operator:
    """A person at a terminal, in one folder. mark: in the environment of all processes that the commands start."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = ""
        self._mark = f"SSMS_TEST_MARK={folder}"
        (folder / "app.py").write_text(TYPES)

    def does(self, *words: str | Path, token: str = "") -> Done:
        name, _, value = self._mark.partition("=")
        environment = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "200", "NO_COLOR": "1", name: value}
        environment |= {"SSMS_TOKEN": token} if token else {}
        done = subprocess.run(
            [sys.executable, "-m", "ssms", *map(str, words)],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def up(self, *words: str, nodes: int = 2) -> None:
        sizes = ("--nodes", str(nodes), "--replicas", str(nodes))
        done = self.does("up", *sizes, "--path", "data", "--json", *words)
        assert done.code == 0, done.err + done.out
        self.address = done.json["address"]

    def down(self) -> None:
        done = self.does("down", "--path", "data")
        assert done.code == 0, done.err

    def asks(self, *words: str, token: str = "") -> Any:
        done = self.does(*words, "--address", self.address, "--json", token=token)
        assert done.code == 0, done.err + done.out
        return done.json

    def calls(self, method: str, *words: str, token: str = "") -> Any:
        return self.asks("call", "Counter/a", method, *words, "--app", "app.py", token=token)["result"]

    def kill_everything(self) -> int:
        """The machines lose power: SIGKILL to whatever the cluster consists of."""
        killed = 0
        last = time.monotonic() + PATIENCE_SECONDS
        while found := list(self._processes()):
            for pid in found:
                os.kill(pid, signal.SIGKILL)
            killed += len(found)
            assert time.monotonic() < last, found
            time.sleep(0.05)
        return killed

    def _processes(self) -> Iterator[int]:
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if self._mark.encode() in (process / "environ").read_bytes() and (process / "cmdline").read_bytes():
                    yield int(process.name)
            except OSError:
                continue


@contextmanager
def operating(folder: Path) -> Iterator[Operator]:
    operator = Operator(folder)
    try:
        yield operator
    finally:
        operator.kill_everything()


def test_acknowledged_calls_outlive_the_loss_of_power_and_a_backup_can_be_put_back(tmp_path: Path) -> None:
    with operating(tmp_path) as operator:
        operator.up(nodes=1)
        assert operator.calls("add", "5") == 5
        assert operator.kill_everything() > 5
        operator.up(nodes=1)
        assert operator.calls("add", "1") == 6
        operator.down()
        shutil.copytree(tmp_path / "data", tmp_path / "backup")
        operator.up(nodes=1)
        assert operator.calls("add", "100") == 106
        operator.down()
        shutil.rmtree(tmp_path / "data")
        (tmp_path / "backup").rename(tmp_path / "data")
        operator.up(nodes=1)
        assert operator.calls("add", "1") == 7
        operator.down()


def test_with_the_catalog_in_postgresql_the_disk_of_the_head_may_be_lost(tmp_path: Path) -> None:
    with server() as url, operating(tmp_path) as operator:
        operator.up("--catalog", url, "--token", "secret")
        assert operator.does("deploy", "app.py", "--address", operator.address).code == 1
        refused = operator.does("call", "Counter/a", "look", "--app", "app.py", "--address", operator.address)
        assert refused.code == 1
        assert "token" in refused.err
        assert operator.asks("deploy", "app.py", token="secret") == {"deployed": ["Counter"]}
        assert operator.calls("add", "5") == 5
        assert operator.asks("status")["catalog"].startswith("postgresql")
        operator.kill_everything()
        shutil.rmtree(tmp_path / "data" / "n1")
        operator.up("--catalog", url, "--token", "secret")
        assert operator.calls("add", "1") == 6
        assert [made["name"] for made in operator.asks("status")["types"]] == ["Counter"]
        operator.down()


def goes_off_and_on(operator: Operator) -> None:
    """The processes leave a Ray cluster, which goes on, and come back."""
    assert operator.asks("down")["processes"] == 5
    assert operator.does("call", "Counter/a", "look", "--app", "app.py", "--address", operator.address).code == 1
    operator.asks("up", "--replicas", "2", "--path", "data")
    assert operator.calls("look") == 5


def test_commands_that_look_into_a_store_look_into_a_cluster(tmp_path: Path) -> None:
    with operating(tmp_path) as operator:
        operator.up()
        assert operator.calls("add", "5") == 5
        assert operator.asks("ps")["types"]["Counter"]["objects"] == 1
        assert operator.asks("show", "Counter/a")["fields"]["value"] == 5
        assert operator.asks("explain", "Counter/a")["node"] in {"n1", "n2"}
        refused = operator.does("log", "Counter/a", "--address", operator.address)
        assert refused.code == 1
        assert "ssms log Counter/a --store" in refused.err
        assert operator.asks("call", "Counter/a", "fail", "--no-wait", "--app", "app.py")["message"]
        last = time.monotonic() + PATIENCE_SECONDS
        while not (dead := operator.asks("dead")):
            assert time.monotonic() < last
        assert (dead[0]["method"], operator.asks("dead", "show", dead[0]["id"])["error"]) == (
            "fail",
            dead[0]["error"],
        )
        assert operator.asks("dead", "discard", "--all") == {"discarded": [dead[0]["id"]], "left": {}}
        stores = operator.asks("status")["stores"]
        assert sum(store["slots"] for store in stores) == 4096
        goes_off_and_on(operator)
        operator.down()
