"""Types with a time to live: objects that nothing has changed for so long are deleted, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from automata import List, Retry, call, delete, object_type, readonly, ref, send
from automata.app import App
from automata.options import Options
from darq import keys
from darq.memory import MemoryStore
from tests.memory_app import crashing, in_loop, listed, memory_app, settled

GATE: list[asyncio.Event] = []
LIFE = 1000.0
GRAIN = LIFE / 8


class Clock:
    """Seconds since the epoch, as a test sets them."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now

    async def pass_on(self, seconds: float, app: App) -> None:
        """Let time pass, and the engine notice."""
        self.now += seconds
        assert app._engine is not None
        app._engine.lifetimes._look()


@pytest.fixture(autouse=True)
def _fresh() -> None:
    GATE.clear()


@object_type(time_to_live=LIFE, retry=Retry(tries=1))
class Session:
    key: str
    seen: int = 0
    pages: List[str]

    async def visit(self, page: str) -> int:
        self.seen += 1
        self.pages.append(page)
        return self.seen

    async def stay(self) -> None:
        await GATE[0].wait()
        self.seen += 1

    async def visit_another(self) -> None:
        self.seen += 1
        await ref(Session, "another").stay()

    async def fail_after_a_part(self) -> None:
        self.seen += 1
        await ref(Session, "another").look()
        raise LookupError

    async def leave(self) -> None:
        delete()

    @readonly
    async def look(self) -> int:
        return self.seen


SESSION = ref(Session, "s")


def app_at(clock: Clock, store: MemoryStore) -> App:
    return memory_app(store, options=Options(clock=clock))


def rows(store: MemoryStore, kind: bytes) -> list[bytes]:
    return [key for key, _ in store.scan(kind, keys.after(kind), keys.ALL)]


@in_loop
async def test_an_object_is_deleted_with_all_it_holds_after_its_time() -> None:
    clock, store = Clock(), MemoryStore()
    async with app_at(clock, store) as app:
        await SESSION.visit("a")
        await clock.pass_on(LIFE - 1, app)
        assert await app.exists(SESSION)
        await clock.pass_on(GRAIN + 1, app)
        assert not await app.exists(SESSION)
        assert await SESSION.look() == 0
        await asyncio.sleep(0.005)
        assert [rows(store, kind) for kind in (keys.DIRECTORY, keys.STATE, keys.LIFETIME)] == [[], [], []]


@in_loop
async def test_a_change_gives_it_a_whole_life_again_and_looking_does_not() -> None:
    clock, store = Clock(), MemoryStore()
    async with app_at(clock, store) as app:
        await SESSION.visit("a")
        for _ in range(5):
            await clock.pass_on(LIFE - 1, app)
            await SESSION.visit("b")
        await clock.pass_on(LIFE, app)
        assert await SESSION.look() == 6
        await clock.pass_on(GRAIN, app)
        assert await SESSION.look() == 0


@in_loop
async def test_one_that_was_not_touched_after_a_restart_is_deleted_too() -> None:
    clock, store = Clock(), MemoryStore()
    async with crashing(store) as app:
        pass
    async with app_at(clock, store):
        await SESSION.visit("a")
    clock.now += 2 * LIFE
    async with app_at(clock, store) as app:

        async def exists() -> bool:
            return await app.exists(SESSION)

        await settled(exists, False)


@in_loop
async def test_a_message_that_comes_later_applies_to_a_new_object_which_has_a_life_of_its_own() -> None:
    clock, store = Clock(), MemoryStore()
    async with app_at(clock, store) as app:
        await SESSION.visit("a")
        await clock.pass_on(2 * LIFE, app)
        await send(SESSION.visit("b"))
        await settled(SESSION.look, 1)
        await clock.pass_on(LIFE - 1, app)
        assert await SESSION.look() == 1
        await clock.pass_on(GRAIN + 1, app)
        assert await SESSION.look() == 0


@in_loop
async def test_an_object_deleted_before_and_made_again_is_not_deleted_early() -> None:
    clock, store = Clock(), MemoryStore()
    async with app_at(clock, store) as app:
        await SESSION.visit("a")
        await SESSION.leave()
        await clock.pass_on(LIFE, app)
        await SESSION.visit("b")
        await clock.pass_on(LIFE - 1, app)
        assert await SESSION.look() == 1
        await clock.pass_on(GRAIN + 1, app)
        assert await SESSION.look() == 0
        await asyncio.sleep(0.005)
        assert rows(store, keys.LIFETIME) == []


