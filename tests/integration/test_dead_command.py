from pathlib import Path

import pytest

from tests.integration.command_line import finish, ssms, start, write

pytestmark = pytest.mark.process

TYPES = """
from pathlib import Path
from automata import List, Retry, object_type, readonly, ref, send

class Refused(Exception):
    pass

@object_type(retry=Retry(tries=1))
class Box:
    key: str
    got: List[str]

    async def put(self, text: str) -> None:
        if not Path("mended").exists():
            raise Refused(text)
        self.got.append(text)

    @readonly
    async def all(self) -> list[str]:
        return list(self.got)
"""

FILL = (
    TYPES
    + """
import asyncio

async def main():
    for text in "ab":
        await send(ref(Box, "x").put(text))
    while len([letter async for letter in app.dead_letters()]) < 2:
        await asyncio.sleep(0.01)

asyncio.run(main())
"""
)

HOLD = (
    TYPES
    + """
import sys
print("up", flush=True)
sys.stdin.read()
"""
)

STOPPING = """
import asyncio
from pathlib import Path
from automata import object_type, readonly, ref, send

@object_type
class Other:
    async def touch(self) -> None:
        pass

@object_type
class Caller:
    key: str
    steps: int = 0

    async def call_other(self) -> None:
        self.steps += 1
        await ref(Other, "o").touch()
        await asyncio.sleep(0.1)
        if not Path("mended").exists():
            __import__("os")._exit(1)
        self.steps += 10

    @readonly
    async def count(self) -> int:
        return self.steps
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, "box.py", TYPES)
    done = ssms("run", write(tmp_path, "fill.py", FILL), cwd=tmp_path)
    assert done.code == 0, done.err
    return tmp_path


def listed(folder: Path) -> list[str]:
    return [letter["id"] for letter in ssms("dead", "list", "--json", cwd=folder).json]


def test_dead_lists_letters_oldest_first_and_shows_where_they_were_raised(folder: Path) -> None:
    found = ssms("dead", "--json", cwd=folder).json
    assert [(x["type"], x["key"], x["method"], x["error"], x["interrupted"]) for x in found] == [
        ("Box", "x", "put", "Refused: a", False),
        ("Box", "x", "put", "Refused: b", False),
    ]
    assert "raise Refused(text)" in found[0]["traceback"]
    table = ssms("dead", cwd=folder).out
    assert "Box/x" in table
    assert "raise Refused" not in table
    assert ssms("dead", "list", "--traceback", cwd=folder).out.count("raise Refused(text)") == 2
    one = ssms("dead", "show", found[1]["id"], cwd=folder).out
    assert "Refused: b" in one
    assert "raise Refused(text)" in one
    assert ssms("dead", "show", found[1]["id"], "--json", cwd=folder).json == found[1]


def test_a_retried_letter_is_delivered_when_an_app_opens_the_store_and_a_discarded_one_never(folder: Path) -> None:
    first, second = listed(folder)
    assert ssms("dead", "discard", second, "--json", cwd=folder).json == {"discarded": [second], "left": {}}
    assert ssms("dead", "retry", first, cwd=folder).out == "retried: 1\n"
    assert listed(folder) == []
    assert ssms("ps", "--json", cwd=folder).json["types"]["Box"]["inbox"] == 1
    write(folder, "mended", "")
    ssms("call", "Box/x", "all", "--app", "box.py", cwd=folder)
    assert ssms("call", "Box/x", "all", "--app", "box.py", "--json", cwd=folder).json == {"result": ["a"]}


def test_all_of_them_are_retried_or_discarded_at_once(folder: Path) -> None:
    assert len(ssms("dead", "retry", "--all", "--json", cwd=folder).json["retried"]) == 2
    assert listed(folder) == []
    ssms("call", "Box/x", "all", "--app", "box.py", cwd=folder)  # they are tried again, and refused again
    assert len(listed(folder)) == 2
    assert len(ssms("dead", "discard", "--all", "--json", cwd=folder).json["discarded"]) == 2
    assert "needs a person" in ssms("dead", cwd=folder).err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["retry", "99"], 1, "no dead letter '99'"),
        (["retry", "x"], 1, "'x' is no id"),
        (["discard", "99"], 1, "no dead letter '99'"),
        (["show", "99"], 1, "no dead letter '99'"),
        (["retry"], 2, "an ID, or --all"),
        (["discard", "1", "--all"], 2, "an ID, or --all"),
        (["--json", "list"], 2, "behind the command"),
    ],
)
def test_what_cannot_be_done_is_said(folder: Path, words: list[str], code: int, said: str) -> None:
    done = ssms("dead", *words, cwd=folder)
    assert done.code == code
    assert said in done.err
    assert len(listed(folder)) == 2


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    assert "there is no store" in ssms("dead", "retry", "1", cwd=tmp_path).err
    assert not (tmp_path / "data").exists()


def test_a_store_that_another_process_holds_is_listed_and_not_changed(folder: Path) -> None:
    holder = start("run", write(folder, "hold.py", HOLD), cwd=folder)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "up\n"
    first, _ = listed(folder)
    refused = ssms("dead", "retry", first, "--json", cwd=folder)
    assert (refused.code, refused.json["error"]) == (1, "StoreLocked")
    assert str(holder.pid) in refused.err
    assert finish(holder).code == 0


def test_interrupted_methods_are_listed_as_such_and_go_on_when_retried(tmp_path: Path) -> None:
    write(tmp_path, "stop.py", STOPPING)
    calling = STOPPING + 'asyncio.run(asyncio.wait_for(ref(Caller, "c").call_other(), 5))'
    assert ssms("run", write(tmp_path, "call.py", calling), cwd=tmp_path).code == 1
    changed = STOPPING.replace('ref(Other, "o")', 'ref(Other, "another")')
    ssms("call", "Caller/d", "count", "--app", write(tmp_path, "changed.py", changed), cwd=tmp_path)
    [found] = ssms("dead", "--json", cwd=tmp_path).json
    assert (found["type"], found["method"], found["interrupted"]) == ("Caller", "call_other", True)
    assert "interrupted method" in ssms("dead", cwd=tmp_path).out
    write(tmp_path, "mended", "")
    assert ssms("dead", "retry", found["id"], cwd=tmp_path).code == 0
    assert listed(tmp_path) == []
    waiting = (
        STOPPING
        + """
