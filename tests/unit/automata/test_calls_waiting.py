"""Types that bound how many calls from outside may wait for one of their objects."""

from __future__ import annotations

import asyncio

import pytest

from automata import Retry, gather, object_type, readonly, ref, send
from automata.app import App
from automata.errors import Overloaded
from darq.codec import Cause
from tests.memory_app import in_app, in_embedded_app, listed, settled

GATE: list[asyncio.Event] = []


@pytest.fixture(autouse=True)
def _fresh() -> None:
    GATE.clear()


@object_type(calls_waiting_max=2, retry=Retry(tries=1))
class Desk:
    served: int = 0

    async def block(self) -> None:
        await GATE[0].wait()

    async def serve(self) -> int:
        self.served += 1
        return self.served

    @readonly
    async def count(self) -> int:
        return self.served


@object_type
class Errand:
    async def queue_up(self, times: int) -> list[int]:
        for _ in range(times):
            send(ref(Desk, "d").serve())
        return await gather(*(ref(Desk, "d").serve() for _ in range(times)))


DESK = ref(Desk, "d")


async def blocked() -> asyncio.Future[None]:
    GATE.append(asyncio.Event())
    running = asyncio.ensure_future(DESK.block())
    await asyncio.sleep(0.001)
    return running


@in_app
async def test_a_call_that_would_have_to_wait_behind_too_many_is_refused_at_once(app: App) -> None:
    running = await blocked()
    calls = [asyncio.ensure_future(DESK.serve()) for _ in range(5)]
    await asyncio.wait(calls[2:])
    assert [call.done() for call in calls] == [False, False, True, True, True]
    for call in calls[2:]:
        with pytest.raises(Overloaded, match="2 calls wait for Desk/d"):
            await call
    assert await ref(Desk, "free").serve() == 1
    GATE[0].set()
    await running
    assert [await call for call in calls[:2]] == [1, 2]
    assert await DESK.serve() == 3


@in_app
async def test_messages_and_calls_from_methods_are_never_refused_nor_counted(app: App) -> None:
    running = await blocked()
    errand = asyncio.ensure_future(ref(Errand, "e").queue_up(10))
    for _ in range(10):
        await send(DESK.serve())
    await asyncio.sleep(0.005)
    GATE[0].set()
    await running
    await errand
    await settled(DESK.count, 30)
    assert await listed(app.dead_letters()) == []


@in_embedded_app
async def test_messages_that_wait_leave_room_for_calls(app: App) -> None:
    running = await blocked()
    for _ in range(10):
        await send(DESK.serve())
    await asyncio.sleep(0.005)
    call = asyncio.ensure_future(DESK.serve())
    await asyncio.sleep(0.001)
    assert not call.done()
    GATE[0].set()
    await running
    assert await call == 11
    assert app._engine is not None
    assert list(app._engine.delivery.parking.rows(Cause.RETRY)) == []
