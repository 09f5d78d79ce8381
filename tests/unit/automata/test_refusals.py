"""A refusal is no outcome, and is asked again. What a method raises is one, whatever its class."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from automata import Retry, call, effect, object_type, ref, send
from automata.app import App
from automata.errors import StorageFull
from darq.limits import Limits
from darq.memory import MemoryStore
from tests.memory_app import in_app, in_loop, listed, memory_app, settled
from tests.unit.automata.gates import close_gates, gate, journals

SOON = Retry(tries=2, first_seconds=0.0005)
RUNS: list[str] = []


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    close_gates()
    RUNS.clear()
    yield
    close_gates()


@object_type(retry=SOON)
class Upper:
    key: str

    async def ask(self) -> int:
        return await ref(Middle, self.key).work()

    async def raise_late(self) -> None:
        error: Exception | None = None
        await effect(gate("g").wait)
        try:
            await ref(Lower, self.key).hit()
        except StorageFull as refusal:
            error = refusal
        await effect(gate("later").wait)
        RUNS.append("last part")
        if error is not None:
            raise error

    async def pay(self) -> None:
        await effect(_pay)

    async def fill(self) -> None:
        RUNS.append("fill")
        raise StorageFull("its own")


@object_type
class Middle:
    key: str
    begun: int = 0

    async def work(self) -> int:
        self.begun += 1
        await effect(gate("g").wait)
        return await ref(Lower, self.key).hit()

    async def count(self) -> int:
        return self.begun


@object_type
class Lower:
    key: str
    hits: int = 0

    async def hit(self) -> int:
        self.hits += 1
        return self.hits


def _pay() -> None:
    RUNS.append("pay")
    raise StorageFull("the other store is full")


async def _dead(app: App) -> list[str]:
    return [letter.method for letter in await listed(app.dead_letters())]


async def _parts(app: App) -> int:
    return max((len(journal.parts) for journal in journals(app)), default=0)


@in_loop
async def test_what_a_callee_with_committed_parts_was_refused_is_its_outcome_and_it_runs_once() -> None:
    store = MemoryStore()
    async with memory_app(store, Limits(free_check_seconds=0.0)) as app:
        await send(ref(Upper, "a").ask())
        await settled(lambda: _began(app), 2)
        free, store.free = store.free, 0
        gate("g").set()
        await settled(lambda: _dead(app), ["ask"])
        store.free = free
        assert await ref(Middle, "a").count() == 1


async def _began(app: App) -> int:
    return len(journals(app))


@in_loop
async def test_a_refusal_that_is_raised_in_a_later_part_is_a_failed_try() -> None:
    store = MemoryStore()
    async with memory_app(store, Limits(free_check_seconds=0.0)) as app:
        await send(ref(Upper, "a").raise_late())
        await settled(lambda: _parts(app), 1)
        free, store.free = store.free, 0
        gate("g").set()
        await settled(lambda: _parts(app), 3)
        store.free = free
        gate("later").set()
        await settled(lambda: _dead(app), ["raise_late"])
        assert ["last part"] * SOON.tries == RUNS


@in_app
async def test_an_effect_that_raises_what_a_refusal_raises_runs_once(app: App) -> None:
    await send(ref(Upper, "a").pay())
    await settled(lambda: _dead(app), ["pay"])
    assert RUNS == ["pay"]


@in_app
async def test_what_a_method_raises_itself_is_the_outcome_of_its_key(app: App) -> None:
    for _ in range(2):
        with pytest.raises(StorageFull, match="its own"):
            await call(ref(Upper, "a").fill(), idempotency_key="k")
    assert RUNS == ["fill"]


@in_app
async def test_a_message_whose_method_raises_what_a_refusal_raises_is_a_dead_letter(app: App) -> None:
    await send(ref(Upper, "a").fill())
    await settled(lambda: _dead(app), ["fill"])
    assert ["fill"] * SOON.tries == RUNS
