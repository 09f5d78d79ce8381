"""What a full disk refuses has not happened, and happens once there is room: deleting automata, migrating objects."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from automata import List, Retry, apply, automaton, full_disk, object_type, readonly, record, ref, replay_cost, send
from automata.app import App
from automata.errors import StorageFull
from automata.options import Options
from automata.work import Outcome
from darq import keys
from darq.limits import Limits
from darq.memory import MemoryStore
from tests.memory_app import in_loop, listed, memory_app, settled
from tests.unit.automata.gates import Gatekeeper, close_gates, gate, journals

LOOKS_ALWAYS = Limits(free_check_seconds=0.0)
SOON = Options(closing_seconds_max=0.01, closing_effect_seconds_max=0.01)
EVERY = 3


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(full_disk, "PAUSE_SECONDS", 0.0005)
    monkeypatch.setattr(replay_cost, "REPLAY_US_MIN", EVERY * replay_cost.RECORD_US)
    monkeypatch.setattr(replay_cost, "SNAPSHOTS", 1e-9)
    close_gates()
    yield
    close_gates()


class FillingStore(MemoryStore):
    """A disk that is full when it is looked at for the (`after` + 1)th time, and for so many `looks`."""

    after = looks = 0

    def free_bytes(self) -> int:
        """Nothing while it is full."""
        if self.after:
            self.after -= 1
        elif self.looks:
            self.looks -= 1
            return 0
        return super().free_bytes()


# deleting automata


@dataclass(frozen=True)
class Added:
    n: int


@automaton
class Meter:
    key: str
    total: int = 0

    async def add(self, n: int) -> None:
        record(Added(n))

    @apply
    def added(self, e: Added) -> None:
        self.total += e.n

    @readonly
    async def look(self) -> int:
        return self.total


async def delete_by_app(app: App) -> None:
    with pytest.raises(StorageFull):
        await app.delete(ref(Meter, "m"))


async def delete_by_host(app: App) -> None:
    host = app._opened().host
    reply = host.erase(host.entity("Meter", "m"))
    assert isinstance(reply, Outcome)
    assert isinstance(reply.error, StorageFull)


@pytest.mark.parametrize("refused", [delete_by_app, delete_by_host])
@pytest.mark.parametrize("loaded", [False, True])
@in_loop
async def test_an_automaton_whose_delete_was_refused_keeps_its_state_through_checkpoints(
    refused: Any, loaded: bool
) -> None:
    store = MemoryStore()
    async with memory_app(store):
        await ref(Meter, "m").add(5)
    async with memory_app(store, LOOKS_ALWAYS) as app:
        if loaded:
            assert await ref(Meter, "m").look() == 5
        free, store.free = store.free, 0
        await refused(app)
        store.free = free
        for _ in range(2 * EVERY):
            await ref(Meter, "m").add(1)
        assert app._opened().host.entity("Meter", "m").state.saved_lsn  # type: ignore[attr-defined]
        assert await ref(Meter, "m").look() == 5 + 2 * EVERY
    async with memory_app(store) as app:
        assert await ref(Meter, "m").look() == 5 + 2 * EVERY
        await app.delete(ref(Meter, "m"))
        assert await ref(Meter, "m").look() == 0


# migrating objects


def count(self: Any, old: Any, version: int) -> None:
    self.migrations += 1


def define(number: int, migrate: Any = count) -> Any:
    @object_type(
        version=number, migrate=migrate if number > 1 else None, strict_order=True, retry=Retry(tries=1), name="Book"
    )
    class Book:
        key: str
        lines: List[str]
        migrations: int = 0

        async def begin(self) -> None:
            self.lines.append("begun")
            await ref(Gatekeeper, "g").wait()
            self.lines.append("ended")

        async def hold(self) -> None:
            await gate("held").wait()
            self.lines.append("held")

        async def add(self, line: str) -> None:
            self.lines.append(line)

        @readonly
        async def all(self) -> tuple[list[str], int]:
            return list(self.lines), self.migrations

    return Book


@in_loop
async def test_a_method_whose_object_cannot_be_migrated_for_want_of_space_is_resumed_when_there_is_room() -> None:
    store, book = MemoryStore(), define(1)
    async with memory_app(store, options=SOON) as app:
        await send(ref(book, "b").begin())
        await send(ref(book, "b").add("behind"))
        await settled(lambda: _begun(app), True)
    close_gates()
    gate("g").set()
    book = define(2)
    free, store.free = store.free, 0
    async with memory_app(store, LOOKS_ALWAYS) as app:
        await asyncio.sleep(0.005)
        assert await listed(app.interrupted()) == []
        store.free = free
        await settled(lambda: ref(book, "b").all(), (["begun", "ended", "behind"], 1))
        assert await listed(app.dead_letters()) == []


async def _begun(app: App) -> bool:
    return any(journal.parts for journal in journals(app))


@pytest.mark.parametrize("after", range(6))
@in_loop
async def test_a_message_whose_object_cannot_be_migrated_for_want_of_space_is_no_failed_try(after: int) -> None:
    store, book = FillingStore(), define(1)
    async with memory_app(store, options=SOON):
        await ref(book, "b").add("first")
        await send(ref(book, "b").hold())
        await send(ref(book, "b").add("behind"))
    close_gates()
    gate("held").set()
    book = define(2)
    store.after, store.looks = after, 2
    async with memory_app(store, LOOKS_ALWAYS) as app:
        await settled(lambda: _waiting(store), 0)  # looking at the object would migrate it
        assert store.looks == 0
        assert await ref(book, "b").all() == (["first", "held", "behind"], 1)
        assert await listed(app.dead_letters()) == []


async def _waiting(store: MemoryStore) -> int:
    return len(store.scan(keys.INBOX, keys.after(keys.INBOX), keys.ALL))


@in_loop
async def test_a_migrate_function_that_raises_what_a_refusal_raises_is_a_failed_try() -> None:
    store, book = MemoryStore(), define(1)
    async with memory_app(store):
        await ref(book, "b").add("first")

    def raise_full(self: Any, old: Any, version: int) -> None:
        raise StorageFull("another store is full")

    book = define(2, raise_full)
    async with memory_app(store) as app:
        await ref(Sender, "s").send_to("b")
        await settled(lambda: _dead(app), ["StorageFull: another store is full"])


async def _dead(app: App) -> list[str]:
    return [letter.error for letter in await listed(app.dead_letters())]


@object_type
class Sender:
    key: str

    async def send_to(self, book: str) -> None:
        send(ref("Book", book).add("sent"))
