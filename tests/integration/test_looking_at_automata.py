"""`ssms show` and `ssms log` of an automaton: its checkpoint, and what it has recorded since."""

from pathlib import Path

import pytest

from tests.integration.command_line import finish, ssms, start, write

pytestmark = pytest.mark.process

COUNTER = """
from automata import apply, automaton, record, ref

@automaton
class Counter:
    total: int = 0
    last: list[int] = []

    async def count(self, first: int, behind: int) -> None:
        for n in range(first, behind):
            record(n)

    @apply
    def counted(self, n: int) -> None:
        self.total += n
        self.last = [*self.last[-2:], n]
"""

FILL = COUNTER + "\napp.run(ref(Counter, 'c').count(0, 20_000))\napp.run(ref(Counter, 'c').count(20_000, 20_003))\n"
HOLD = FILL + "\nimport sys\nprint('up', flush=True)\nsys.stdin.read()\n"
TOTAL = sum(range(20_003))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, "counter.py", COUNTER)
    assert ssms("run", write(tmp_path, "fill.py", FILL), cwd=tmp_path).code == 0
    return tmp_path


def test_show_without_types_shows_the_checkpoint_and_how_many_records_follow(folder: Path) -> None:
    found = ssms("show", "Counter/c", "--json", cwd=folder).json
    assert found["fields"] == {"total": sum(range(20_000)), "last": [19_997, 19_998, 19_999]}
    assert found["records"] == 3
    assert "3 records since this checkpoint" in ssms("show", "Counter/c", cwd=folder).out


def test_show_with_types_applies_the_records(folder: Path) -> None:
    found = ssms("show", "Counter/c", "--app", "counter.py", "--json", cwd=folder).json
    assert found["fields"] == {"total": TOTAL, "last": [20_000, 20_001, 20_002]}


def test_show_with_types_works_beside_the_holder(folder: Path) -> None:
    holder = start("run", write(folder, "hold.py", HOLD), cwd=folder)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "up\n"
    found = ssms("show", "Counter/c", "--app", "counter.py", "--json", cwd=folder).json
    assert found["fields"]["total"] == 2 * TOTAL
    finish(holder)


def test_show_names_a_record_that_no_longer_applies(folder: Path) -> None:
    other = write(folder, "other.py", COUNTER.replace("counted(self, n: int)", "counted(self, n: float)"))
    done = ssms("show", "Counter/c", "--app", other, "--json", cwd=folder)
    assert (done.code, done.json["error"]) == (1, "StateError")
    assert "no @apply takes int" in done.err


def test_log_shows_how_much_each_step_recorded(folder: Path) -> None:
    steps = ssms("log", "Counter/c", "--json", cwd=folder).json
    assert [(step["method"], step["records"]) for step in steps] == [("count", 20_000), ("checkpoint", 0), ("count", 3)]
    assert "checkpoint" in ssms("log", "Counter/c", cwd=folder).out
