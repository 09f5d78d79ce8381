"""What objects do is the same natively and in a sandbox: each test runs over one source, imported and built."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from automata import call, send
from automata.app import App
from automata.errors import InvalidArgument, NotPublic, ReadOnlyError, StateError
from tests.behaviour.kinds import Kind, Native, account, box, in_both, shelf
from tests.memory_app import settled

# values


@in_both
async def test_fields_begin_with_their_defaults(app: App, kind: Kind) -> None:
    found = await box().values()
    assert found["big"] == repr(2**100)
    assert found["data"] == repr(b"\x00\xff")
    assert found["at"] == "datetime.datetime(2030, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)"
    assert (found["maybe"], found["either"], found["colour"]) == ("None", "1", "<Colour.RED: 'red'>")
    assert (found["names"], found["table"], found["pair"], found["exact"]) == (
        "[]",
        "{}",
        "(1, 'one')",
        "Decimal('1.50')",
    )


@in_both
async def test_values_of_each_kind_are_kept(app: App, kind: Kind) -> None:
    await box().set_all()
    found = await box().values()
    assert found["ratio"] == "2.0", "an int serves as a float"
    assert (found["count"], found["name"], found["big"]) == ("-5", repr("Ω\x00x"), repr(-(2**90)))
    assert (found["maybe"], found["either"], found["colour"], found["size"]) == (
        "3",
        "'text'",
        "<Colour.BLUE: 'blue'>",
        "'m'",
    )
    assert found["at"] == "datetime.datetime(2031, 2, 3, 4, 5, 6, 7, tzinfo=datetime.timezone.utc)"
    assert (found["day"], found["exact"]) == ("datetime.date(1999, 12, 31)", "Decimal('0.10')")
    assert (found["table"], found["pair"], found["data"]) == ("{'x': [1, 2]}", "(2, 'two')", repr(bytes(range(256))))


@in_both
async def test_changes_in_place_are_kept(app: App, kind: Kind) -> None:
    await box().change_in_place()
    assert await box().change_in_place() == ["more", "more"]
    assert list(await box().items()) == ["first", 3, ["new", "new"]]


@in_both
async def test_inspect_shows_fields(app: App, kind: Kind) -> None:
    await box().set_all()
    found = await app.inspect(box())
    assert (found["count"], found["name"], found["table"], found["maybe"]) == (-5, "Ω\x00x", {"x": [1, 2]}, 3)


@in_both
async def test_records_come_and_go(app: App, kind: Kind) -> None:
    item: Any = {"name": "cup", "price": 3, "tags": ["x"]}
    if isinstance(kind, Native):
        item = sys.modules["behaviour_objects"].Item(**item)
    taken = await box().take(item)
    assert (taken if isinstance(taken, dict) else vars(taken)) == {"name": "cup!", "price": 3, "tags": []}
    assert list(await box().items()) == ["cup", 3, ["x"]]


@in_both
async def test_what_does_not_fit_a_field_is_refused(app: App, kind: Kind) -> None:
    assert "expected int, got str '5'" in await box().assign_badly()
    assert (await box().seen())[0] == 9


@in_both
async def test_undeclared_attributes_are_refused_and_the_step_with_them(app: App, kind: Kind) -> None:
    with kind.raises(StateError, "missing is not declared"):
        await box().assign_undeclared()
    assert (await box().seen())[0] == 0


# calls


@in_both
async def test_arguments_are_checked_before_anything_runs(app: App, kind: Kind) -> None:
    for wrong in (
        lambda: box().note(5),
        lambda: box().note(),
        lambda: box().note("a", "b"),
        lambda: box().note(other="a"),
    ):
        with pytest.raises(InvalidArgument):
            await wrong()
    assert not await app.exists(box())


@in_both
async def test_defaults_and_names_of_arguments(app: App, kind: Kind) -> None:
    assert await box().default_arguments(1) == "1 b 1.0"
    assert await box().default_arguments(a=2, b="x", c=2.5) == "2 x 2.5"


@in_both
async def test_an_error_rolls_all_of_the_step_back(app: App, kind: Kind) -> None:
    await box().note("before")
    with kind.raises(ValueError, "boom"):
        await box().fail_after("boom")
    assert list(await box().seen()) == [0, ["before"]]
    assert list(await box("other").seen()) == [0, []], "nor was anything sent"


@in_both
async def test_readonly_methods_neither_write_nor_send(app: App, kind: Kind) -> None:
    with kind.raises(ReadOnlyError, "readonly"):
        await box().write_anyway()
    with kind.raises(ReadOnlyError, "readonly"):
        await box().send_anyway()
    assert not await app.exists(box())


@in_both
async def test_private_methods_are_refused_to_clients(app: App, kind: Kind) -> None:
    with pytest.raises(NotPublic):
        await box()._hidden()
    assert await box().ask_hidden("other") == 42


@in_both
async def test_unknown_methods_are_refused(app: App, kind: Kind) -> None:
    with pytest.raises(AttributeError):
        await box().nothing()


@in_both
async def test_refs_are_values(app: App, kind: Kind) -> None:
    assert await box().befriend("friend") == box()
    await box().tell_friend("hello")
    await settled(box("friend").seen, (0, ["hello"]))


@in_both
async def test_a_method_calls_its_own_others_plainly(app: App, kind: Kind) -> None:
    assert await box().call_own() == 1


@in_both
async def test_a_deleted_object_is_an_empty_one(app: App, kind: Kind) -> None:
    await box().note("a")
    await box().forget()
    assert not await app.exists(box())
    assert list(await box().seen()) == [0, []]


@in_both
async def test_clock_and_chance_are_the_hosts(app: App, kind: Kind) -> None:
    assert list(await box().drawn()) == [True, True, True]


@in_both
async def test_messages_of_clients_arrive_in_order(app: App, kind: Kind) -> None:
    for n in range(10):
        send(box().note(str(n)))
    await settled(box().seen, (0, [str(n) for n in range(10)]))


@in_both
async def test_an_idempotency_key_makes_repeats_one(app: App, kind: Kind) -> None:
    first = await call(account().put(5), idempotency_key="k")
    assert await call(account().put(5), idempotency_key="k") == first
    assert (await account().told())[0] == 5


# collections


@in_both
async def test_maps(app: App, kind: Kind) -> None:
    assert list(await shelf().fill(20)) == [20, 20, 7]
    names, absent, there, some, backwards, reverse, popped, count, total = await shelf().mapped()
    assert (names, absent, there) == (["n000", "n002", "n003", "n004"], -1, True)
    assert [tuple(pair) for pair in some] == [("n002", 102), ("n003", 3), ("n004", 4)]
    assert [tuple(pair) for pair in backwards] == [("n019", 19), ("n018", 18)]
    assert (reverse, popped, count, total) == (["n019", "n018"], 3, 18, sum(range(20)) - 1 + 100 - 3)


@in_both
async def test_lists(app: App, kind: Kind) -> None:
    await shelf().fill(10)
    assert await shelf().listed() == [["last", "first"], "l1", "l8", ["l2", "l3", "l4"], ["l7", "l8"], 8, ["l8", "l7"]]


@in_both
async def test_sets(app: App, kind: Kind) -> None:
    await shelf().fill(10)
    assert await shelf().set_like() == [[0, 1, 2, 4, 5, 6], False, True, 6]


@in_both
async def test_entries_change_in_place_and_have_tuples_as_keys(app: App, kind: Kind) -> None:
    entries, tags = await shelf().nested()
    assert [(tuple(key), value) for key, value in entries] == [((1, "z"), []), ((2, "b"), [1, 2])]
    assert tags == ["t"]


@in_both
async def test_large_collections_are_read_page_by_page(app: App, kind: Kind) -> None:
    await shelf().fill(300)
    await shelf().fill(300)
    assert list(await shelf().fill(0)) == [300, 600, 7]
    assert (await app.inspect(shelf()))["line"][-1] == "l299"


@in_both
async def test_clearing_and_iterating_while_changing(app: App, kind: Kind) -> None:
    await shelf().fill(4)
    assert await shelf().while_iterating() == ["n000", "n001", "n0015", "n003"]
    assert await shelf().missing() == "KeyError IndexError"
    assert await shelf().clear_all() == 1
    assert (await app.inspect(shelf()))["line"] == ["again"]


@in_both
async def test_methods_write_read_and_give_megabytes(app: App, kind: Kind) -> None:
    assert await shelf().heavy(600_000, 8) == b"r" * 600_000
    sizes = [600_000 + at for at in range(8)]
    assert await shelf().weighed() == sizes + sizes[::-1]
    assert await shelf("one").heavy(3_900_000, 1) == b"r" * 3_900_000
    assert await shelf("one").weighed() == [3_900_000] * 2


@in_both
async def test_a_method_awaits_megabytes_of_others(app: App, kind: Kind) -> None:
    assert await shelf().weigh_all([f"o{at}" for at in range(7)], 600_000) == [600_000] * 8
