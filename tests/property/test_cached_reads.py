"""Whatever is written, and from wherever it is asked: a cached method answers as it would if it ran now."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from automata import List, Map, Pickled, Set, delete, object_type, readonly, ref
from automata.app import App
from automata.options import Options
from darq.memory import MemoryStore
from tests.memory_app import crash, memory_app

HOLDS: dict[str, asyncio.Event] = {}


@object_type
class Shelf:
    number: int = 0
    names: list[str] = []
    thing: Pickled[Any] = None
    items: List[int]
    index: Map[str, list[int]]
    members: Set[int]

    async def apply(self, changes: list[tuple[str, int, str]]) -> None:
        for name, n, text in changes:
            CHANGES[name](self, n, text)

    async def apply_and_ask(self, changes: list[tuple[str, int, str]], looks: list[tuple[str, int, str]]) -> Any:
        """Asks its own object after each change, each of which is a part of its own."""
        answers = []
        for name, n, text in changes:
            CHANGES[name](self, n, text)
            me = ref(Shelf, self.key)
            answers += [(look, await me.kept(*look), await me.fresh(*look)) for look in looks]
        return answers

    async def apply_and_fail(self, changes: list[tuple[str, int, str]]) -> None:
        await self.apply(changes)
        raise ValueError

    async def apply_slowly(self, changes: list[tuple[str, int, str]]) -> None:
        """Holds its object, in the middle of a part."""
        await self.apply(changes)
        HOLDS["begun"].set()
        await HOLDS["go on"].wait()

    key: str

    @readonly
    async def fresh(self, what: str, n: int, text: str) -> Any:
        return LOOKS[what](self, n, text)

    @readonly(cache=True)
    async def kept(self, what: str, n: int, text: str) -> Any:
        return LOOKS[what](self, n, text)


def _assign(name: str, value: Callable[[int, str], Any]) -> Any:
    return lambda o, n, text: setattr(o, name, value(n, text))


CHANGES: dict[str, Any] = {
    "number": _assign("number", lambda n, text: n),
    "names": _assign("names", lambda n, text: [text] * (n % 3)),
    "names.append": lambda o, n, text: o.names.append(text),
    "thing": _assign("thing", lambda n, text: {n: text * 20}),
    "append": lambda o, n, text: o.items.append(n),
    "extend": lambda o, n, text: o.items.extend(range(n * 7)),
    "pop": lambda o, n, text: o.items.pop() if o.items else None,
    "popleft": lambda o, n, text: o.items.popleft() if o.items else None,
    "replace": lambda o, n, text: o.items.__setitem__(n % len(o.items), n) if o.items else None,
    "items.clear": lambda o, n, text: o.items.clear(),
    "index": lambda o, n, text: o.index.update({text: [n]}),
    "index.change": lambda o, n, text: o.index.setdefault(text, []).append(n),
    "index.pop": lambda o, n, text: o.index.pop(text, None),
    "index.clear": lambda o, n, text: o.index.clear(),
    "add": lambda o, n, text: o.members.add(n),
    "discard": lambda o, n, text: o.members.discard(n),
    "members.clear": lambda o, n, text: o.members.clear(),
    "delete": lambda o, n, text: delete(),
}

LOOKS: dict[str, Any] = {
    "nothing": lambda o, n, text: [n, text],
    "number": lambda o, n, text: o.number,
    "names": lambda o, n, text: o.names,
    "thing": lambda o, n, text: repr(o.thing),
    "size": lambda o, n, text: [len(o.items), len(o.index), len(o.members)],
    "items": lambda o, n, text: list(o.items),
    "last": lambda o, n, text: o.items.last(n),
    "slice": lambda o, n, text: o.items[n : n + 3],
    "item": lambda o, n, text: o.items[n] if n < len(o.items) else None,
    "backwards": lambda o, n, text: list(itertools.islice(reversed(o.items), n)),
    "sum": lambda o, n, text: sum(o.items),
    "index": lambda o, n, text: sorted(o.index.items()),
    "get": lambda o, n, text: o.index.get(text),
    "in": lambda o, n, text: [text in o.index, n in o.members],
    "range": lambda o, n, text: list(o.index.range(text, None, limit=n)),
    "range to": lambda o, n, text: list(o.index.range(None, text, reverse=True, limit=n)),
    "first": lambda o, n, text: next(iter(o.index), None),
    "members": lambda o, n, text: list(o.members),
    "until": lambda o, n, text: list(itertools.takewhile(lambda member: member < n, o.members)),
    "if": lambda o, n, text: o.index.get(text) if n in o.members else list(o.items),
}

numbers = st.integers(0, 6)
texts = st.sampled_from(["a", "b", "b\x00", "c", ""])
changes = st.lists(st.tuples(st.sampled_from(sorted(CHANGES)), numbers, texts), max_size=5)
look = st.tuples(st.sampled_from(sorted(LOOKS)), numbers, texts)
kinds = st.sampled_from(["apply", "apply", "ask inside", "fail", "hold", "erase", "other", "close", "crash"])
actions = st.tuples(kinds, changes, st.lists(look, max_size=3))


class World:
    """An app with an object, whose cache holds few results and whose memory holds few objects."""

    def __init__(self, options: Options) -> None:
        self._store = MemoryStore()
        self._options = options
        self.app: App

    async def open(self) -> None:
        self.app = await memory_app(self._store, options=self._options).__aenter__()

    async def act(self, kind: str, what: list[Any], looks: list[Any]) -> None:
        shelf = ref(Shelf, "s")
        if kind == "apply":
            await shelf.apply(what)
        elif kind == "ask inside":
            for asked, kept, fresh in await shelf.apply_and_ask(what, looks):
                assert kept == fresh, asked
        elif kind == "fail":
            await asyncio.gather(shelf.apply_and_fail(what), return_exceptions=True)  # type: ignore[call-overload]
        elif kind == "hold":
            HOLDS.update({"begun": asyncio.Event(), "go on": asyncio.Event()})
            running: Any = asyncio.ensure_future(shelf.apply_slowly(what))  # type: ignore[arg-type]
            await HOLDS["begun"].wait()
            await check(looks)
            HOLDS["go on"].set()
            await running
        elif kind == "erase":
            await self.app.delete(shelf)
        elif kind == "other":
            for other in ("o", "p", "q"):
                await ref(Shelf, other).apply(what)
        elif kind == "close":
            await self.app.__aexit__(None, None, None)
            await self.open()
        else:
            await crash(self.app, self._store)
            await self.open()


async def check(looks: list[Any]) -> None:
    shelf = ref(Shelf, "s")
    for asked in looks:
        assert await shelf.kept(*asked) == await shelf.fresh(*asked), asked


@given(
    st.tuples(numbers, texts),
    changes,
    st.lists(actions, min_size=1, max_size=10),
    st.sampled_from([2, 30, 1000]),
    st.integers(1, 6),
)
def test_a_cached_answer_is_what_running_now_would_give(
    arguments: tuple[int, str], first: list[Any], steps: list[Any], results_max: int, entities_max: int
) -> None:
    async def scenario() -> None:
        always = [(name, *arguments) for name in LOOKS]
        world = World(Options(cached_results_max=results_max, entities_max=entities_max))
        await world.open()
        try:
            await world.act("apply", [("extend", 2, ""), ("index", 1, "b"), ("add", 3, ""), *first], [])
            await check(always)
            for kind, what, looks in steps:
                await world.act(kind, what, looks)
                await check(always)
                await check(looks)
        finally:
            await world.app.__aexit__(None, None, None)

    asyncio.run(scenario())
