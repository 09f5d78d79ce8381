"""`Set[T]`: the set protocol in order, member by member."""

from __future__ import annotations

from typing import Any

import pytest

from automata import Ref, Set, object_type, readonly, ref
from automata.app import App
from automata.errors import InvalidArgument, ReadOnlyError, StateError
from darq.memory import MemoryStore
from tests.memory_app import in_app, in_loop, memory_app


@object_type
class Group:
    s: Set[str]
    friends: Set[Ref[Group]]

    async def script(self, lines: str) -> Any:
        scope: dict[str, Any] = {"self": self, "s": self.s, "ref": ref, "result": None}
        exec(lines, scope)
        return scope["result"]

    async def join(self, other: Ref[Group]) -> None:
        self.friends.add(other)
        self.friends.add(self)  # becomes its ref

    @readonly
    async def look(self, expression: str) -> Any:
        return eval(expression, {"s": self.s})

    @readonly
    async def circle(self) -> list[Ref[Group]]:
        return list(self.friends)


READS = [
    "sorted(s)",
    "list(s)",
    "len(s)",
    "'a' in s",
    "'z' in s",
    "bool(s)",
    "s == {'a', 'b', 'c'}",
    "s != {'a', 'b', 'c'}",
    "s <= {'a', 'b', 'c', 'd'}",
    "{'a'} <= s",
    "s & {'a', 'z'}",
    "s | {'z'}",
    "s - {'a'}",
    "s ^ {'a', 'z'}",
    "s.isdisjoint({'q'})",
]


@pytest.mark.parametrize("expression", READS)
@in_app
async def test_reading_is_as_in_an_ordered_set(app: App, expression: str) -> None:
    await ref(Group, "g").script("s.update(['c', 'a', 'b', 'a'])")
    plain = sorted if expression.startswith("list") else set
    assert await ref(Group, "g").look(expression) == eval(expression, {"s": plain(["a", "b", "c"])})


WRITES = [
    "s.add('z')",
    "s.add('a')",
    "s.discard('a')",
    "s.discard('z')",
    "s.remove('a')",
    "s.clear()",
    "s.clear(); s.add('q')",
    "s |= {'x'}",
    "s -= {'a'}",
    "s &= {'a'}",
    "s ^= {'a', 'x'}",
    "s.add('z'); s.discard('z'); s.add('z')",
    "while s: s.pop()",
]


@pytest.mark.parametrize("lines", WRITES)
@in_loop
async def test_writing_is_as_in_a_set(lines: str) -> None:
    store = MemoryStore()
    scope: dict[str, Any] = {"s": {"a", "b", "c"}}
    exec(lines, scope)
    async with memory_app(store):
        await ref(Group, "g").script("s.update(['c', 'a', 'b'])")
        await ref(Group, "g").script(lines)
        assert await ref(Group, "g").look("(list(s), len(s))") == (sorted(scope["s"]), len(scope["s"]))
    async with memory_app(store):
        assert await ref(Group, "g").look("(list(s), len(s))") == (sorted(scope["s"]), len(scope["s"]))


@in_app
async def test_augmented_assignment_to_the_field_changes_its_members(app: App) -> None:
    await ref(Group, "g").script("self.s |= {'a', 'b'}; self.s -= {'a'}")
    assert await ref(Group, "g").look("list(s)") == ["b"]


@in_app
async def test_removing_what_is_not_there_raises_key_error(app: App) -> None:
    with pytest.raises(KeyError):
        await ref(Group, "g").script("s.remove('z')")
    with pytest.raises(KeyError):
        await ref(Group, "g").script("s.pop()")


@in_app
async def test_members_are_validated(app: App) -> None:
    for line in (
        "s.add(1)",
        "s.add(None)",
        "s.add('\\ud800')",
        "self.friends.add('x')",
        "self.friends.add(ref('Mob', 'x'))",
    ):
        with pytest.raises(InvalidArgument):
            await ref(Group, "g").script(line)
    assert not await app.exists(ref(Group, "g"))


@in_app
async def test_self_becomes_its_ref(app: App) -> None:
    await ref(Group, "b").join(ref(Group, "a"))
    assert await ref(Group, "b").circle() == [ref(Group, "a"), ref(Group, "b")]


@in_app
async def test_assigning_the_field_itself_raises(app: App) -> None:
    with pytest.raises(StateError, match="s"):
        await ref(Group, "g").script("self.s = {'a'}")


@pytest.mark.parametrize("lines", ["s.add('x')", "s.discard('a')", "s.clear()", "s.pop()"])
@in_app
async def test_a_readonly_method_cannot_change_it(app: App, lines: str) -> None:
    await ref(Group, "g").script("s.add('a')")
    with pytest.raises(ReadOnlyError, match="s"):
        await ref(Group, "g").look(lines)
    assert await ref(Group, "g").look("list(s)") == ["a"]


@pytest.mark.parametrize("lines", WRITES)
@in_app
async def test_an_exception_undoes_all_changes(app: App, lines: str) -> None:
    await ref(Group, "g").script("s.update(['a', 'b', 'c'])")
    with pytest.raises(ZeroDivisionError):
        await ref(Group, "g").script(lines + "\n1 / 0")
    assert await ref(Group, "g").look("(list(s), len(s))") == (["a", "b", "c"], 3)