async def wait():
    while await ref(Caller, "c").count() != 11:
        await asyncio.sleep(0.01)

asyncio.run(asyncio.wait_for(wait(), 20))
"""
    )
    assert ssms("run", write(tmp_path, "wait.py", waiting), cwd=tmp_path).code == 0


def test_an_interrupted_method_is_begun_anew_or_given_up(tmp_path: Path) -> None:
    write(tmp_path, "stop.py", STOPPING)
    calling = STOPPING + 'asyncio.run(asyncio.wait_for(ref(Caller, "c").call_other(), 5))'
    assert ssms("run", write(tmp_path, "call.py", calling), cwd=tmp_path).code == 1
    changed = write(tmp_path, "changed.py", STOPPING.replace('ref(Other, "o")', 'ref(Other, "another")'))
    ssms("call", "Caller/d", "count", "--app", changed, cwd=tmp_path)
    [found] = listed(tmp_path)
    assert "no interrupted method '1000'" in ssms("dead", "restart", "1000", cwd=tmp_path).err
    assert ssms("dead", "restart", found, "--json", cwd=tmp_path).json == {"restarted": [found], "left": {}}
    assert listed(tmp_path) == []
    assert ssms("ps", "--json", cwd=tmp_path).json["types"]["Caller"]["running"] == 1


def test_an_interrupted_method_is_discarded(tmp_path: Path) -> None:
    calling = STOPPING + 'asyncio.run(asyncio.wait_for(ref(Caller, "c").call_other(), 5))'
    assert ssms("run", write(tmp_path, "call.py", calling), cwd=tmp_path).code == 1
    changed = write(tmp_path, "changed.py", STOPPING.replace('ref(Other, "o")', 'ref(Other, "another")'))
    ssms("call", "Caller/d", "count", "--app", changed, cwd=tmp_path)
    [found] = listed(tmp_path)
    assert ssms("dead", "discard", found, cwd=tmp_path).code == 0
    assert listed(tmp_path) == []
    assert ssms("ps", "--json", cwd=tmp_path).json["types"]["Caller"]["running"] == 0
