"""Types that ask for strict order: what comes later for an object waits behind a message that is being retried."""

from __future__ import annotations

import asyncio

import pytest

from automata import List, Retry, object_type, readonly, ref, send
from automata.app import App
from automata.types import REGISTRY
from darq.codec import Cause
from darq.limits import Limits
from darq.memory import MemoryStore
from tests.memory_app import crashing, in_app, in_embedded_app, in_loop, listed, memory_app, settled, until

FAILING: set[str] = set()
GATE: list[asyncio.Event] = []


@pytest.fixture(autouse=True)
def _fresh() -> None:
    FAILING.clear()
    GATE.clear()


@object_type(strict_order=True, retry=Retry(tries=1_000, first_seconds=0.0005, seconds_max=0.001))
class Ledger:
    key: str
    got: List[str]

    async def put(self, text: str) -> None:
        self.got.append(text)
        if text in FAILING:
            raise LookupError(text)

    async def put_at_the_gate(self, text: str) -> None:
        self.got.append(text)
        await GATE[0].wait()
        if text in FAILING:
            raise LookupError(text)

    async def put_in_parts(self, text: str) -> None:
        self.got.append(f"{text} begins")
        await ref(Ledger, "other").put_quietly(text)
        self.got.append(f"{text} ends")
        if text in FAILING:
            raise LookupError(text)

    async def put_quietly(self, text: str) -> None:
        self.got.append(text)

    async def put_to(self, key: str, texts: list[str]) -> None:
        for text in texts:
            send(ref(Ledger, key).put(text))

    @readonly
    async def all(self) -> list[str]:
        return list(self.got)


@object_type(strict_order=True, retry=Retry(tries=2, first_seconds=0.0005))
class Impatient:
    got: List[str]

    async def put_in_parts(self, text: str) -> None:
        self.got.append(f"{text} begins")
        await ref(Ledger, "other").put_quietly(text)
        self.got.append(f"{text} ends")
        if text in FAILING:
            raise LookupError(text)

    async def put(self, text: str) -> None:
        self.got.append(text)
        if text in FAILING:
            raise LookupError(text)

    @readonly
    async def all(self) -> list[str]:
        return list(self.got)


LEDGER = ref(Ledger, "l")


def parked(app: App, cause: Cause) -> int:
    assert app._engine is not None
    return len(list(app._engine.delivery.parking.rows(cause)))


async def retried(app: App) -> None:
    async def is_parked() -> bool:
        return parked(app, Cause.RETRY) > 0

    await until(is_parked)


@in_embedded_app
async def test_later_messages_wait_behind_one_that_is_retried(app: App) -> None:
    FAILING.add("a")
    for text in "abc":
        send(LEDGER.put(text))
    await retried(app)
    await asyncio.sleep(0.01)
    assert await LEDGER.all() == []
    FAILING.clear()
    await settled(LEDGER.all, ["a", "b", "c"])


@in_app
async def test_messages_to_other_objects_of_the_type_do_not_wait(app: App) -> None:
    FAILING.add("a")
    send(LEDGER.put("a"))
    send(LEDGER.put("b"))
    send(ref(Ledger, "free").put("c"))
    await settled(ref(Ledger, "free").all, ["c"])
    assert await LEDGER.all() == []


@in_embedded_app
async def test_calls_do_not_wait(app: App) -> None:
    FAILING.add("a")
    send(LEDGER.put("a"))
    send(LEDGER.put("b"))
    await retried(app)
    await LEDGER.put("called")
    assert await LEDGER.all() == ["called"]


@in_app
async def test_behind_a_dead_letter_the_next_goes_on(app: App) -> None:
    box = ref(Impatient, "i")
    FAILING.add("a")
    for text in "abc":
        send(box.put(text))
    await settled(box.all, ["b", "c"])
    assert [letter.error for letter in await listed(app.dead_letters())] == ["LookupError: a"]


@in_embedded_app
async def test_a_message_that_runs_holds_back_those_behind_it(app: App) -> None:
    GATE.append(asyncio.Event())
    FAILING.add("slow")
    send(LEDGER.put_at_the_gate("slow"))
    send(LEDGER.put("b"))
    await LEDGER.all()
    GATE[0].set()
    await retried(app)
    FAILING.clear()
    await settled(LEDGER.all, ["slow", "b"])


@in_app
async def test_a_message_of_several_parts_holds_back_those_behind_it(app: App) -> None:
    send(LEDGER.put_in_parts("a"))
    send(LEDGER.put("b"))
    await settled(LEDGER.all, ["a begins", "a ends", "b"])


