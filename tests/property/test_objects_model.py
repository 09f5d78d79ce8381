"""Random operations on every kind of field against plain Python, with crashes at random points and reopening.

After a crash an object holds exactly a prefix of what was done to it, with all that was acknowledged.
"""

from __future__ import annotations

import asyncio
import copy
import random
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from automata import List, Map, Pickled, Set, delete, object_type, readonly, ref
from automata.app import App
from darq.limits import Limits
from darq.memory import MemoryStore
from tests.memory_app import crash, memory_app, seeded_store


class Note(BaseModel):
    text: str = ""
    tags: list[str] = []


class Undo(Exception):
    """Raised by an operation that must leave nothing."""


@dataclass
class Model:
    """What a `Thing` holds, as plain Python."""

    number: int = 0
    real: float = 0.0
    names: list[str] = field(default_factory=list)
    table: dict[str, list[int]] = field(default_factory=dict)
    note: Note = field(default_factory=Note)
    thing: Any = None
    items: list[int] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    index: dict[str, list[int]] = field(default_factory=dict)
    members: set[int] = field(default_factory=set)


@object_type
class Thing:
    number: int = 0
    real: float = 0.0
    names: list[str] = []
    table: dict[str, list[int]] = {}
    note: Note = Note()
    thing: Pickled[Any] = None
    items: List[int]
    notes: List[Note]
    index: Map[str, list[int]]
    members: Set[int]

    async def apply(self, operations: list[tuple[str, int, str]], fails: bool) -> Any:
        results = [OPERATIONS[name](self, n, text) for name, n, text in operations]
        if fails:
            raise Undo
        return results

    async def apply_in_parts(self, operations: list[tuple[str, int, str]]) -> Any:
        results = []
        for name, n, text in operations:
            results.append(OPERATIONS[name](self, n, text))
            await ref(Thing, "other").look()
        return results

    async def erase(self, number: int) -> None:
        delete()
        self.number = number

    @readonly
    async def look(self) -> dict[str, Any]:
        return {
            "items": list(self.items),
            "backwards": list(reversed(self.items)),
            "index": list(self.index.items()),
            "range": list(self.index.range("b", "d", reverse=True, limit=3)),
            "members": list(self.members),
            "sizes": [len(self.items), len(self.notes), len(self.index), len(self.members)],
        }


def _set(name: str, value: Any) -> Any:
    return lambda o, n, text: setattr(o, name, value(n, text))


def _pop(o: Any, n: int, text: str) -> int | None:
    return o.items.pop() if len(o.items) else None


def _popleft(o: Any, n: int, text: str) -> int | None:
    if not len(o.items):
        return None
    return o.items.pop(0) if isinstance(o.items, list) else o.items.popleft()


def _change_note(o: Any, n: int, text: str) -> None:
    if len(o.notes):
        note = o.notes[n % len(o.notes)]
        note.text += text
        note.tags.append(text)


def _append_then_change(o: Any, n: int, text: str) -> None:
    note = Note(text=text)
    o.notes.append(note)
    note.tags.append("after")


def _replace_item(o: Any, n: int, text: str) -> None:
    if len(o.items):
        o.items[n % len(o.items)] = n


def _slice(o: Any, n: int, text: str) -> list[int]:
    return list(o.items[-n % 5 : n])


OPERATIONS: dict[str, Any] = {
    "number": _set("number", lambda n, text: n),
    "real": _set("real", lambda n, text: -0.0 if n % 2 else 0.0),
    "names": _set("names", lambda n, text: [text]),
    "names.append": lambda o, n, text: o.names.append(text),
    "table": lambda o, n, text: o.table.setdefault(text, []).append(n),
    "note": lambda o, n, text: o.note.tags.append(text),
    "thing": _set("thing", lambda n, text: {n: (text,)}),
    "append": lambda o, n, text: o.items.append(n),
    "extend": lambda o, n, text: o.items.extend(range(n % 40)),
    "pop": _pop,
    "popleft": _popleft,
    "replace": _replace_item,
    "clear": lambda o, n, text: o.items.clear(),
    "slice": _slice,
    "notes.change": _change_note,
    "notes.append": _append_then_change,
    "notes.clear": lambda o, n, text: o.notes.clear(),
    "index": lambda o, n, text: o.index.update({text: [n]}),
    "index.change": lambda o, n, text: o.index.setdefault(text, []).append(n),
    "index.pop": lambda o, n, text: o.index.pop(text, None),
    "index.clear": lambda o, n, text: o.index.clear(),
    "add": lambda o, n, text: o.members.add(n),
    "discard": lambda o, n, text: o.members.discard(n),
    "members.clear": lambda o, n, text: o.members.clear(),
    "size": lambda o, n, text: [len(o.items), len(o.notes), len(o.index), len(o.members)],
    "contains": lambda o, n, text: [n in o.members, text in o.index, n in o.items],
}

