import re
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ssms.cli.bench import find_benchmarks
from ssms.cli.command import app

COMMANDS = (
    *("demo", "run", "call", "ps", "show", "log", "bench", "build", "upload"),
    *("up", "down", "status", "deploy", "move"),
)
runner = CliRunner()


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help_with_an_example_and_takes_json(command: str) -> None:
    done = runner.invoke(app, [command, "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
    text = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)
    assert done.exit_code == 0
    assert f"Example: ssms {command}" in text
    assert "--json" in text


def test_no_command_shows_them_all() -> None:
    done = runner.invoke(app, [])
    assert all(command in done.stdout for command in COMMANDS)


def test_an_unknown_command_is_wrong_usage() -> None:
    assert runner.invoke(app, ["fly"]).exit_code == 2


def test_benchmarks_are_found_where_they_can_be_run(tmp_path: Path) -> None:
    assert find_benchmarks([tmp_path]) is None
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "__main__.py").touch()
    assert find_benchmarks([tmp_path / "elsewhere", tmp_path]) == tmp_path


def test_the_version_is_the_one_of_the_package() -> None:
    done = runner.invoke(app, ["--version"])
    assert (done.exit_code, done.stdout) == (0, f"ssms {version('durable-automata')}\n")
