"""A simulated app: its time, its chance, its crashes, from asynchronous and from plain functions."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime

import pytest

from automata import call, now, object_type, random, readonly, ref, send, uuid4
from automata.errors import CallTimeout, InvalidArgument, StateError
from automata.testing import Stalled, VirtualApp, app, run
from automata.testing.app import BEGINNING
from tests.memory_app import listed


@object_type
class Clock:
    key: str
    seen: list[float] = []
    ticks: int = 0

    async def look(self) -> float:
        self.seen.append(now())
        return self.seen[-1]

    async def tick(self) -> int:
        self.ticks += 1
        return self.ticks

    async def draw(self) -> tuple[float, uuid.UUID]:
        self.ticks += 1
        return random(), uuid4()

    async def explode(self) -> None:
        raise ValueError("boom")

    async def wait(self, seconds: float) -> int:
        await asyncio.sleep(seconds)
        self.ticks += 1
        return self.ticks

    @readonly
    async def count(self) -> int:
        return self.ticks


def test_time_begins_where_it_is_told_and_passes_with_the_loop() -> None:
    async def scenario(app: VirtualApp) -> tuple[float, float]:
        first = await ref(Clock, "a").look()
        await asyncio.sleep(3 * 24 * 3600)
        return first, await ref(Clock, "a").look()

    assert run(scenario) == (BEGINNING.timestamp(), BEGINNING.timestamp() + 3 * 24 * 3600)
    other = datetime(1999, 12, 31, tzinfo=UTC)
    assert run(scenario, start=other)[0] == other.timestamp()


def test_a_start_without_a_zone_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="zone"):
        app(start=datetime(2030, 1, 1))  # noqa: DTZ001 - it is refused


def test_chance_comes_from_the_seed() -> None:
    async def scenario(app: VirtualApp) -> tuple[float, uuid.UUID]:
        return await ref(Clock, "a").draw()

    assert run(scenario, seed=1) == run(scenario, seed=1)
    assert run(scenario, seed=1) != run(scenario, seed=2)


def test_a_plain_function_uses_it_with_with() -> None:
    with app() as opened:
        assert opened.run(ref(Clock, "a").tick()) == 1
        before = opened.run(ref(Clock, "a").look())
        opened.advance(60)
        assert opened.run(ref(Clock, "a").look()) == before + 60
        assert list(opened.run(opened.objects(Clock))) == ["a"]
        assert opened.run(opened.inspect(ref(Clock, "a")))["ticks"] == 1


def test_a_message_from_a_plain_function_is_on_its_way_at_once() -> None:
    with app() as opened:
        sent = send(ref(Clock, "a").tick())
        assert opened.run(sent) == sent.id
        opened.advance(1)
        assert opened.run(ref(Clock, "a").count()) == 1


def test_a_plain_function_that_waits_for_nothing_is_told_and_can_go_on() -> None:
    async def nothing() -> None:
        await asyncio.get_running_loop().create_future()

    with app() as opened:
        with pytest.raises(Stalled):
            opened.run(nothing())
        assert opened.run(ref(Clock, "a").tick()) == 1


def test_inside_a_running_loop_with_is_refused() -> None:
    async def nested() -> None:
        with app():
            pass

    with pytest.raises(StateError, match="inside a running event loop"):
        asyncio.run(nested())


def test_on_an_ordinary_loop_it_works_in_real_time() -> None:
    async def scenario() -> None:
        async with app() as opened:
            assert await ref(Clock, "a").tick() == 1
            await opened.crash()
            assert await ref(Clock, "a").tick() == 2

    asyncio.run(scenario())


def test_two_apps_are_told_apart_by_their_refs() -> None:
    async def scenario(one: VirtualApp) -> None:
        async with app() as other:
            assert await one.ref(Clock, "a").tick() == 1
            assert await other.ref(Clock, "a").tick() == 1
            with pytest.raises(StateError, match="2 apps are open"):
                await ref(Clock, "a").tick()

    run(scenario)


def test_what_was_acknowledged_survives_a_crash() -> None:
    async def scenario(app: VirtualApp) -> None:
        await ref(Clock, "a").tick()
        await send(ref(Clock, "a").tick())
        await app.crash()
        await asyncio.sleep(1)
        assert await ref(Clock, "a").count() == 2
        assert await app.exists(ref(Clock, "a"))

    run(scenario)


def test_a_call_under_way_goes_on_after_a_crash() -> None:
    async def scenario(app: VirtualApp) -> None:
        call = asyncio.ensure_future(ref(Clock, "a").wait(10))
        await asyncio.sleep(5)
        await app.crash()
        assert await call == 1

    run(scenario)


def test_a_timeout_goes_on_through_a_crash() -> None:
    async def scenario(app: VirtualApp) -> None:
        waiting = asyncio.ensure_future(call(ref(Clock, "a").wait(10), timeout=8))
        await asyncio.sleep(5)
        await app.crash()
        begun = asyncio.get_running_loop().time()
        with pytest.raises(CallTimeout):
            await waiting
        assert asyncio.get_running_loop().time() - begun == pytest.approx(3, abs=0.1)

    run(scenario)


def test_letters_are_retried_and_discarded_through_a_crash() -> None:
    async def scenario(app: VirtualApp) -> None:
        await send(ref(Clock, "a").explode())
        await asyncio.sleep(60)
        [letter] = await listed(app.dead_letters())
        await app.retry(letter.id)
        await asyncio.sleep(60)
        [letter] = await listed(app.dead_letters())
        discarding = asyncio.ensure_future(app.discard(letter.id))
        await app.crash()
        await discarding
        assert not await listed(app.dead_letters())
        with pytest.raises(StateError):
            await app.discard(letter.id)

    run(scenario)
