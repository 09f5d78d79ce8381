"""`ssms show` and `ssms log` of an automaton: its checkpoint, and what it has recorded since; of what is under way."""

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


def test_show_lists_the_last_records(folder: Path) -> None:
    found = ssms("show", "Counter/c", "--limit", "2", "--json", cwd=folder).json
    assert [(record["tag"], record["value"]) for record in found["recorded"]] == [("int", 20_001), ("int", 20_002)]
    lines = ssms("show", "Counter/c", "--limit", "2", cwd=folder).out.splitlines()
    assert [line.split()[1:] for line in lines[-2:]] == [["int", "20001"], ["int", "20002"]]


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


def test_log_shows_what_was_recorded_since_the_checkpoint(folder: Path) -> None:
    first, checkpoint, last = ssms("log", "Counter/c", "--limit", "2", "--json", cwd=folder).json
    assert (first["recorded"], checkpoint["recorded"]) == ([], [])
    assert [record["value"] for record in last["recorded"]] == [20_001, 20_002]
    whole = ssms("log", "Counter/c", "--limit", "0", "--last", "1", "--json", cwd=folder).json
    assert [record["value"] for record in whole[0]["recorded"]] == [20_000, 20_001, 20_002]
    assert "(1 more)" in ssms("log", "Counter/c", "--limit", "2", cwd=folder).out


GIFTS = """
from dataclasses import dataclass
from automata import apply, automaton, record, ref

@dataclass
class Given:
    what: str
    count: int

@automaton
class Box:
    things: int = 0

    async def put(self, what: str, count: int) -> None:
        record(Given(what, count))

    @apply
    def given(self, e: Given) -> None:
        self.things += e.count
"""


def test_records_are_shown_as_their_classes_with_types_and_as_plain_data_without(tmp_path: Path) -> None:
    write(tmp_path, "gifts.py", GIFTS)
    fill = GIFTS + "\napp.run(ref(Box, 'b').put('pen', 1))\napp.run(ref(Box, 'b').put('cup', 2))\n"
    holding = fill + "\nimport sys\nprint('up', flush=True)\nsys.stdin.read()\n"
    holder = start("run", write(tmp_path, "hold.py", holding), cwd=tmp_path)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "up\n"
    for held in (True, False):
        steps = ssms("log", "Box/b", "--json", cwd=tmp_path).json
        assert [step["recorded"][0]["value"] for step in steps] == [
            {"what": "pen", "count": 1},
            {"what": "cup", "count": 2},
        ]
        for command in ("log", "show"):
            assert "Given {'what': 'cup', 'count': 2}" in ssms(command, "Box/b", cwd=tmp_path).out
            assert "Given(what='cup', count=2)" in ssms(command, "Box/b", "--app", "gifts.py", cwd=tmp_path).out
        if held:
            finish(holder)


NAPPER = """
from automata import List, object_type, ref, send, sleep
from automata import Retry

@object_type(retry=Retry(tries=1))
class Napper:
    key: str
    naps: int = 0

    async def nap(self) -> None:
        self.naps += 1
        await sleep(0.001)
        self.naps += 1
        await sleep(3600)

    async def wake(self) -> None:
        raise LookupError("nobody is here")

napper = ref(Napper, "n")

async def fill():
    await send(napper.nap())
    await send(napper.wake())
    for hours in (3, 2):
        await send(napper.wake(), delay=3600 * hours)
    async for letter in letters():
        break
    while (await app.inspect(napper))["naps"] < 2:
        pass

async def letters():
    while True:
        async for letter in app.dead_letters():
            yield letter

app.run(fill())
"""


def test_show_says_what_is_under_way_for_an_object(tmp_path: Path) -> None:
    assert ssms("run", write(tmp_path, "fill.py", NAPPER), cwd=tmp_path).code == 0
    pending = ssms("show", "Napper/n", "--json", cwd=tmp_path).json["pending"]
    [nap] = pending["unfinished"]
    assert (nap["method"], nap["parts"], nap["waits_for_person"], nap["error"]) == ("nap", 2, False, "")
    [wake] = pending["parked"]
    assert (wake["method"], wake["cause"], wake["error"]) == ("wake", "dead", "LookupError: nobody is here")
    assert pending["timers"]["count"] == 2
    lines = ssms("show", "Napper/n", cwd=tmp_path).out.splitlines()
    assert lines[-3].startswith(f"  method nap ({nap['number']}): 2 parts are done; it goes on")
    assert "wake" in lines[-2]
    assert lines[-2].endswith(": LookupError: nobody is here")
    assert "timers: 2 pending, the next is due" in lines[-1]


def test_show_of_an_object_with_nothing_under_way_says_nothing_of_it(folder: Path) -> None:
    found = ssms("show", "Counter/c", "--json", cwd=folder).json["pending"]
    assert (found["unfinished"], found["parked"], found["timers"]["count"]) == ([], [], 0)
    assert "timers" not in ssms("show", "Counter/c", cwd=folder).out
