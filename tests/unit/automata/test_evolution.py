"""A class that has changed since its objects were stored: old records read as new ones, and reading writes nothing."""

from dataclasses import make_dataclass
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import pytest
from pydantic import Field, create_model

from automata import List, Map, Set, object_type, readonly, ref
from automata.errors import ReadOnlyError, StateError
from darq.memory import MemoryStore
from tests.memory_app import in_loop, memory_app


class OldPoint(NamedTuple):
    x: list[int]


class NewPoint(NamedTuple):
    x: list[int]
    tag: str = "new"


RECORDS = {
    "model": (
        create_model("Record", x=(list[int], [])),
        create_model("Record", x=(list[int], []), tag=(str, "new")),
    ),
    "named tuple": (OldPoint, NewPoint),
    "dataclass": (
        make_dataclass("Record", [("x", list[int])]),
        make_dataclass("Record", [("x", list[int]), ("tag", str, "new")]),
    ),
}


def define(record: Any) -> Any:
    @object_type
    class Shelf:
        one: record | None = None
        many: List[record]
        table: Map[str, record]

        async def fill(self) -> None:
            self.one = record(x=[1])
            self.many.append(record(x=[1]))
            self.table["a"] = record(x=[1])

        async def touch(self) -> list[Any]:
            return [(item.x, item.tag) for item in (self.one, self.many[0], self.table["a"])]

        async def change(self) -> None:
            for item in (self.one, self.many[0], self.table["a"]):
                item.x.append(2)

        @readonly
        async def look(self) -> list[Any]:
            return [(item.x, item.tag) for item in (self.one, *self.many, *self.table.values())]

        @readonly
        async def bend(self) -> None:
            self.many[0].x.append(2)

    return Shelf


@pytest.mark.parametrize(("old", "new"), RECORDS.values(), ids=RECORDS)
@in_loop
async def test_reading_records_without_an_added_field_changes_nothing(old: Any, new: Any) -> None:
    store = MemoryStore()
    shelf = define(old)
    async with memory_app(store):
        await ref(shelf, "s").fill()
    shelf = define(new)
    async with memory_app(store) as app:
        before = await app.stats()
        assert await ref(shelf, "s").look() == [([1], "new")] * 3
        assert await ref(shelf, "s").touch() == [([1], "new")] * 3
        assert (await app.stats())["groups_durable"] == before["groups_durable"]


@in_loop
async def test_an_added_field_may_have_a_random_default() -> None:
    store = MemoryStore()
    shelf = define(RECORDS["model"][0])
    async with memory_app(store):
        await ref(shelf, "s").fill()
    shelf = define(create_model("Record", x=(list[int], []), tag=(UUID, Field(default_factory=uuid4))))
    async with memory_app(store):
        assert len(await ref(shelf, "s").look()) == 3
        kept = await ref(shelf, "s").touch()
        assert await ref(shelf, "s").look() == kept


@pytest.mark.parametrize(("old", "new"), RECORDS.values(), ids=RECORDS)
@in_loop
async def test_changing_records_without_an_added_field_is_noticed(old: Any, new: Any) -> None:
    store = MemoryStore()
    shelf = define(old)
    async with memory_app(store):
        await ref(shelf, "s").fill()
    shelf = define(new)
    async with memory_app(store):
        with pytest.raises(ReadOnlyError):
            await ref(shelf, "s").bend()
        await ref(shelf, "s").change()
    async with memory_app(store):
        assert await ref(shelf, "s").look() == [([1, 2], "new")] * 3


FIELDS: dict[str, tuple[Any, Any, str, str]] = {
    # name: (annotation, default or ..., code that writes it, code that reads it)
    "list": (List[int], ..., "self.field.append(1)", "list(self.field)"),
    "map": (Map[int, int], ..., "self.field[1] = 1", "dict(self.field)"),
    "set": (Set[int], ..., "self.field.add(2)", "set(self.field)"),
    "int": (int, 0, "self.field = 1", "self.field"),
    "text": (str, "", "self.field = 'x'", "self.field"),
    "texts": (list[str], [], "self.field = ['x']", "self.field"),
    "list of texts": (List[str], ..., "self.field.append('x')", "self.field[0]"),
    "map to texts": (Map[int, str], ..., "self.field[1] = 'x'", "self.field[1]"),
    "map to lists": (Map[int, list[int]], ..., "self.field[1] = [1]", "self.field[1]"),
}


def define_field(name: str) -> Any:
    annotation, default, write, read = FIELDS[name]

    @object_type
    class Shelf:
        field: annotation = default  # type: ignore[valid-type]
        if default is ...:
            del field

        async def write(self) -> None:
            exec(write)

        @readonly
        async def read(self) -> Any:
            return eval(read)

    return Shelf


RETYPED = [
    ("list", "map"),
    ("list", "set"),
    ("map", "list"),
    ("map", "set"),
    ("set", "map"),
    ("set", "list"),
    ("int", "text"),
    ("text", "int"),
    ("text", "texts"),
    ("list", "list of texts"),
    ("map", "map to texts"),
    ("map", "map to lists"),
]


@pytest.mark.parametrize(("old", "new"), RETYPED)
@in_loop
async def test_a_field_of_another_type_than_is_stored_is_named(old: str, new: str) -> None:
    store = MemoryStore()
    shelf = define_field(old)
    async with memory_app(store):
        await ref(shelf, "s").write()
    shelf = define_field(new)
    async with memory_app(store):
        with pytest.raises(StateError, match=r"^Shelf\.field .*stored.*migrate"):
            await ref(shelf, "s").read()


@pytest.mark.parametrize(("old", "new"), RETYPED[:6])
@in_loop
async def test_a_collection_of_another_sort_than_is_stored_is_not_written_to(old: str, new: str) -> None:
    store = MemoryStore()
    shelf = define_field(old)
    async with memory_app(store):
        await ref(shelf, "s").write()
        before = await ref(shelf, "s").read()
    shelf = define_field(new)
    async with memory_app(store):
        with pytest.raises(StateError, match=r"Shelf\.field"):
            await ref(shelf, "s").write()
    shelf = define_field(old)
    async with memory_app(store):
        assert await ref(shelf, "s").read() == before
