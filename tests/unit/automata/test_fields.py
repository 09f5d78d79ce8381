"""Value fields: loaded when touched, kept exactly, copied for each object, and never changed from outside a step."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
import pytest
from pydantic import BaseModel

from automata import Pickled, object_type, readonly, ref
from automata.app import App
from automata.errors import InvalidArgument, ReadOnlyError, StateError
from automata.values.value_type import value_type
from darq.memory import MemoryStore
from tests.memory_app import in_app, in_loop, memory_app


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Point(NamedTuple):
    x: int
    y: float


class Address(BaseModel):
    street: str = ""
    tags: list[str] = []


class Wider(Address):
    floor: int = 0


@dataclass
class Box:
    size: int = 0
    labels: set[str] = field(default_factory=set)


@object_type
class Everything:
    whole: int = 0
    real: float = 0.0
    text: str = ""
    raw: bytes = b""
    flag: bool = False
    maybe: int | None = None
    exact: Decimal = Decimal("0.0")
    when: datetime = datetime(2020, 1, 1, tzinfo=UTC)
    identity: UUID = UUID(int=0)
    colour: Colour = Colour.RED
    point: Point = Point(0, 0.0)
    pair: tuple[float, Decimal] = (0.0, Decimal("0.0"))
    names: list[str] = []
    table: dict[str, list[int]] = {}
    members: set[str] = set()
    address: Address = Address()
    box: Box = Box()
    array: np.ndarray | None = None
    thing: Pickled[Any] = None

    async def set(self, name: str, value: Any) -> None:
        setattr(self, name, value)

    async def touch_then_set(self, name: str, value: Any) -> None:
        getattr(self, name)
        setattr(self, name, value)

    @readonly
    async def get(self, name: str) -> Any:
        return getattr(self, name)

    @readonly
    async def look(self) -> list[Any]:
        return [self.names, self.table, self.members, self.address, self.box, self.array]

    async def change_in_place(self) -> None:
        self.names.append("a")
        self.table.setdefault("k", []).append(1)
        self.members.add("m")
        self.address.street = "Main"
        self.address.tags.append("t")
        self.box.size += 1
        self.box.labels.add("l")

    async def script(self, lines: str) -> None:
        exec(lines, globals() | {"self": self})

    async def remove(self, name: str) -> None:
        delattr(self, name)


async def again(store: MemoryStore, name: str) -> object:
    """The value as the next life reads it."""
    async with memory_app(store):
        return await ref(Everything, "e").get(name)


VALUES = [
    ("whole", 2**200),
    ("whole", -(2**63) - 1),
    ("real", math.inf),
    ("real", 5e-324),
    ("text", "käse \x00 \U0001f9c0 \u2028"),
    ("raw", bytes(range(256))),
    ("flag", True),
    ("maybe", 0),
    ("exact", Decimal("1.10")),
    ("when", datetime(2021, 5, 6, 7, 8, 9, 10, tzinfo=timezone(timedelta(hours=3)))),
    ("identity", UUID(int=7)),
    ("colour", Colour.BLUE),
    ("point", Point(1, 2.5)),
    ("names", ["x", "y"]),
    ("table", {"b": [1], "a": []}),
    ("members", {"x", "y"}),
    ("address", Address(street="s", tags=["t"])),
    ("box", Box(3, {"a"})),
    ("thing", {"any": (1, 2j, {3})}),
]


@pytest.mark.parametrize(("name", "value"), VALUES, ids=lambda v: str(v)[:20].encode("ascii", "ignore").decode())
@in_loop
async def test_a_value_is_the_same_in_the_next_life(name: str, value: object) -> None:
    store = MemoryStore()
    async with memory_app(store):
        await ref(Everything, "e").set(name, value)
        assert await ref(Everything, "e").get(name) == value
    kept = await again(store, name)
    assert kept == value
    assert type(kept) is type(value)


@in_loop
async def test_nan_and_arrays_are_kept() -> None:
    store = MemoryStore()
    async with memory_app(store):
        await ref(Everything, "e").set("real", math.nan)
        await ref(Everything, "e").set("array", np.arange(6).reshape(2, 3))
    kept = await again(store, "real")
    assert isinstance(kept, float)
    assert math.isnan(kept)
    array = await again(store, "array")
    assert isinstance(array, np.ndarray)
    assert array.tolist() == [[0, 1, 2], [3, 4, 5]]


EQUAL_BUT_DIFFERENT: list[tuple[str, object, Callable[[Any], object]]] = [
    ("real", -0.0, lambda v: math.copysign(1, v)),
    ("exact", Decimal("0.00"), str),
    ("when", datetime(2020, 1, 1, 3, tzinfo=timezone(timedelta(hours=3))), lambda v: v.isoformat()),
    ("pair", (-0.0, Decimal("0.00")), str),
    ("point", Point(0, -0.0), str),
]


@pytest.mark.parametrize(("name", "value", "show"), EQUAL_BUT_DIFFERENT, ids=[row[0] for row in EQUAL_BUT_DIFFERENT])
@in_loop
async def test_a_value_that_equals_the_old_one_but_is_another_is_kept(
    name: str, value: object, show: Callable[[Any], object]
) -> None:
    store = MemoryStore()
    async with memory_app(store):
        await ref(Everything, "e").touch_then_set(name, value)
    assert show(await again(store, name)) == show(value)


@in_loop
async def test_changes_in_place_are_never_lost() -> None:
    store = MemoryStore()
    async with memory_app(store):
        await ref(Everything, "e").change_in_place()
        await ref(Everything, "e").change_in_place()
    async with memory_app(store) as app:
        state = await app.inspect(ref(Everything, "e"))
    assert state["names"] == ["a", "a"]
    assert state["table"] == {"k": [1, 1]}
    assert state["members"] == {"m"}
    assert state["address"] == Address(street="Main", tags=["t", "t"])
    assert state["box"] == Box(2, {"l"})


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("names", "mine = []; self.names = mine; mine.append('x')"),
        ("names", "self.names = mine = ['a']; self.names.clear(); mine.append('x')"),
        ("names", "self.names = mine = []; self.names += ['x']"),
        ("table", "self.table = mine = {'k': []}; mine['k'].append(1)"),
        ("address", "self.address = mine = Address(); mine.tags.append('x')"),
        ("box", "self.box = mine = Box(); mine.labels.add('x')"),
        ("members", "self.members = mine = set(); mine.add('x')"),
    ],
)
@in_loop
async def test_a_value_that_was_assigned_and_then_changed_is_kept_as_it_was_last(name: str, line: str) -> None:
    store = MemoryStore()
    async with memory_app(store):
        await ref(Everything, "e").script(line)
    assert "x" in str(await again(store, name)) or name == "table"
    assert await again(store, "table") == ({"k": [1]} if name == "table" else {})


@in_app
async def test_each_object_has_its_own_copy_of_a_default(app: App) -> None:
    await ref(Everything, "one").change_in_place()
    assert (await app.inspect(ref(Everything, "two")))["names"] == []
    assert Everything().names == []


@in_app
async def test_reading_changes_nothing_whatever_the_fields_hold(app: App) -> None:
    await ref(Everything, "e").set("members", {str(n) for n in range(100)})
    await ref(Everything, "e").set("box", Box(1, {str(n) for n in range(100)}))
    await ref(Everything, "e").set("array", np.arange(3))
    await ref(Everything, "e").look()  # a readonly method that seemed to write would raise


@in_app
async def test_assigning_what_does_not_fit_names_the_field(app: App) -> None:
    with pytest.raises(InvalidArgument, match="whole"):
        await ref(Everything, "e").set("whole", "5")
    with pytest.raises(InvalidArgument, match="names"):
        await ref(Everything, "e").set("names", [1])
    assert not await app.exists(ref(Everything, "e"))


@in_app
async def test_an_int_serves_as_float_and_true_is_no_int(app: App) -> None:
    await ref(Everything, "e").set("real", 3)
    assert type(await ref(Everything, "e").get("real")) is float
    with pytest.raises(InvalidArgument):
        await ref(Everything, "e").set("whole", True)


@in_app
async def test_a_subclass_where_a_base_is_declared_is_refused(app: App) -> None:
    with pytest.raises(InvalidArgument, match="address"):
        await ref(Everything, "e").set("address", Wider())


@in_app
async def test_text_that_is_no_unicode_is_refused(app: App) -> None:
    with pytest.raises(InvalidArgument):
        await ref(Everything, "e").set("text", "\ud800")
    assert await ref(Everything, "e").get("text") == ""


@pytest.mark.parametrize("name", ["undeclared", "key", "_automaton_state", "set"])
@in_app
async def test_what_is_not_declared_cannot_be_assigned(app: App, name: str) -> None:
    with pytest.raises(StateError, match=name):
        await ref(Everything, "e").set(name, "x")
    assert not await app.exists(ref(Everything, "e"))


@pytest.mark.parametrize("name", ["whole", "names", "undeclared", "key"])
@in_app
async def test_an_attribute_cannot_be_deleted(app: App, name: str) -> None:
    with pytest.raises(StateError, match=name):
        await ref(Everything, "e").remove(name)


LEAKED: list[Any] = []


@object_type
class Leaky:
    n: int = 0
    names: list[str] = []
    others: dict[str, list[int]] = {"a": [1]}

    async def leak(self) -> None:
        LEAKED[:] = [self, self.names, self.others["a"]]
        self.names.append("kept")

    async def leak_and_assign(self) -> None:
        mine = ["assigned"]
        self.names = mine
        LEAKED[:] = [self, mine]

    @readonly
    async def names_now(self) -> list[str]:
        return self.names

    @readonly
    async def leak_from_readonly(self) -> None:
        LEAKED[:] = [self, self.names]

    async def write_via_leak(self) -> None:
        LEAKED[0].n = 99


@pytest.mark.parametrize("method", ["leak", "leak_and_assign", "leak_from_readonly"])
@in_app
async def test_a_value_kept_from_an_earlier_step_changes_nothing(app: App, method: str) -> None:
    leaky = ref(Leaky, "l")
    await leaky.leak()
    await getattr(leaky, method)()
    before = await leaky.names_now()
    for kept in LEAKED[1:]:
        kept.append("sneaked in" if isinstance(kept, list) and kept != [1] else 0)
    assert await leaky.names_now() == before
    await leaky.leak()
    assert await leaky.names_now() == [*before, "kept"]


@in_app
async def test_an_object_kept_from_an_earlier_step_cannot_be_changed(app: App) -> None:
    await ref(Leaky, "l").leak()
    for change in (lambda o: setattr(o, "n", 5), lambda o: setattr(o, "names", [])):
        with pytest.raises(StateError):
            change(LEAKED[0])
    assert (await app.inspect(ref(Leaky, "l")))["n"] == 0


@in_app
async def test_another_objects_instance_cannot_be_changed(app: App) -> None:
    await ref(Leaky, "l").leak()
    with pytest.raises(StateError):
        await ref(Leaky, "other").write_via_leak()


@in_app
async def test_pickled_values_are_saved_on_assignment_only(app: App) -> None:
    @object_type
    class Jar:
        thing: Pickled[list[int]] = []

        async def fill(self) -> None:
            self.thing = [1]
            self.thing.append(2)

    await ref(Jar, "j").fill()
    assert (await app.inspect(ref(Jar, "j")))["thing"] == [1]


@in_app
async def test_a_readonly_method_cannot_change_anything_in_place(app: App) -> None:
    @object_type
    class Look:
        names: list[str] = []

        @readonly
        async def cheat(self) -> None:
            self.names.append("x")

    with pytest.raises(ReadOnlyError, match="names"):
        await ref(Look, "l").cheat()
    assert (await app.inspect(ref(Look, "l")))["names"] == []


@in_app
async def test_an_object_exists_from_its_first_write(app: App) -> None:
    e = ref(Everything, "e")
    await e.look()
    assert not await app.exists(e)
    await e.set("whole", 1)
    assert await app.exists(e)


@in_app
async def test_a_value_changed_in_place_so_that_it_no_longer_fits_is_refused(app: App) -> None:
    @object_type
    class Strict:
        names: list[str] = []

        async def spoil(self) -> None:
            self.names.append(5)  # type: ignore[arg-type]

    with pytest.raises(InvalidArgument, match="names"):
        await ref(Strict, "s").spoil()
    assert (await app.inspect(ref(Strict, "s")))["names"] == []


@pytest.mark.parametrize(
    ("annotation", "make"),
    [(set[int], set), (frozenset[int], frozenset), (Any, set), (Any, frozenset), (list[set[int]], lambda s: [set(s)])],
    ids=str,
)
def test_equal_sets_have_one_encoding(annotation: Any, make: Callable[[Any], Any]) -> None:
    one, other = make([0, 8]), make([8, 0])  # 0 and 8 fall into one slot of a small set: the first in comes first
    assert one == other
    assert value_type(annotation).encode(one) == value_type(annotation).encode(other)
