"""`Map[K, V]`: the mapping protocol in key order, entry by entry."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from automata import Map, Ref, object_type, readonly, ref
from automata.app import App
from automata.errors import InvalidArgument, ReadOnlyError, StateError
from darq.memory import MemoryStore
from tests.memory_app import in_app, in_loop, memory_app

START = {"b": 2, "a": 1, "d": 4, "c": 3}


@object_type
class Index:
    m: Map[str, int]
    deep: Map[int, list[int]]
    by_ref: Map[Ref[Index], int]
    by_tuple: Map[tuple[str, int], str]
    by_bytes: Map[bytes, int]
    by_id: Map[UUID, int]
    by_time: Map[datetime, int]
    numbers: Map[int, int]
    texts: Map[str, str]

    async def fill(self, name: str, keys: Any) -> None:
        for key in reversed(keys):
            getattr(self, name)[key] = 1 if name != "by_tuple" else "x"

    async def script(self, lines: str) -> Any:
        scope = globals() | {"self": self, "m": self.m, "deep": self.deep, "result": None}
        exec(lines, scope)
        return scope["result"]

    @readonly
    async def look(self, expression: str) -> Any:
        return eval(expression, globals() | {"self": self, "m": self.m, "deep": self.deep})


async def filled() -> Index:
    index = ref(Index, "i")
    await index.script(f"m.update({START})")
    return index


READS = [
    "list(m)",
    "len(m)",
    "m['a']",
    "m.get('z')",
    "m.get('z', 7)",
    "'a' in m",
    "'z' in m",
    "list(m.items())",
    "list(m.keys())",
    "list(m.values())",
    "list(reversed(m))",
    "m == {'a': 1, 'b': 2, 'c': 3, 'd': 4}",
    "m == {'a': 1}",
    "dict(m)",
    "bool(m)",
    "sorted(m.keys() & {'a', 'z'})",
    "('a', 1) in m.items()",
    "3 in m.values()",
]


@pytest.mark.parametrize("expression", READS)
@in_app
async def test_reading_is_as_in_a_dict_sorted_by_key(app: App, expression: str) -> None:
    index = await filled()
    assert await index.look(expression) == eval(expression, {"m": dict(sorted(START.items()))})


RANGES = [
    ("m.range()", ["a", "b", "c", "d"]),
    ("m.range('b')", ["b", "c", "d"]),
    ("m.range('b', 'd')", ["b", "c"]),
    ("m.range(None, 'c')", ["a", "b"]),
    ("m.range('b', 'b')", []),
    ("m.range('d', 'a')", []),
    ("m.range('aa', 'bb')", ["b"]),
    ("m.range('a', 'd', reverse=True)", ["c", "b", "a"]),
    ("m.range(reverse=True, limit=2)", ["d", "c"]),
    ("m.range(limit=2)", ["a", "b"]),
    ("m.range(limit=0)", []),
    ("m.range('b', limit=1)", ["b"]),
    ("m.range(lo='c', hi='z')", ["c", "d"]),
    ("m.range('')", ["a", "b", "c", "d"]),
]


@pytest.mark.parametrize(("expression", "keys"), RANGES)
@in_app
async def test_range_gives_items_of_a_half_open_range(app: App, expression: str, keys: list[str]) -> None:
    index = await filled()
    assert await index.look(f"list({expression})") == [(key, START[key]) for key in keys]


@in_app
async def test_it_is_a_mutable_mapping(app: App) -> None:
    index = await filled()
    assert await index.look("isinstance(m, MutableMapping) and isinstance(m, Mapping)")
    assert issubclass(Map, MutableMapping)
    assert issubclass(Map, Mapping)


WRITES = [
    "m['e'] = 5",
    "m['a'] = 10",
    "del m['a']",
    "result = m.pop('a')",
    "result = m.pop('z', 9)",
    "result = m.setdefault('a', 9)",
    "result = m.setdefault('z', 9)",
    "m.update(z=1, a=2)",
    "m.clear()",
    "m.clear(); m['x'] = 1",
    "m['x'] = 1; m.clear(); m['y'] = 2; del m['y']",
    "m['a'] += 5",
    "for k in list(m): del m[k]",
    "del m['a']; m['a'] = 7; del m['a']",
    "while m: m.popitem()",
]


@pytest.mark.parametrize("lines", WRITES)
@in_loop
async def test_writing_is_as_in_a_dict(lines: str) -> None:
    store = MemoryStore()
    scope: dict[str, Any] = {"m": dict(sorted(START.items())), "result": None}
    exec(lines, scope)
    async with memory_app(store):
        index = await filled()
        assert await index.script(lines) == scope["result"]
        assert await index.look("dict(m)") == scope["m"]
    async with memory_app(store):
        assert await index.look("(dict(m), len(m))") == (scope["m"], len(scope["m"]))


@pytest.mark.parametrize("lines", ["m['z']", "del m['z']", "m.pop('z')", "del m['a']; m['a']", "m.clear(); m['a']"])
@in_app
async def test_a_missing_key_raises_key_error(app: App, lines: str) -> None:
    index = await filled()
    with pytest.raises(KeyError):
        await index.script(lines)
    assert await index.look("dict(m)") == dict(sorted(START.items()))


@pytest.mark.parametrize("lines", ["m[1] = 1", "m['a'] = 'x'", "m['a'] = True", "m[None] = 1", "m['\\ud800'] = 1"])
@in_app
async def test_keys_and_values_are_validated(app: App, lines: str) -> None:
    with pytest.raises(InvalidArgument):
        await ref(Index, "i").script(lines)
    assert await ref(Index, "i").look("len(m)") == 0


@in_app
async def test_a_value_that_is_refused_is_not_counted(app: App) -> None:
    index = await filled()
    await index.script("try:\n    self.texts['a'] = '\\ud800'\nexcept InvalidArgument:\n    pass")
    assert await index.look("(len(self.texts), list(self.texts))") == (0, [])


KEYS = [
    ("numbers", [-(2**70), -(2**63), -256, -1, 0, 1, 255, 256, 2**64, 2**70]),
    ("by_bytes", [b"", b"\x00", b"\x00\x00", b"\x00\xff", b"\x01", b"a", b"a\x00", b"\xff", b"\xff\xff"]),
    ("m", ["", "\x00", "\x00\x00", "a", "a\x00", "a\x00b", "ab", "é", "\uffff", "\U0001f9c0"]),
    ("by_tuple", [("", 0), ("a", -1), ("a", 2), ("a\x00", 0), ("b", 0)]),
    ("by_id", [UUID(int=0), UUID(int=1), UUID(int=2**127)]),
    ("by_time", [datetime(1, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)]),
    ("by_ref", [ref(Index, "a"), ref(Index, "a\x00"), ref(Index, "b")]),
]


@pytest.mark.parametrize(("name", "keys"), KEYS, ids=[name for name, _ in KEYS])
@in_loop
async def test_keys_of_every_kind_are_kept_in_their_own_order(name: str, keys: list[Any]) -> None:
    store = MemoryStore()

    async with memory_app(store):
        await ref(Index, "i").fill(name, keys)
    async with memory_app(store) as app:
        assert list((await app.inspect(ref(Index, "i")))[name]) == keys


@pytest.mark.parametrize(
    "lines",
    [
        "deep[1].append(9)",
        "deep.get(1).append(9)",
        "deep.setdefault(1, []).append(9)",
        "next(iter(deep.values())).append(9)",
        "[v.append(9) for k, v in deep.items()]",
        "[v.append(9) for k, v in deep.range(1, 2)]",
        "mine = [1]; deep[1] = mine; mine.append(9)",
        "del deep[1]; mine = [1]; deep[1] = mine; mine.append(9)",
        "deep.clear(); deep[1] = mine = [1]; mine.append(9)",
        "deep[1] += [9]",
    ],
)
@in_loop
async def test_an_entry_changed_in_place_is_kept(lines: str) -> None:
    store = MemoryStore()
    async with memory_app(store):
        await ref(Index, "i").script("deep[1] = [1]")
        await ref(Index, "i").script(lines)
    async with memory_app(store):
        assert await ref(Index, "i").look("dict(deep)") == {1: [1, 9]}


@in_app
async def test_an_entry_taken_out_and_changed_stays_out(app: App) -> None:
    await ref(Index, "i").script("deep[1] = [1]; deep[2] = [2]; deep[3] = [3]")
    await ref(Index, "i").script("v = deep.pop(1); v.append(9); w = deep[2]; del deep[2]; w.append(9)")
    assert await ref(Index, "i").look("dict(deep)") == {3: [3]}
    await ref(Index, "i").script("v = deep[3]; deep.clear(); v.append(9)")
    assert await ref(Index, "i").look("dict(deep)") == {}


@in_app
async def test_an_entry_replaced_and_the_old_value_changed_keeps_the_new_one(app: App) -> None:
    await ref(Index, "i").script("deep[1] = [1]")
    await ref(Index, "i").script("old = deep[1]; deep[1] = [2]; old.append(9)")
    assert await ref(Index, "i").look("dict(deep)") == {1: [2]}


@in_app
async def test_changing_while_iterating_goes_on_behind_the_last_key(app: App) -> None:
    index = ref(Index, "i")
    lines = (
        "self.numbers.update({n: n for n in range(0, 200, 2)}); result = []\n"
        "for n in self.numbers:\n"
        "    result.append(n)\n"
        "    if n % 2 == 0: self.numbers[n + 1] = 1; del self.numbers[n]\n"
    )
    assert await index.script(lines) == list(range(200))
    assert await index.look("list(self.numbers)") == list(range(1, 200, 2))


@in_app
async def test_assigning_the_field_itself_raises(app: App) -> None:
    with pytest.raises(StateError, match="m"):
        await ref(Index, "i").script("self.m = {'a': 1}")


@pytest.mark.parametrize("lines", ["m['a'] = 1", "del m['a']", "m.clear()", "m.pop('a')", "m.setdefault('q', 1)"])
@in_app
async def test_a_readonly_method_cannot_change_it(app: App, lines: str) -> None:
    index = await filled()
    with pytest.raises(ReadOnlyError, match="m"):
        await index.look(f"exec({lines!r}, {{'m': m}})")
    with pytest.raises(ReadOnlyError, match="deep"):
        await ref(Index, "j").script("deep[1] = [1]") or await ref(Index, "j").look("deep[1].append(2)")
    assert await index.look("dict(m)") == dict(sorted(START.items()))


@pytest.mark.parametrize("lines", [*WRITES, "deep[1].append(9)"])
@in_app
async def test_an_exception_undoes_all_changes(app: App, lines: str) -> None:
    index = await filled()
    await index.script("deep[1] = [1]")
    with pytest.raises(ZeroDivisionError):
        await index.script(lines + "\n1 / 0")
    assert await index.look("(dict(m), len(m), dict(deep))") == (dict(sorted(START.items())), 4, {1: [1]})


@in_app
async def test_thousands_of_entries_are_read_in_pages(app: App) -> None:
    index = ref(Index, "i")
    await index.script("self.numbers.update({n: n for n in range(3000)})")
    await index.script("for n in range(1000, 2500): del self.numbers[n]")
    left = [*range(1000), *range(2500, 3000)]
    assert await index.look("list(self.numbers)") == left
    assert await index.look("list(reversed(self.numbers))") == left[::-1]
    assert await index.look("[k for k, _ in self.numbers.range(990, 2510)]") == left[990:1010]
