"""Classes that travel with their code, from a script to a process that has never seen it."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from ssms.by_value import dump, load
from tests.unit.ssms.scripts import run

SCRIPT = """
from __future__ import annotations
import sys
import threading
from dataclasses import dataclass
from pydantic import BaseModel
from automata import List, Map, Ref, apply, automaton, object_type, readonly, record, ref
import neighbour
from ssms.packing import pack

class Post(BaseModel):
    text: str

@dataclass
class Counted:
    n: int

class Oops(Exception):
    pass

LIMIT = 3
GUARD = threading.Lock()

class OfThisProcess:  # nobody needs it elsewhere, and it could not go there
    def enter(self) -> None:
        GUARD.acquire()

@object_type(strict_order=True)
class Page:
    key: str
    n: int = 0
    posts: List[Post]
    links: Map[str, Ref["Page"]]

    async def write(self, text: str) -> int:
        self.posts.append(Post(text=text))
        self.links["other"] = ref(Page, "other")
        self.n += neighbour.double(LIMIT)
        return self.n

    @readonly
    async def read(self) -> list[Post]:
        return list(self.posts)

    async def fail(self) -> None:
        raise Oops("as itself")

@automaton
class Tally:
    key: str
    total: int = 0

    async def count(self, n: int) -> None:
        record(Counted(n))

    @apply
    def counted(self, event: Counted) -> None:
        self.total += event.n

    @readonly
    async def sum(self) -> int:
        return self.total

for cls in (Page, Tally, neighbour.Shelf):
    with open(f"{cls.__name__}.type", "wb") as file:
        file.write(pack(cls).encode())
"""

NEIGHBOUR = """
from __future__ import annotations
from typing import Optional
from automata import List, Set, object_type

def double(n):
    return 2 * n

@object_type
class Shelf:
    names: List[str]
    kinds: Set[str]
    last: Optional[str] = None

    async def put(self, name: str) -> list[str]:
        self.names.append(name)
        self.kinds.add(name)
        self.last = name
        return [*self.names, *self.kinds, self.last]
"""

READER = """
import asyncio
from pathlib import Path

import pytest

from ssms.by_value import dump, load
from automata import ref
from automata.types import REGISTRY
import ssms
from ssms.deployed import DeployedType

for turn in range(2):  # again, as when it is deployed anew
    for name in ("Shelf", "Page", "Tally"):
        DeployedType.decode(Path(f"{name}.type").read_bytes()).load()
assert REGISTRY.get("Page").options.strict_order

async def main():
    async with ssms.open("data"):
        assert await ref("Page", "a").write("hello") == 6
        assert [post.text for post in await ref("Page", "a").read()] == ["hello"]
        assert await ref("Shelf", "s").put("b") == ["b", "b", "b"]
        await ref("Tally", "t").count(2)
        assert await ref("Tally", "t").sum() == 2
        try:
            await ref("Page", "a").fail()
        except Exception as error:
            assert (type(error).__name__, str(error)) == ("Oops", "as itself"), repr(error)
    print("ok")

asyncio.run(main())
"""

REFUSED = """
import threading
from automata import object_type
from automata.errors import DeclarationError
from ssms.packing import pack

GUARD = threading.Lock()

@object_type
class Page:
    async def write(self) -> None:
        with GUARD:
            pass

try:
    pack(Page)
except DeclarationError as error:
    assert "Page cannot travel with its code: cannot pickle '_thread.lock'" in str(error), error
    print("refused")
"""


def test_a_script_with_a_module_of_its_own_runs_where_neither_is_known(tmp_path: Path) -> None:
    (tmp_path / "neighbour.py").write_text(NEIGHBOUR)
    run(SCRIPT, tmp_path, "script.py")
    (tmp_path / "neighbour.py").unlink()
    assert run(READER, tmp_path, "reader.py") == "ok\n"


def test_a_class_that_needs_what_cannot_travel_is_refused_with_the_reason(tmp_path: Path) -> None:
    assert run(REFUSED, tmp_path, "script.py") == "refused\n"


MODULE = """
from __future__ import annotations
from dataclasses import dataclass
from enum import Enum
from pydantic import BaseModel
from automata import List, object_type

class State(Enum):
    NEW = 1

class Line(BaseModel):
    state: State = State.NEW

@dataclass
class Point:
    line: Line

@object_type(name="Returning")
class Board:
    points: List[Point]

    async def put(self, point: Point) -> None:
        self.points.append(point)
"""


def test_classes_of_values_that_come_back_to_where_they_are_from_are_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "returning.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("returning")
    monkeypatch.setitem(sys.modules, "returning", module)
    before = module.State, module.Line, module.Point
    load(dump(module.Board))
    assert (module.State, module.Line, module.Point) == before
    assert module.State.NEW is before[0](1)
    assert module.Point(module.Line()) == before[2](before[1]())
