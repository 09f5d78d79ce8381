import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.command_line import ROOT, Done

pytestmark = pytest.mark.process

EXAMPLES = ROOT / "examples"
PATIENCE_SECONDS = 240


def command(module: str, *words: str | Path, cwd: Path, says_token: bool = True) -> Done:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "200", "NO_COLOR": "1"}
    if says_token:
        environment["RAY_AUTH_MODE"] = "token"
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, words)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cluster")


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[dict[str, Any]]:
    done = command(
        "ssms", "up", "--nodes", "2", "--hosts", "1", "--replicas", "2", "--path", "data", "--json", cwd=folder
    )
    try:
        assert done.code == 0, done.err + done.out
        yield done.json
    finally:
        ended = command("ssms", "down", "--path", "data", cwd=folder)
    assert ended.code == 0, ended.err
    assert list((folder / "data").glob("*/copies/*"))  # its data stays


def test_status_shows_nodes_stores_and_copies(running: dict[str, Any], folder: Path) -> None:
    status = command("ssms", "status", "--address", running["address"], "--json", cwd=folder).json
    assert sorted(node["id"] for node in status["nodes"]) == running["nodes"] == ["n1", "n2"]
    assert len(status["stores"]) == 2
    assert len(status["copies"]) == 4


def test_a_command_says_nothing_but_its_result(running: dict[str, Any], folder: Path) -> None:
    done = command("ssms", "status", "--address", running["address"], cwd=folder, says_token=False)
    assert done.code == 0
    assert done.err == ""


@pytest.mark.parametrize("words", [["explain", "Nobody/a"], ["move", "Nobody/a", "n2"]])
def test_types_that_are_not_deployed_are_refused(running: dict[str, Any], folder: Path, words: list[str]) -> None:
    done = command("ssms", *words, "--address", running["address"], cwd=folder)
    assert done.code == 1
    assert done.err.startswith("UnknownType: no type 'Nobody' is defined here")
    assert done.err.endswith("Say ssms deploy FILE\n")


def test_where_nobody_listens_there_is_no_cluster(tmp_path: Path) -> None:
    done = command("ssms", "status", "--address", "127.0.0.1:9", cwd=tmp_path, says_token=False)
    assert done.code == 1
    assert len(done.err.splitlines()) == 1, done.err
    assert "nobody listens at" in done.err


def test_a_second_cluster_is_refused_over_the_same_folder(running: dict[str, Any], folder: Path) -> None:
    done = command("ssms", "up", "--path", "data", "--json", cwd=folder)
    assert done.code == 1
    assert running["address"] in json.loads(done.out)["message"]


def test_a_file_is_deployed(running: dict[str, Any], folder: Path) -> None:
    done = command("ssms", "deploy", EXAMPLES / "bank.py", "--address", running["address"], "--json", cwd=folder)
    assert done.json == {"deployed": ["Account"]}, done.err


def test_a_ray_job_runs_an_example_on_the_cluster(running: dict[str, Any], folder: Path) -> None:
    job = ("--address", running["dashboard"], "--working-dir", EXAMPLES, "--", sys.executable, "retwis.py")
    done = command("ray.scripts.scripts", "job", "submit", *job, cwd=folder)
    for _ in range(30):  # Ray's agent, which starts the jobs, begins a little after its dashboard does
        if "No available agent" not in done.out + done.err:
            break
        time.sleep(1)
        done = command("ray.scripts.scripts", "job", "submit", *job, cwd=folder)
    assert done.code == 0, done.err + done.out
    assert "reads ['0: hello']" in done.out
