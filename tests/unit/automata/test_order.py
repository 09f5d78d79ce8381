"""A sender's messages and its later calls reach one object in the order in which it made them."""

import asyncio

import pytest

from automata import List, Ref, object_type, readonly, ref, send
from automata.app import App
from automata.options import Options
from darq.limits import Limits
from darq.memory import MemoryStore
from tests.memory_app import crashing, in_app, in_loop, memory_app


@object_type
class Box:
    got: List[str]

    async def note(self, word: str) -> None:
        self.got.append(word)

    async def send_many(self, to: Ref["Box"]) -> None:
        for n in range(200):
            send(ref(Box, f"other {n}").note("x"))
        send(to.note("sent"))

    async def call(self, to: Ref["Box"]) -> list[str]:
        await to.note("called")
        return await to.all()

    async def slow(self, word: str) -> None:
        await asyncio.sleep(0.01)
        self.got.append(word)

    async def relay(self, other: Ref["Box"]) -> list[str]:
        for n in range(20):
            send(other.note(f"sent {n}"))
        await other.note("called")
        send(other.slow("slow"))
        await other.note("called again")
        return await other.all()

    @readonly
    async def all(self) -> list[str]:
        return list(self.got)


EXPECTED = [*(f"sent {n}" for n in range(20)), "called", "slow", "called again"]


@in_app
async def test_in_a_method_a_call_comes_behind_the_messages_sent_before_it(app: App) -> None:
    assert await ref(Box, "a").relay(ref(Box, "b")) == EXPECTED


@in_app
async def test_in_a_client_calls_and_reads_come_behind_the_messages_sent_before_them(app: App) -> None:
    box = ref(Box, "c")
    for n in range(3000):
        send(box.note(str(n)))
    assert len(await box.all()) == 3000
    send(box.note("x"))
    await box.note("called")
    assert (await box.all())[-2:] == ["x", "called"]


@in_loop
async def test_more_messages_than_are_delivered_at_once_still_come_first() -> None:
    async with memory_app(limits=Limits(group_work_seconds_max=0.0)):
        box = ref(Box, "d")
        for n in range(500):
            send(box.note(str(n)))
        await asyncio.gather(*(box.note(f"call {n}") for n in range(5)))
        assert await box.all() == [*(str(n) for n in range(500)), *(f"call {n}" for n in range(5))]


LATE = Limits(group_work_seconds_max=0.0)
"""Few messages are delivered at a time, so that many are left."""

LATE_ON_A_SLOW_DISK = Limits(group_work_seconds_max=0.0, group_steps_max=1, inline_flush_seconds_max=-1.0)


@pytest.mark.parametrize("limits", [LATE, LATE_ON_A_SLOW_DISK])
@in_loop
async def test_after_a_crash_a_call_does_not_overtake_what_its_sender_has_sent_before(limits: Limits) -> None:
    store = MemoryStore()
    async with crashing(store, limits):
        await ref(Box, "a").send_many(ref(Box, "z"))
    async with memory_app(store, limits):
        assert await ref(Box, "a").call(ref(Box, "z")) == ["sent", "called"]


@pytest.mark.parametrize("limits", [LATE, LATE_ON_A_SLOW_DISK])
@in_loop
async def test_a_client_that_outlives_a_crash_does_not_overtake_what_it_has_sent_before(limits: Limits) -> None:
    store = MemoryStore()
    async with crashing(store, limits):
        for n in range(200):
            sent = send(ref(Box, f"other {n}").note("x"))
        sent = send(ref(Box, "z").note("sent"))
        await sent
    async with memory_app(store, limits) as app:
        app.router.inherit()  # type: ignore[attr-defined]
        await ref(Box, "z").note("called")
        assert await ref(Box, "z").all() == ["sent", "called"]


@in_loop
async def test_a_new_client_does_not_wait_for_the_messages_of_an_earlier_life() -> None:
    store = MemoryStore()
    async with crashing(store, LATE):
        for n in range(200):
            sent = send(ref(Box, f"other {n}").note("x"))
        await sent
    async with memory_app(store, LATE) as app:
        await ref(Box, "z").note("called")
        assert (await app.stats())["messages_in_memory"] > 0


@in_loop
async def test_a_sender_that_was_forgotten_does_not_overtake_what_it_has_sent() -> None:
    async with memory_app(limits=LATE, options=Options(entities_max=2)):
        await ref(Box, "a").send_many(ref(Box, "z"))
        for n in range(4):
            await ref(Box, f"fresh {n}").all()  # instead of it, and without waiting for any message
        assert await ref(Box, "a").call(ref(Box, "z")) == ["sent", "called"]


@in_loop
async def test_a_client_finds_its_message_delivered_before_its_call_however_often_the_store_is_opened() -> None:
    store, slow = MemoryStore(), Limits(group_steps_max=1, inline_flush_seconds_max=-1.0)
    for life in range(20):
        async with crashing(store, slow):
            await send(ref(Box, f"{life}").note("sent"))
            await ref(Box, f"{life}").note("called")
            assert await ref(Box, f"{life}").all() == ["sent", "called"]
