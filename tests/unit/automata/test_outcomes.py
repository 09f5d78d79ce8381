"""Whatever a method raises is its own outcome: nothing of it stays, its caller hears of it, others go on."""

import asyncio
import gc
import sys

import pytest

from automata import List, Map, Ref, Retry, call, gather, object_type, readonly, ref, send
from automata.app import App
from automata.errors import CallTimeout, InvalidArgument, RemoteError, StateError
from automata.options import Options
from darq.limits import Limits
from tests.memory_app import in_app, in_loop, listed, memory_app, settled


class Stop(BaseException):
    """No Exception, as some libraries raise to get out."""


@object_type(retry=Retry(first_seconds=0.0005))
class Unit:
    x: int = 0
    y: int = 0
    notes: List[str]
    texts: Map[int, str]

    async def stop_later(self) -> None:
        self.x = 666
        await asyncio.sleep(0)
        raise Stop

    async def stop(self) -> None:
        self.x = 666
        raise Stop

    async def leave(self) -> None:
        self.x = 666
        sys.exit(7)

    async def cancel(self) -> None:
        self.x = 666
        raise asyncio.CancelledError

    async def cancel_later(self) -> None:
        self.x = 666
        await asyncio.sleep(0)
        raise asyncio.CancelledError

    async def add(self) -> int:
        self.x += 1
        self.y += 1
        return self.x

    async def nap(self, seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "up"

    async def nap_for_ever(self) -> None:
        while True:  # noqa: ASYNC110 - it is the waiting that is tried
            await asyncio.sleep(0.001)

    @readonly
    async def both(self) -> tuple[int, int]:
        return self.x, self.y

    @readonly
    async def both_around_a_call(self, other: Ref["Unit"]) -> tuple[int, int]:
        x = self.x
        await other.both()
        return x, self.y

    @readonly
    async def cheat(self) -> None:
        self.x = 10**9

    @readonly
    async def boom(self) -> None:
        raise LookupError("boom")

    async def huge_error(self) -> None:
        await asyncio.sleep(0)
        raise ValueError("x" * 3_000_000)

    async def huge_first_part(self, other: Ref["Unit"], text: str) -> None:
        for n in range(5):
            self.texts[n] = text
        await other.add()

    async def wait_for_both(self, slow: Ref["Unit"], slower: Ref["Unit"]) -> list[str]:
        return await gather(slow.nap(0.2), call(slower.nap(5.0), timeout=0.1))


@pytest.mark.parametrize("method", ["stop", "stop_later", "leave", "cancel", "cancel_later"])
def test_a_raised_base_exception_undoes_the_step_and_reaches_the_caller(method: str) -> None:
    async def scenario() -> None:
        async with memory_app():
            unit = ref(Unit, "a")
            with pytest.raises((RuntimeError, StateError, RemoteError)):
                await getattr(unit, method)()
            assert await unit.both() == (0, 0)
            assert await unit.add() == 1
            assert await unit.both() == (1, 1)

    asyncio.run(asyncio.wait_for(scenario(), 20))


@pytest.mark.parametrize("method", ["stop", "stop_later", "leave", "cancel", "cancel_later"])
def test_a_message_whose_method_raises_a_base_exception_becomes_a_letter(method: str) -> None:
    async def scenario() -> None:
        async with memory_app() as app:
            await send(getattr(ref(Unit, "a"), method)())
            await settled(lambda: _methods(app), [method])
            assert await ref(Unit, "a").both() == (0, 0)

    asyncio.run(asyncio.wait_for(scenario(), 20))


async def _methods(app: App) -> list[str]:
    return [letter.method for letter in await listed(app.dead_letters())]


@in_app
async def test_a_message_to_a_readonly_method_changes_nothing(app: App) -> None:
    await send(ref(Unit, "a").both())
    await send(ref(Unit, "a").cheat())
    await send(ref(Unit, "a").boom())
    await settled(lambda: _methods(app), ["cheat", "boom"])
    assert await ref(Unit, "a").both() == (0, 0)
    assert (await app.stats())["messages_in_memory"] == 0


@in_loop
async def test_a_snapshot_holds_while_its_object_is_pushed_out_of_memory() -> None:
    async with memory_app(options=Options(entities_max=4)):
        unit = ref(Unit, "a")
        await unit.add()
        work = [unit.both_around_a_call(ref(Unit, "b"))]
        for n in range(20):
            work += [unit.add(), ref(Unit, f"c{n}").add()]
        x, y = (await asyncio.gather(*work))[0]
        assert x == y


@in_loop
async def test_awaiting_outside_work_again_and_again_meets_the_same_limit_as_once() -> None:
    async with memory_app(options=Options(foreign_await_seconds_max=0.05)):
        with pytest.raises(CallTimeout, match="holds its object"):
            await ref(Unit, "a").nap_for_ever()
        assert await ref(Unit, "a").add() == 1


@in_app
async def test_the_time_of_one_call_in_a_gather_runs_from_its_start(app: App) -> None:
    with pytest.raises(CallTimeout):
        await ref(Unit, "a").wait_for_both(ref(Unit, "b"), ref(Unit, "c"))


@in_loop
async def test_an_error_too_large_to_be_recorded_is_replaced_by_one_that_says_so() -> None:
    async with memory_app(limits=Limits(message_bytes_max=1_000_000)):
        unit = ref(Unit, "a")
        with pytest.raises(ValueError, match="xxx"):
            await call(unit.huge_error(), idempotency_key="k")
        with pytest.raises(InvalidArgument, match="too many to be recorded"):
            await call(unit.huge_error(), idempotency_key="k")


@in_loop
async def test_a_message_whose_first_part_is_over_the_limit_of_a_step_becomes_a_letter() -> None:
    limits = Limits(message_bytes_max=1_000_000, value_bytes_max=1_000_000, step_bytes_max=2_000_000)
    async with memory_app(limits=limits) as app:
        await send(ref(Unit, "a").huge_first_part(ref(Unit, "b"), "x" * 500_000))
        await settled(lambda: _methods(app), ["huge_first_part"])
        assert await ref(Unit, "b").both() == (0, 0)
        assert not await app.exists(ref(Unit, "a"))


@in_app
async def test_an_answered_call_leaves_no_timer_behind(app: App) -> None:
    unit = ref(Unit, "a")
    for _ in range(50):
        await call(unit.nap(0.0), timeout=3600)
        await call(unit.add(), timeout=3600)
    gc.collect()
    waiting = [t for t in asyncio.get_running_loop()._scheduled if not t.cancelled()]  # type: ignore[attr-defined]
    assert len(waiting) < 10


@in_loop
async def test_posts_count_toward_the_size_of_a_group() -> None:
    async with memory_app(limits=Limits(group_bytes_max=100_000)) as app:
        box = ref(Unit, "a")
        assert app._engine is not None
        before = app._engine.log.group.number
        for _ in range(50):
            send(box.huge_first_part(ref(Unit, "b"), "x" * 20_000))
        assert app._engine.log.group.number >= before + 8