@pytest.mark.parametrize("method", ["stay", "visit_another"])
@in_loop
async def test_an_object_whose_method_has_not_finished_is_not_deleted(method: str) -> None:
    clock, store = Clock(), MemoryStore()
    async with app_at(clock, store) as app:
        GATE.append(asyncio.Event())
        await SESSION.visit("a")
        running = asyncio.ensure_future(getattr(SESSION, method)())
        await asyncio.sleep(0.005)
        await clock.pass_on(2 * LIFE, app)
        assert await app.exists(SESSION)
        GATE[0].set()
        await running
        assert await SESSION.look() == 2
        await clock.pass_on(2 * LIFE, app)
        assert not await app.exists(SESSION)


@in_loop
async def test_an_object_whose_method_waits_for_a_person_is_not_deleted() -> None:
    clock, store = Clock(), MemoryStore()
    async with app_at(clock, store) as app:
        send(SESSION.fail_after_a_part())

        async def letters() -> int:
            return len(await listed(app.dead_letters()))

        await settled(letters, 1)
    async with app_at(clock, store) as app:
        await clock.pass_on(2 * LIFE, app)
        assert await app.exists(SESSION)
        [letter] = await listed(app.dead_letters())
        await app.discard(letter.id)
        await clock.pass_on(LIFE, app)
        assert not await app.exists(SESSION)


@in_loop
async def test_many_objects_are_deleted_page_by_page() -> None:
    clock, store = Clock(), MemoryStore()
    async with app_at(clock, store) as app:
        for n in range(600):
            await ref(Session, str(n)).visit("a")
        clock.now += 2 * LIFE
        await clock.pass_on(0, app)

        async def left() -> int:
            return len(await listed(app.objects(Session)))

        await settled(left, 0)


@in_loop
async def test_the_outcome_under_an_idempotency_key_outlives_its_object() -> None:
    clock, store = Clock(), MemoryStore()
    async with app_at(clock, store) as app:
        assert await call(SESSION.visit("a"), idempotency_key="k") == 1
        await clock.pass_on(2 * LIFE, app)
        assert not await app.exists(SESSION)
        assert await call(SESSION.visit("a"), idempotency_key="k") == 1
        assert await SESSION.look() == 0


@in_loop
async def test_a_clock_that_is_set_back_forgets_nobody() -> None:
    clock, store = Clock(), MemoryStore()
    async with app_at(clock, store) as app:
        await SESSION.visit("a")
        await clock.pass_on(2 * LIFE, app)
        clock.now -= 100 * LIFE
        await SESSION.visit("b")
    async with app_at(clock, store) as app:
        await clock.pass_on(2 * LIFE, app)
        assert not await app.exists(SESSION)


@in_loop
async def test_the_option_can_come_and_go() -> None:
    def define(**options: Any) -> Any:
        @object_type(**options)
        class Fleeting:
            __qualname__ = "Fleeting"
            n: int = 0

            async def add(self) -> None:
                self.n += 1

        return Fleeting

    clock, store = Clock(), MemoryStore()
    async with app_at(clock, store) as app:
        await ref(define(), "f").add()
        fleeting = define(time_to_live=LIFE)
        await clock.pass_on(2 * LIFE, app)
        assert await app.exists(ref(fleeting, "f"))
    async with app_at(clock, store) as app:
        await ref(fleeting, "f").add()
    fleeting = define()
    async with app_at(clock, store) as app:
        await clock.pass_on(2 * LIFE, app)
        assert await app.exists(ref(fleeting, "f"))
    fleeting = define(time_to_live=LIFE)
    async with app_at(clock, store) as app:
        await ref(fleeting, "f").add()
        await clock.pass_on(2 * LIFE, app)
        assert not await app.exists(ref(fleeting, "f"))


@in_loop
async def test_real_time_passes_without_anybody_asking() -> None:
    @object_type(time_to_live=0.02)
    class Mayfly:
        n: int = 0

        async def add(self) -> None:
            self.n += 1

    async with memory_app() as app:
        await ref(Mayfly, "m").add()

        async def exists() -> bool:
            return await app.exists(ref(Mayfly, "m"))

        await settled(exists, False)


@in_loop
async def test_changes_soon_after_each_other_write_no_directory_row() -> None:
    clock, store = Clock(), MemoryStore()
    async with app_at(clock, store) as app:
        assert app._engine is not None
        await SESSION.visit("a")
        before = app._engine.host.entity("Session", "s").header
        clock.now += GRAIN - 1
        await SESSION.visit("b")
        assert app._engine.host.entity("Session", "s").header is before
        clock.now += 2
        await SESSION.visit("c")
        assert app._engine.host.entity("Session", "s").header != before