operation = st.tuples(
    st.sampled_from(sorted(OPERATIONS)),
    st.integers(-3, 60) | st.sampled_from([2**64, -(2**70)]),
    st.sampled_from(["a", "b", "c", "d", "", "\x00", "b\x00", "é"]),
)
batches = st.lists(operation, max_size=6)
actions = st.one_of(
    st.tuples(st.just("apply"), batches),
    st.tuples(st.just("fail"), batches),
    st.tuples(st.just("parts"), batches),
    st.tuples(st.just("erase"), st.integers(0, 5)),
    st.tuples(st.just("delete"), st.none()),
    st.tuples(st.just("close"), st.none()),
    st.tuples(st.just("crash"), batches),
)


def shown(state: dict[str, Any]) -> str:
    """All of a state as text, in which -0.0 is not 0.0."""
    return repr(state | {"index": sorted(state["index"].items()), "members": sorted(state["members"])})


def view(model: Model) -> dict[str, Any]:
    index = sorted(model.index.items())
    return {
        "items": model.items,
        "backwards": model.items[::-1],
        "index": index,
        "range": [(k, v) for k, v in index[::-1] if "b" <= k < "d"][:3],
        "members": sorted(model.members),
        "sizes": [len(model.items), len(model.notes), len(model.index), len(model.members)],
    }


class World:
    """The app under test beside the model of its one object."""

    def __init__(self, store: MemoryStore, limits: Limits) -> None:
        self.store = store
        self.limits = limits
        self.model = Model()
        self.app: App

    async def open(self) -> None:
        self.app = await memory_app(self.store, self.limits).__aenter__()

    async def act(self, kind: str, what: Any) -> None:
        thing = ref(Thing, "t")
        if kind in ("apply", "parts"):
            expected = [OPERATIONS[name](self.model, n, text) for name, n, text in what]
            given_back = await (thing.apply(what, False) if kind == "apply" else thing.apply_in_parts(what))
            assert given_back == expected
        elif kind == "fail":
            try:
                await thing.apply(what, True)
            except Undo:
                return
            raise AssertionError("it should have failed")
        elif kind == "erase":
            await thing.erase(what)
            self.model = Model(number=what)
        elif kind == "delete":
            await self.app.delete(thing)
            self.model = Model()
            assert not await self.app.exists(thing)
        elif kind == "close":
            await self.app.__aexit__(None, None, None)
            await self.open()
        else:
            await self.crash(what)

    async def crash(self, unacknowledged: list[Any]) -> None:
        """Start one more call, which the process does not live to answer."""
        before, after = copy.deepcopy(self.model), copy.deepcopy(self.model)
        for name, n, text in unacknowledged:
            OPERATIONS[name](after, n, text)
        call: Any = asyncio.ensure_future(ref(Thing, "t").apply(unacknowledged, False))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        answered = call.done()
        await crash(self.app, self.store)
        await asyncio.gather(call, return_exceptions=True)
        await self.open()
        found = shown(await self.app.inspect(ref(Thing, "t")))
        assert found in ([shown(vars(after))] if answered else [shown(vars(before)), shown(vars(after))])
        self.model = after if found == shown(vars(after)) else before


@given(st.lists(actions, max_size=12), st.integers(0, 2**32), st.booleans())
def test_objects_behave_as_plain_python_through_crashes(steps: list[Any], seed: int, slow: bool) -> None:
    async def scenario() -> None:
        limits = Limits(inline_flush_seconds_max=-1.0) if slow else Limits()
        world = World(seeded_store(seed) if random.Random(seed).random() < 0.5 else MemoryStore(), limits)
        await world.open()
        for kind, what in steps:
            await world.act(kind, what)
            assert await ref(Thing, "t").look() == view(world.model)
        assert shown(await world.app.inspect(ref(Thing, "t"))) == shown(vars(world.model))
        await world.app.__aexit__(None, None, None)

    asyncio.run(scenario())
