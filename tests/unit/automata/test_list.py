"""`List[T]`: what Python's list would do, item by item."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel

from automata import List, object_type, readonly, ref, send
from automata.app import App
from automata.errors import InvalidArgument, ReadOnlyError, StateError
from darq.memory import MemoryStore
from tests.memory_app import in_app, in_loop, memory_app, settled


class Note(BaseModel):
    text: str = ""
    tags: list[str] = []


@object_type
class Shelf:
    items: List[int]
    notes: List[Note]

    async def do(self, what: str) -> Any:
        """Runs an expression over `items` and `notes`."""
        return eval(what, {"Note": Note, "list": list, "len": len}, {"items": self.items, "notes": self.notes})

    async def script(self, lines: str) -> Any:
        scope: dict[str, Any] = {"items": self.items, "notes": self.notes, "Note": Note, "self": self}
        exec(lines, scope)
        return scope.get("result")

    @readonly
    async def look(self) -> list[int]:
        return list(self.items)

    @readonly
    async def cheat(self, lines: str) -> None:
        exec(lines, {"items": self.items, "notes": self.notes})

    @readonly
    async def all_notes(self) -> list[Note]:
        return list(self.notes)


async def filled(items: list[int]) -> Shelf:
    shelf = ref(Shelf, "s")
    await shelf.script(f"items.extend({items})")
    return shelf


READS = [
    "list(items)",
    "len(items)",
    "items[0]",
    "items[-1]",
    "items[2:4]",
    "items[::-1]",
    "items[::2]",
    "items[-2:]",
    "items[5:100]",
    "items[3:1]",
    "list(reversed(items))",
    "3 in items",
    "99 in items",
    "bool(items)",
    "[n for n in items if n % 2]",
]


@pytest.mark.parametrize("expression", READS)
@in_app
async def test_reading_is_as_in_python(app: App, expression: str) -> None:
    shelf = await filled([5, 3, 8, 1, 9, 2])
    assert await shelf.do(expression) == eval(expression, {"items": [5, 3, 8, 1, 9, 2]})


@in_app
async def test_last_gives_the_last_items_oldest_first(app: App) -> None:
    shelf = await filled([1, 2, 3, 4])
    assert await shelf.do("list(items.last(2))") == [3, 4]
    assert await shelf.do("list(items.last(9))") == [1, 2, 3, 4]
    assert await shelf.do("list(items.last(0))") == []
    assert await shelf.do("list(items.last(-1))") == []


@pytest.mark.parametrize("at", [6, -7, 100, 2**70])
@in_app
async def test_an_index_outside_raises_index_error(app: App, at: int) -> None:
    shelf = await filled([5, 3, 8, 1, 9, 2])
    with pytest.raises(IndexError):
        await shelf.do(f"items[{at}]")
    with pytest.raises(IndexError):
        await shelf.script(f"items[{at}] = 1")


@pytest.mark.parametrize("method", ["pop", "popleft"])
@in_app
async def test_taking_from_an_empty_list_raises_index_error(app: App, method: str) -> None:
    with pytest.raises(IndexError):
        await ref(Shelf, "s").do(f"items.{method}()")


@in_app
async def test_both_ends_can_be_taken_and_positions_shift(app: App) -> None:
    shelf = await filled([1, 2, 3, 4])
    assert await shelf.do("items.popleft()") == 1
    assert await shelf.do("items.pop()") == 4
    assert await shelf.do("[items[0], items[-1], len(items)]") == [2, 3, 2]
    await shelf.script("items[0] = 20; items.append(5)")
    assert await shelf.look() == [20, 3, 5]


@in_app
async def test_clearing_empties_and_appending_goes_on(app: App) -> None:
    shelf = await filled([1, 2, 3])
    await shelf.script("items.append(4); items.clear(); items.append(5); result = list(items)")
    assert await shelf.look() == [5]
    assert await shelf.do("items[0]") == 5


@in_app
async def test_augmented_assignment_appends(app: App) -> None:
    shelf = await filled([1])
    await shelf.script("self.items += [2, 3]")
    assert await shelf.look() == [1, 2, 3]


@pytest.mark.parametrize("value", ["[1]", "None", "self.notes"])
@in_app
async def test_assigning_the_field_itself_raises(app: App, value: str) -> None:
    shelf = await filled([1])
    with pytest.raises(StateError, match="items"):
        await shelf.script(f"self.items = {value}")
    with pytest.raises(StateError, match="items"):
        await shelf.script("del self.items")
    assert await shelf.look() == [1]


@in_app
async def test_items_are_validated(app: App) -> None:
    for line in ("items.append('x')", "items.append(True)", "items.append(None)", "items.extend([1, 'x'])"):
        with pytest.raises(InvalidArgument, match="items"):
            await ref(Shelf, "s").script(line)
    assert await ref(Shelf, "s").look() == []


CHANGES: list[str] = [
    "notes[0].text = 'new'",
    "notes[-1].text = 'new'",
    "notes.last(1)[0].text = 'new'",
    "notes[0:1][0].text = 'new'",
    "next(iter(notes)).text = 'new'",
    "next(reversed(notes)).text = 'new'",
    "for note in notes: note.text = 'new'",
    "n = Note(); notes[0] = n; n.text = 'new'",
    "n = Note(); notes.pop(); notes.append(n); n.text = 'new'",
]


@pytest.mark.parametrize("change", CHANGES)
@in_loop
async def test_an_item_changed_in_place_is_kept(change: str) -> None:
    store = MemoryStore()
    async with memory_app(store):
        await ref(Shelf, "s").script("notes.append(Note(text='old'))")
        await ref(Shelf, "s").script(change)
    async with memory_app(store):
        assert [note.text for note in await ref(Shelf, "s").all_notes()] == ["new"]


@in_app
async def test_an_item_taken_off_is_no_longer_kept(app: App) -> None:
    await ref(Shelf, "s").script("notes.append(Note(text='a')); notes.append(Note(text='b'))")
    await ref(Shelf, "s").script("n = notes.pop(); n.text = 'changed'")
    await ref(Shelf, "s").script("n = notes.popleft(); n.text = 'changed'; result = len(notes)")
    assert await ref(Shelf, "s").all_notes() == []


@in_app
async def test_an_appended_value_is_kept_by_itself_not_by_name(app: App) -> None:
    await ref(Shelf, "s").script("n = Note(text='one'); notes.append(n); notes.append(n)")
    await ref(Shelf, "s").script("notes[0].text = 'two'")
    assert [note.text for note in await ref(Shelf, "s").all_notes()] == ["two", "one"]


@in_app
async def test_changing_while_iterating_goes_on_behind_the_last_item(app: App) -> None:
    shelf = await filled(list(range(100)))
    await shelf.script("for n in items:\n    if n == 50: items[60] = -1; items.append(1000)\nresult = None")
    assert len(await shelf.look()) == 101
    seen = "result = []\nfor n in items:\n    result.append(n)\n    if n == 0: items[1] = 77\n"
    assert (await shelf.script(seen))[:3] == [0, 77, 2]


@pytest.mark.parametrize("line", ["items.append(1)", "items.pop()", "items.popleft()", "items[0] = 2", "items.clear()"])
@in_app
async def test_a_readonly_method_cannot_change_it(app: App, line: str) -> None:
    shelf = await filled([1, 2])
    with pytest.raises(ReadOnlyError, match="items"):
        await shelf.cheat(line)
    assert await shelf.look() == [1, 2]


@in_app
async def test_an_exception_undoes_all_changes(app: App) -> None:
    shelf = await filled([1, 2, 3])
    for line in ("items.clear()", "items.popleft(); items.append(9)", "items[0] = 100", "items.extend(range(1000))"):
        with pytest.raises(ZeroDivisionError):
            await shelf.script(line + "; 1 / 0")
        assert await shelf.look() == [1, 2, 3]
        assert await shelf.do("len(items)") == 3


@in_app
async def test_a_kept_list_changes_nothing_outside_of_a_method(app: App) -> None:
    kept: list[Any] = []

    @object_type
    class Keeper:
        items: List[int]

        async def keep(self) -> None:
            self.items.append(1)
            kept.append(self.items)

    await ref(Keeper, "k").keep()
    changes: list[Callable[[Any], object]] = [
        lambda items: items.append(1),
        lambda items: items.pop(),
        lambda items: items.clear(),
        lambda items: items.__setitem__(0, 5),
    ]
    for change in changes:
        with pytest.raises(StateError):
            change(kept[0])
    assert (await app.inspect(ref(Keeper, "k"))) == {"items": [1]}


@in_app
async def test_a_long_queue_is_worked_off_from_the_front(app: App) -> None:
    shelf = await filled(list(range(1500)))
    assert [await shelf.do("items.popleft()") for _ in range(1500)] == list(range(1500))
    assert await shelf.do("len(items)") == 0
    send(shelf.script("items.append(7)"))
    await settled(shelf.look, [7])
