"""Automata at work: records, what may change their state, failures, rebuilding, readonly, deletion."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from dataclasses import dataclass
from typing import Any

import pytest

from automata import (
    Retry,
    apply,
    automaton,
    call,
    delete,
    effect,
    errors,
    gather,
    logger,
    now,
    object_type,
    readonly,
    record,
    ref,
    send,
    sleep,
)
from automata.app import App
from automata.applies import Applies
from darq.memory import MemoryStore
from tests.memory_app import (
    PATIENCE_SECONDS,
    crashing,
    in_app,
    in_embedded_app,
    in_loop,
    listed,
    memory_app,
    settled,
    slow_disk,
)


@dataclass(frozen=True)
class Added:
    name: str
    n: int


@dataclass(frozen=True)
class Removed:
    name: str


@dataclass
class Listed:
    items: list[int]


class Boom(Exception):
    pass


@automaton(retry=Retry(first_seconds=0.0005))
class Ledger:
    key: str
    total: int = 0
    sums: dict[str, int] = {}
    items: list[int] = []

    async def add(self, name: str, n: int = 1) -> int:
        record(Added(name, n))
        return self.total

    async def add_then_fail(self, name: str) -> None:
        record(Added(name, 1))
        raise Boom

    async def add_listed(self, items: list[int]) -> None:
        event = Listed(items)
        record(event)
        event.items.append(99)

    async def refer(self, to: str) -> None:
        record(Added(to, 1))
        send(ref(Ledger, to).add(self.key))

    async def assign(self) -> None:
        self.total = 5

    async def change_in_place(self) -> None:
        self.sums["x"] = 5

    async def change_in_place_then_fail(self) -> None:
        self.sums["x"] = 5
        raise Boom

    async def change_before_record(self) -> None:
        self.items.append(1)
        record(Added("a", 1))

    async def hold_and_record(self) -> dict[str, int]:
        held = self.sums
        before = len(held)
        record(Added("held", 1))
        assert len(held) == before + 1
        return held

    async def hold_record_and_change(self) -> None:
        held = self.sums
        record(Added("held", 1))
        held["x"] = 1

    async def catch_a_failed_apply(self) -> None:
        with contextlib.suppress(KeyError):
            record(Removed("nobody"))

    async def catch_a_refusal(self) -> None:
        try:
            record("of no class with an @apply")
        except errors.InvalidArgument:
            record(Added("refused", 1))

    async def wait(self, name: str) -> None:
        record(Added(name, 1))
        Waiting.begun.set()
        await Waiting.over.wait()
        record(Added(name, 10))

    async def call_another(self, how: str) -> None:
        if how == "await":
            await ref(Ledger, "other").add("a")
        elif how == "effect":
            await effect(int)
        elif how == "sleep":
            await sleep(0)
        else:
            await gather(ref(Ledger, "other").add("a"))

    async def clear(self, then: str = "") -> None:
        delete()
        if then:
            record(Added(then, 1))

    async def clear_then_fail(self) -> None:
        delete()
        raise Boom

    async def undeclared(self) -> None:
        self.other = 1

    @apply
    def added(self, e: Added) -> None:
        self.total += e.n
        self.sums[e.name] = self.sums.get(e.name, 0) + e.n
        logger.info("added %s", e.name)

    @apply
    def removed(self, e: Removed) -> None:
        self.total -= self.sums.pop(e.name)

    @apply
    def listed(self, e: Listed) -> None:
        self.items = e.items

    @readonly
    async def get(self) -> tuple[int, dict[str, int], list[int]]:
        return self.total, self.sums, self.items

    @readonly(cache=True)
    async def get_total(self) -> int:
        return self.total

    @readonly
    async def look_slowly(self) -> int:
        before = self.total
        for _ in range(3):
            assert await ref(Ledger, "other").get() is not None
        assert self.total == before
        return self.total

    @readonly
    async def record_in_readonly(self) -> None:
        record(Added("a", 1))

    @readonly
    async def assign_in_readonly(self) -> None:
        self.total = 1

    @readonly
    async def change_in_readonly(self) -> None:
        self.sums["x"] = 1

    @readonly
    async def change_in_readonly_then_fail(self) -> None:
        self.sums["x"] = 1
        raise Boom


class Waiting:
    begun = asyncio.Event()
    over = asyncio.Event()


@dataclass(frozen=True)
class Ask:
    what: str


@automaton
class Impure:
    n: int = 0

    async def ask(self, what: str) -> None:
        record(Ask(what))

    @apply
    def asked(self, e: Ask) -> None:
        if e.what == "now":
            now()
        elif e.what == "send":
            send(ref(Ledger, "x").add("a"))
        elif e.what == "record":
            record(Ask("again"))
        else:
            delete()


@object_type
class Thing:
    n: int = 0

    async def try_to_record(self) -> None:
        record(Added("a", 1))


EMPTY: tuple[int, dict[str, int], list[int]] = (0, {}, [])


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Waiting, "begun", asyncio.Event())
    monkeypatch.setattr(Waiting, "over", asyncio.Event())


async def state(key: str = "k") -> Any:
    return await ref(Ledger, key).get()


# recording


@in_app
async def test_a_record_is_applied_at_once(app: App) -> None:
    assert await ref(Ledger, "k").add("a", 2) == 2
    assert await ref(Ledger, "k").add("b", 3) == 5
    assert await state() == (5, {"a": 2, "b": 3}, [])


@in_loop
async def test_what_was_recorded_is_applied_again_in_the_next_life() -> None:
    store = MemoryStore()
    async with crashing(store):
        for n in range(5):
            await ref(Ledger, "k").add("ab"[n % 2], n)
    async with memory_app(store):
        assert await state() == (10, {"a": 6, "b": 4}, [])
        assert await ref(Ledger, "k").add("a", 1) == 11


@in_app
async def test_a_record_is_taken_by_value(app: App) -> None:
    await ref(Ledger, "k").add_listed([1, 2])
    assert await state() == (0, {}, [1, 2])


@in_app
async def test_what_nothing_applies_or_does_not_fit_is_refused_and_the_handler_may_go_on(app: App) -> None:
    await ref(Ledger, "k").catch_a_refusal()
    assert await state() == (1, {"refused": 1}, [])


@in_app
async def test_messages_of_the_step_are_sent(app: App) -> None:
    await ref(Ledger, "k").refer("other")
    await settled(lambda: state("other"), (1, {"k": 1}, []))


@in_app
async def test_an_idempotency_key_records_once(app: App) -> None:
    for _ in range(2):
        assert await call(ref(Ledger, "k").add("a"), idempotency_key="1") == 1
    assert await state() == (1, {"a": 1}, [])


def test_record_outside_of_any_handler_is_refused() -> None:
    with pytest.raises(errors.StateError, match="inside a handler of an @automaton"):
        record(Added("a", 1))


@in_app
async def test_record_in_an_object_is_refused(app: App) -> None:
    with pytest.raises(errors.StateError, match="an object's method changes its fields instead"):
        await ref(Thing, "k").try_to_record()


# changing state elsewhere


@in_app
async def test_assigning_outside_of_apply_is_refused_at_the_assignment(app: App) -> None:
    with pytest.raises(errors.StateError, match=r"Ledger.total was changed outside of @apply"):
        await ref(Ledger, "k").assign()
    assert await state() == EMPTY


@in_app
async def test_a_change_in_place_outside_of_apply_is_found_when_the_handler_ends(app: App) -> None:
    for method in ("change_in_place", "change_before_record", "hold_record_and_change"):
        with pytest.raises(errors.StateError, match="changed outside of @apply"):
            await getattr(ref(Ledger, "k"), method)()
        assert await state() == EMPTY


@in_app
async def test_a_change_in_place_does_not_survive_a_handler_that_raises(app: App) -> None:
    with pytest.raises(Boom):
        await ref(Ledger, "k").change_in_place_then_fail()
    assert await state() == EMPTY


@in_app
async def test_a_value_read_before_a_record_shows_what_apply_has_made_of_it(app: App) -> None:
    assert await ref(Ledger, "k").hold_and_record() == {"held": 1}
    assert await state() == (1, {"held": 1}, [])


@in_app
async def test_a_readonly_method_neither_records_nor_changes(app: App) -> None:
    await ref(Ledger, "k").add("a")
    for method in ("record_in_readonly", "assign_in_readonly", "change_in_readonly"):
        with pytest.raises(errors.ReadOnlyError):
            await getattr(ref(Ledger, "k"), method)()
        assert await state() == (1, {"a": 1}, [])


@in_app
async def test_a_cached_readonly_method_is_never_stale(app: App) -> None:
    for n in range(3):
        assert await ref(Ledger, "k").get_total() == n
        await ref(Ledger, "k").add("a")


@in_app
async def test_results_are_copies(app: App) -> None:
    _, sums, items = await state()
    sums["mine"] = 1
    items.append(1)
    assert await state() == EMPTY


@in_app
async def test_undeclared_attributes_cannot_be_assigned(app: App) -> None:
    with pytest.raises(errors.StateError, match=r"Ledger\.other is not declared"):
        await ref(Ledger, "k").undeclared()


@pytest.mark.parametrize("what", ["now", "send", "record", "delete"])
@in_app
async def test_apply_must_be_pure(app: App, what: str) -> None:
    with pytest.raises(errors.StateError, match="must be pure"):
        await ref(Impure, "k").ask(what)


# failing


@in_app
async def test_what_a_failed_readonly_method_has_changed_does_not_stay(app: App) -> None:
    with pytest.raises(Boom):
        await ref(Ledger, "k").change_in_readonly_then_fail()
    assert await state() == EMPTY


@in_app
async def test_nothing_that_a_failed_step_recorded_stays_in_memory(app: App) -> None:
    await ref(Ledger, "k").add("a", 2)
    with pytest.raises(Boom):
        await ref(Ledger, "k").add_then_fail("a")
    assert await state() == (2, {"a": 2}, [])
    assert await ref(Ledger, "k").add("b") == 3


@in_app
async def test_a_step_whose_apply_has_raised_cannot_commit(app: App) -> None:
    with pytest.raises(errors.StateError, match=r"@apply Ledger\.removed has raised in this step"):
        await ref(Ledger, "k").catch_a_failed_apply()
    assert await state() == EMPTY
    assert not await app.exists(ref(Ledger, "k"))


@in_app
async def test_a_message_that_fails_is_retried_and_becomes_a_dead_letter(app: App) -> None:
    await send(ref(Ledger, "k").add_then_fail("a"))

    async def letters() -> list[str]:
        return [letter.method for letter in await listed(app.dead_letters())]

    await settled(letters, ["add_then_fail"])
    assert await state() == EMPTY


# awaiting


@pytest.mark.parametrize("how", ["await", "gather", "effect", "sleep"])
@in_app
async def test_a_handler_does_not_await_others(app: App, how: str) -> None:
    with pytest.raises(errors.StateError, match="a handler of an automaton is one step and awaits no other automaton"):
        await ref(Ledger, "k").call_another(how)
    assert await state("other") == EMPTY


@in_app
async def test_readers_see_committed_state_while_a_handler_waits_for_outside_work(app: App) -> None:
    await ref(Ledger, "k").add("a")
    waiting = asyncio.ensure_future(ref(Ledger, "k").wait("a"))
    await Waiting.begun.wait()
    assert await state() == (1, {"a": 1}, [])
    assert await ref(Ledger, "k").look_slowly() == 1
    Waiting.over.set()
    await waiting
    assert await state() == (12, {"a": 12}, [])


class StuckStore(MemoryStore):
    """A disk whose flushes wait until a test lets them go on."""

    def __init__(self) -> None:
        super().__init__()
        self.flowing = threading.Event()
        self.flowing.set()

    def flush(self) -> None:
        """Make what is written durable, some time."""
        self.flowing.wait(PATIENCE_SECONDS)
        super().flush()


@in_loop
async def test_a_snapshot_that_awaits_shows_nothing_that_is_not_durable() -> None:
    store = StuckStore()
    async with memory_app(store, slow_disk()):
        assert await state("other") == EMPTY  # so that what awaits it depends on no later group for that
        await ref(Ledger, "k").add("a")
        store.flowing.clear()
        looking = asyncio.ensure_future(ref(Ledger, "k").look_slowly())
        adding = asyncio.ensure_future(ref(Ledger, "k").add("a"))
        for _ in range(50):
            await asyncio.sleep(0)
        seen = looking.result() if looking.done() else None
        store.flowing.set()
        await adding
        assert seen in {None, 1}
        assert await looking in {1, 2}


@in_embedded_app
async def test_a_handler_that_is_cut_off_leaves_nothing(app: App) -> None:
    waiting = asyncio.ensure_future(ref(Ledger, "k").wait("a"))
    await Waiting.begun.wait()
    for task in list(app._opened().host.tasks._running):
        task.cancel()
    with pytest.raises(errors.StateError, match="was cancelled"):
        await waiting
    assert await state() == EMPTY


# looking and deleting


@in_app
async def test_an_automaton_exists_from_its_first_record(app: App) -> None:
    assert await state() == EMPTY
    assert not await app.exists(ref(Ledger, "k"))
    await ref(Ledger, "k").add("a")
    assert await app.exists(ref(Ledger, "k"))
    assert await listed(app.objects(Ledger)) == ["k"]


@in_app
async def test_inspect_shows_its_fields(app: App) -> None:
    await ref(Ledger, "k").add("a")
    found = await app.inspect(ref(Ledger, "k"))
    assert found == {"total": 1, "sums": {"a": 1}, "items": []}
    found["sums"]["b"] = 1
    assert await state() == (1, {"a": 1}, [])


@in_loop
async def test_a_deleted_automaton_is_an_empty_one_and_its_records_are_gone() -> None:
    for by_app in (True, False):
        store = MemoryStore()
        async with memory_app(store) as app:
            await ref(Ledger, "k").add("a")
            await ref(Ledger, "k2").add("a")
            await (app.delete(ref(Ledger, "k")) if by_app else ref(Ledger, "k").clear())
            assert await state() == EMPTY
            assert not await app.exists(ref(Ledger, "k"))
        assert not [key for key in store._durable if b"k\x00\x01" in key and key[0] in (0x10, 0x11, 0x22)]
        async with memory_app(store):
            assert await state() == EMPTY
            assert await state("k2") == (1, {"a": 1}, [])


@in_loop
async def test_what_is_recorded_behind_a_delete_belongs_to_the_new_life() -> None:
    store = MemoryStore()
    async with crashing(store):
        await ref(Ledger, "k").add("a")
        await ref(Ledger, "k").clear("b")
        assert await state() == (1, {"b": 1}, [])
    async with memory_app(store) as app:
        assert await state() == (1, {"b": 1}, [])
        assert await app.exists(ref(Ledger, "k"))


@in_app
async def test_a_delete_that_fails_deletes_nothing(app: App) -> None:
    await ref(Ledger, "k").add("a")
    with pytest.raises(Boom):
        await ref(Ledger, "k").clear_then_fail()
    assert await state() == (1, {"a": 1}, [])


# rebuilding


@in_loop
async def test_a_record_that_no_longer_applies_is_named_and_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    async with memory_app(store):
        await ref(Ledger, "k").add("a")
    made = Ledger.__automaton__  # type: ignore[attr-defined]

    def raise_boom(self: object, e: object) -> None:
        raise Boom("no more")

    with monkeypatch.context() as patch:
        patch.setattr(made, "applies", Applies("Ledger", [(Added, "added", raise_boom)]))
        async with memory_app(store) as app:
            why = r"Ledger/k cannot be rebuilt: record \d+ \(Added\) does not apply: Boom: no more"
            for _ in range(2):
                with pytest.raises(errors.StateError, match=why):
                    await state()
                with pytest.raises(errors.StateError, match=why):
                    await ref(Ledger, "k").add("b")
            await send(ref(Ledger, "k").add("later"))

            async def letters() -> int:
                return len(await listed(app.dead_letters()))

            await settled(letters, 1)
            assert await ref(Ledger, "other").get() == EMPTY
    async with memory_app(store) as app:
        assert await state() == (1, {"a": 1}, [])
        [letter] = await listed(app.dead_letters())
        await app.retry(letter.id)
        await settled(state, (2, {"a": 1, "later": 1}, []))


@in_loop
async def test_an_automaton_that_cannot_be_rebuilt_can_be_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    async with memory_app(store):
        await ref(Ledger, "k").add("a")
    made = Ledger.__automaton__  # type: ignore[attr-defined]
    monkeypatch.setattr(made, "applies", Applies("Ledger", []))
    async with memory_app(store) as app:
        with pytest.raises(errors.StateError, match=r"no @apply takes Added .*: keep an @apply"):
            await state()
        await app.delete(ref(Ledger, "k"))
        assert await state() == EMPTY


@in_loop
async def test_what_apply_logs_is_not_repeated_on_replay(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "automata")
    store = MemoryStore()
    async with memory_app(store):
        await ref(Ledger, "k").add("a")
    assert caplog.messages == ["Ledger/k: added a"]
    async with memory_app(store):
        assert await state() == (1, {"a": 1}, [])
    assert caplog.messages == ["Ledger/k: added a"]
