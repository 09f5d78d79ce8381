"""Parked messages: they keep their order, are read in pages, and make no work while nothing can be done about them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from automata import List, object_type, ref, send, unresolved
from automata.app import App
from automata.delivery import Delivery
from automata.errors import DeclarationError
from automata.options import Options
from automata.parking import PAGE_ROWS, Parking
from automata.types import REGISTRY, AutomatonType, Registry
from darq.codec import Cause
from darq.limits import Limits
from darq.memory import MemoryStore
from tests.memory_app import crash, in_loop, memory_app, settled


@object_type
class Late:
    got: List[int]

    async def put(self, n: int) -> None:
        self.got.append(n)


@object_type
class Sender:
    async def go(self, first: int, end: int) -> None:
        for n in range(first, end):
            send(ref(Late, "a").put(n))


class Unresolvable(AutomatonType):
    def resolve(self) -> Any:
        raise DeclarationError("a name is not there yet")


class Loading(Registry):
    """The types of this process, of which deliveries find Late only in the form it has so far."""

    def __init__(self, so_far: AutomatonType | None) -> None:
        vars(self).update(vars(REGISTRY))
        self.so_far = so_far

    def find(self, name: str) -> AutomatonType | None:
        return self.so_far if name == "Late" else REGISTRY.find(name)


def loading(so_far: AutomatonType | None = None) -> Options:
    return Options(registry=Loading(so_far))


def delivery_of(app: App) -> Delivery:
    assert app._engine is not None
    return app._engine.delivery


async def parked(app: App) -> int:
    return len(list(delivery_of(app).parking.rows(Cause.UNKNOWN_TYPE)))


async def got(app: App) -> Any:
    return (await app.inspect(ref(Late, "a")))["got"]


async def leave_parked(store: MemoryStore, first: int, end: int) -> None:
    """A life in which the type is absent and messages for it are delivered."""
    async with memory_app(store, options=loading()) as app:
        await ref(Sender, "s").go(first, end)
        await settled(lambda: parked(app), end - first)


async def leave_in_the_inbox(store: MemoryStore, first: int, end: int) -> None:
    """A life in which messages are sent and nothing is delivered."""
    async with memory_app(store, options=loading()) as app:
        delivery_of(app).stop()
        await ref(Sender, "s").go(first, end)


@in_loop
async def test_messages_that_waited_for_their_type_come_before_those_sent_after_them() -> None:
    store = MemoryStore()
    await leave_parked(store, 0, 3)
    await leave_in_the_inbox(store, 3, 6)
    async with memory_app(store) as app:
        await settled(lambda: got(app), list(range(6)))


@in_loop
async def test_more_messages_than_a_page_come_back_in_order_and_once() -> None:
    store = MemoryStore()
    count = 2 * PAGE_ROWS + 10
    await leave_parked(store, 0, count)
    await leave_in_the_inbox(store, count, count + 5)
    for _ in range(2):
        async with memory_app(store) as app:
            await settled(lambda: got(app), list(range(count + 5)))
            assert await parked(app) == 0


@in_loop
async def test_crashes_amid_their_return_change_no_order() -> None:
    store = MemoryStore()
    count = PAGE_ROWS + 44
    await leave_parked(store, 0, count)
    await leave_in_the_inbox(store, count, count + 10)
    seen = 0
    while seen < count + 10:
        app = await memory_app(store, Limits(group_steps_max=16, group_work_seconds_max=0.0)).__aenter__()
        before = seen
        while seen == before:
            await asyncio.sleep(0)
            numbers = await got(app)
            seen = len(numbers)
        assert numbers == list(range(seen))
        await crash(app, store)


@in_loop
async def test_a_type_that_cannot_be_resolved_is_looked_at_by_one_timer_however_much_waits_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(unresolved, "UNRESOLVED_PAUSE_SECONDS", 3600.0)
    late = REGISTRY.newest["Late"]
    timers: list[object] = []
    loop = asyncio.get_running_loop()
    call_later = loop.call_later

    def counted(seconds: float, callback: Any, *args: Any) -> asyncio.TimerHandle:
        timers.append(seconds)
        return call_later(seconds, callback, *args)

    monkeypatch.setattr(loop, "call_later", counted)
    options = loading(Unresolvable("Late", Late, {}, dict))
    async with memory_app(options=options) as app:
        await ref(Sender, "s").go(0, 50)
        await settled(lambda: parked(app), 50)
        assert timers.count(3600.0) == 1
        options.registry.so_far = late  # type: ignore[attr-defined]
        delivery_of(app).type_defined("Late")
        await settled(lambda: got(app), list(range(50)))


@in_loop
async def test_an_app_opens_with_one_look_at_what_waits_for_types_in_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    await leave_parked(store, 0, 2 * PAGE_ROWS)
    sizes: list[int] = []
    page = Parking.page

    def counted(self: Parking, cause: Cause, number: int) -> Any:
        found = page(self, cause, number)
        if cause is Cause.UNKNOWN_TYPE:
            sizes.append(len(found[0]))
        return found

    monkeypatch.setattr(Parking, "page", counted)
    async with memory_app(store, options=loading()):
        assert sizes == [PAGE_ROWS, PAGE_ROWS, 0]
