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

DIE_BETWEEN_PARTS = """
import asyncio, os
from automata import object_type, ref

@object_type
class Other:
    async def die(self) -> None:
        await asyncio.sleep(0.1)
        os._exit(1)

@object_type
class Caller:
    key: str
    steps: int = 0

    async def call_other(self) -> None:
        self.steps += 1
        await ref(Other, "o").die()

asyncio.run(ref(Caller, "c").call_other())
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


def test_interrupted_methods_are_listed_as_such_and_can_be_discarded(tmp_path: Path) -> None:
    assert ssms("run", write(tmp_path, "die.py", DIE_BETWEEN_PARTS), cwd=tmp_path).code == 1
    [found] = ssms("dead", "--json", cwd=tmp_path).json
    assert (found["type"], found["method"], found["interrupted"]) == ("Caller", "call_other", True)
    assert "interrupted method" in ssms("dead", cwd=tmp_path).out
    assert "it can be discarded" in ssms("dead", "retry", found["id"], cwd=tmp_path).err
    assert ssms("dead", "discard", found["id"], cwd=tmp_path).code == 0
    assert listed(tmp_path) == []
