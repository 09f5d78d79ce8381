"""A class that has changed since its objects were stored: old records read as new ones, and reading writes nothing."""

from dataclasses import make_dataclass
from typing import Any, NamedTuple

import pytest
from pydantic import create_model

from automata import List, Map, object_type, readonly, ref
from automata.errors import ReadOnlyError
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