@pytest.mark.parametrize("crashes", [0, 2])
@in_loop
async def test_a_message_whose_later_part_is_retried_holds_back_those_behind_it(crashes: int) -> None:
    store = MemoryStore()
    FAILING.add("a")
    async with crashing(store):
        await send(LEDGER.put_in_parts("a"))
        await send(LEDGER.put("b"))
        await asyncio.sleep(0.005)
        assert await LEDGER.all() == ["a begins"]
    for _ in range(crashes):
        async with crashing(store):
            await send(LEDGER.put("c"))
            await asyncio.sleep(0.005)
            assert await LEDGER.all() == ["a begins"]
    FAILING.clear()
    async with memory_app(store):
        await settled(LEDGER.all, ["a begins", "a ends", "b"] + ["c"] * crashes)
        assert await ref(Ledger, "other").all() == ["a"]


@in_loop
async def test_an_unfinished_method_goes_before_later_messages_when_its_type_is_defined_later() -> None:
    store = MemoryStore()
    FAILING.add("a")
    async with crashing(store):
        await send(LEDGER.put_in_parts("a"))
        await send(LEDGER.put("b"))
        await asyncio.sleep(0.005)
    made = REGISTRY.get("Ledger")
    REGISTRY._types.pop("Ledger")
    REGISTRY.newest.pop("Ledger")
    async with memory_app(store) as app:

        async def waits() -> bool:
            return parked(app, Cause.UNKNOWN_TYPE) == 1

        await until(waits)
        REGISTRY.add(made)
        await asyncio.sleep(0.01)
        assert await LEDGER.all() == ["a begins"]
        FAILING.clear()
        await settled(LEDGER.all, ["a begins", "a ends", "b"])


@in_app
async def test_behind_a_method_that_waits_for_a_person_the_next_goes_on(app: App) -> None:
    box = ref(Impatient, "i")
    FAILING.add("a")
    send(box.put_in_parts("a"))
    send(box.put("b"))
    await settled(box.all, ["a begins", "b"])
    [letter] = await listed(app.dead_letters())
    FAILING.clear()
    await app.retry(letter.id)
    await settled(box.all, ["a begins", "b", "a ends"])


@in_loop
async def test_order_survives_crashes_between_tries() -> None:
    store = MemoryStore()
    FAILING.add("a")
    async with crashing(store) as app:
        await ref(Ledger, "sender").put_to("l", ["a", "b", "c"])
        await retried(app)
    for _ in range(2):
        async with crashing(store) as app:
            await ref(Ledger, "sender").put_to("l", ["d"])
            await asyncio.sleep(0.005)
            assert await LEDGER.all() == []
            assert parked(app, Cause.RETRY) == 1
    FAILING.clear()
    async with memory_app(store):
        await settled(LEDGER.all, ["a", "b", "c", "d", "d"])


@in_loop
async def test_a_retried_message_keeps_its_row() -> None:
    store = MemoryStore()
    FAILING.add("a")
    async with memory_app(store) as app:
        send(LEDGER.put("a"))
        await retried(app)
        assert app._engine is not None
        [(first, before)] = app._engine.delivery.parking.rows(Cause.RETRY)

        async def tried_again() -> bool:
            assert app._engine is not None
            [(row, now)] = app._engine.delivery.parking.rows(Cause.RETRY)
            assert row == first
            return now.attempts > before.attempts

        await until(tried_again)


@in_loop
async def test_more_messages_than_may_be_held_stay_in_the_inbox_until_there_is_room() -> None:
    async with memory_app(limits=Limits(inbox_window_messages_max=4)) as app:
        texts = [str(n) for n in range(50)]
        FAILING.add("0")
        await ref(Ledger, "sender").put_to("l", texts)
        await ref(Ledger, "sender").put_to("m", ["x"])
        await retried(app)
        await asyncio.sleep(0.005)
        assert app._engine is not None
        assert app._engine.delivery.strict.held == 4
        FAILING.clear()
        await settled(LEDGER.all, texts)
        await settled(ref(Ledger, "m").all, ["x"])


@in_loop
async def test_a_full_disk_changes_no_order() -> None:
    store = MemoryStore()
    async with memory_app(store, Limits(free_check_seconds=0.0)) as app:
        GATE.append(asyncio.Event())
        send(LEDGER.put_at_the_gate("a"))
        await send(LEDGER.put("b"))
        store.free = 0
        GATE[0].set()
        await asyncio.sleep(0.005)
        store.free = 1 << 40
        await settled(LEDGER.all, ["a", "b"])
        assert parked(app, Cause.DEAD) == 0


@in_loop
async def test_order_is_kept_when_the_type_is_defined_later() -> None:
    store = MemoryStore()
    FAILING.add("a")
    async with crashing(store) as app:
        await ref(Ledger, "sender").put_to("l", ["a", "b", "c"])
        await retried(app)
    made = REGISTRY.get("Ledger")
    REGISTRY._types.pop("Ledger")
    REGISTRY.newest.pop("Ledger")
    try:
        async with memory_app(store) as app:

            async def waits() -> bool:
                return parked(app, Cause.UNKNOWN_TYPE) == 2

            await until(waits)
            REGISTRY.add(made)
            await asyncio.sleep(0.005)
            assert await LEDGER.all() == []
            FAILING.clear()
            await settled(LEDGER.all, ["a", "b", "c"])
    finally:
        REGISTRY.add(made)
