"""Invocations as coroutines: awaited, gathered, scheduled, timed out, cancelled - and warned about when forgotten."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import inspect
import warnings
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from automata import call, gather, object_type, readonly, ref, send
from automata.app import App
from automata.errors import CallTimeout, InvalidArgument, StateError
from darq.errors import StoreClosed
from tests.memory_app import in_app, in_loop, memory_app, settled

GATES: dict[str, asyncio.Event] = {}


@object_type
class Clerk:
    n: int = 0

    async def add(self, amount: int = 1) -> int:
        self.n += amount
        return self.n

    async def wait(self, gate: str) -> int:
        await GATES[gate].wait()
        self.n += 1
        return self.n

    async def fail(self, text: str) -> None:
        raise LookupError(text)

    @readonly
    async def get(self) -> int:
        return self.n

    async def gather_of(self, keys: list[str]) -> list[int]:
        return await gather(*(ref(Clerk, key).add() for key in keys))

    async def gather_failing(self) -> str:
        try:
            await gather(ref(Clerk, "x").add(), ref(Clerk, "y").fail("one"), ref(Clerk, "z").fail("two"))
        except LookupError as error:
            self.n += 1
            return str(error)
        return "nothing failed"

    async def gather_nothing(self) -> list[int]:
        return await gather()


@pytest.fixture(autouse=True)
def gate() -> None:
    GATES.clear()


def test_an_invocation_is_a_coroutine() -> None:
    invocation = ref(Clerk, "c").add()
    assert inspect.isawaitable(invocation)
    assert asyncio.iscoroutine(invocation)
    invocation.close()


@in_app
async def test_it_works_in_create_task_task_groups_and_wait_for(app: App) -> None:
    assert await asyncio.create_task(ref(Clerk, "c").add()) == 1  # type: ignore[arg-type]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(ref(Clerk, "c").add()) for _ in range(5)]  # type: ignore[arg-type]
    assert sorted(task.result() for task in tasks) == [2, 3, 4, 5, 6]
    assert await asyncio.wait_for(ref(Clerk, "c").add(), 10) == 7
    assert await asyncio.gather(ref(Clerk, "c").add(), ref(Clerk, "c").get()) == [8, 8]
    assert await asyncio.shield(ref(Clerk, "c").add()) == 9


def test_it_works_in_asyncio_run_beside_an_app_on_another_loop() -> None:
    with memory_app():
        assert asyncio.run(ref(Clerk, "c").add()) == 1  # type: ignore[arg-type]
        assert asyncio.run(call(ref(Clerk, "c").add(), idempotency_key="k")) == 2  # type: ignore[arg-type]


@in_app
async def test_one_that_is_forgotten_does_nothing_and_warns(app: App) -> None:
    invocation = ref(Clerk, "c").add()
    with pytest.warns(RuntimeWarning, match="Clerk/c add.*neither awaited nor sent"):
        del invocation
    assert await ref(Clerk, "c").get() == 0


async def _awaits(invocation: Awaitable[Any]) -> None:
    await invocation


async def _cancelled_before_it_starts(invocation: Any) -> None:
    task = asyncio.create_task(invocation)
    task.cancel()
    await asyncio.wait([task])


async def _sends(invocation: Any) -> None:
    await send(invocation)


async def _closes(invocation: Any) -> None:
    invocation.close()


TRIED: list[Callable[[Any], Awaitable[None]]] = [_awaits, _cancelled_before_it_starts, _sends, _closes]


@pytest.mark.parametrize("use", TRIED)
@in_loop
async def test_one_that_was_tried_never_warns_even_if_it_was_refused(use: Callable[[Any], Awaitable[None]]) -> None:
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with contextlib.suppress(StateError):
            await use(ref(Clerk, "c").add())  # no app is open
        with contextlib.suppress(InvalidArgument, StateError):
            await use(ref(Clerk, "c").add("x"))  # type: ignore[arg-type]
        async with memory_app() as app:
            closed = app.ref(Clerk, "c")
            await use(closed.add())
        with contextlib.suppress(StoreClosed):
            await use(closed.add())
        gc.collect()
    assert [str(w.message) for w in warned] == []


@in_app
async def test_it_is_made_at_most_once(app: App) -> None:
    invocation = ref(Clerk, "c").add()
    assert await invocation == 1
    with pytest.raises(StateError, match="again"):
        await invocation
    with pytest.raises(StateError, match="again"):
        send(invocation)
    assert await ref(Clerk, "c").get() == 1


@in_app
async def test_gather_gives_results_in_order(app: App) -> None:
    assert await gather(ref(Clerk, "a").add(5), ref(Clerk, "b").add(6), ref(Clerk, "a").get()) == [5, 6, 5]
    assert await gather() == []
    assert await ref(Clerk, "g").gather_of(["p", "q", "p"]) == [1, 1, 2]
    assert await ref(Clerk, "g").gather_nothing() == []


@in_app
async def test_gather_raises_the_first_error_in_order_when_all_are_done(app: App) -> None:
    with pytest.raises(LookupError, match="one"):
        await gather(ref(Clerk, "x").add(), ref(Clerk, "y").fail("one"), ref(Clerk, "z").fail("two"))
    assert await ref(Clerk, "x").get() == 1
    assert await ref(Clerk, "g").gather_failing() == "one"
    assert (await ref(Clerk, "x").get(), await ref(Clerk, "g").get()) == (2, 1)


@in_app
async def test_gather_takes_options(app: App) -> None:
    GATES["g"] = asyncio.Event()
    with pytest.raises(CallTimeout):
        await gather(call(ref(Clerk, "c").wait("g"), timeout=0.01), ref(Clerk, "d").add())
    GATES["g"].set()
    await settled(lambda: ref(Clerk, "c").get(), 1)


@pytest.mark.parametrize("use", [call, send])
@in_app
async def test_what_is_no_invocation_is_refused(app: App, use: Callable[[Any], Any]) -> None:
    for wrong in (5, None, Clerk.add, asyncio.sleep):
        with pytest.raises(InvalidArgument, match="invocation"):
            use(wrong)
    with pytest.raises(InvalidArgument, match="invocation"):
        await gather(5)  # type: ignore[arg-type]


BAD_OPTIONS: list[dict[str, Any]] = [
    {"idempotency_key": ""},
    {"idempotency_key": "x" * 513},
    {"idempotency_key": 5},
    {"idempotency_key": b"k"},
    {"idempotency_key": "\ud800"},
    {"timeout": 0},
    {"timeout": -1},
    {"timeout": float("nan")},
    {"timeout": "5"},
    {"timeout": True},
]


@pytest.mark.parametrize("options", BAD_OPTIONS, ids=str)
def test_bad_options_are_refused(options: dict[str, Any]) -> None:
    invocation = ref(Clerk, "c").add()
    with pytest.raises(InvalidArgument):
        call(invocation, **options)
    invocation.close()


def test_send_takes_no_options_of_call() -> None:
    invocation = call(ref(Clerk, "c").add(), timeout=1)
    with pytest.raises(InvalidArgument):
        send(invocation)
    invocation.close()  # type: ignore[attr-defined]


@in_app
async def test_a_timeout_gives_up_waiting_while_the_method_goes_on(app: App) -> None:
    GATES["g"] = asyncio.Event()
    with pytest.raises(CallTimeout, match=r"Clerk/c wait.*0\.01 s") as caught:
        await call(ref(Clerk, "c").wait("g"), timeout=0.01)
    assert isinstance(caught.value, TimeoutError)
    GATES["g"].set()
    await settled(lambda: ref(Clerk, "c").get(), 1)


@in_app
async def test_a_cancelled_caller_gives_up_waiting_while_the_method_goes_on(app: App) -> None:
    GATES["g"] = asyncio.Event()
    waiting = asyncio.create_task(ref(Clerk, "c").wait("g"))  # type: ignore[arg-type]
    queued = asyncio.create_task(ref(Clerk, "c").add())  # type: ignore[arg-type]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await ref(Clerk, "c").wait("g")
    waiting.cancel()
    queued.cancel()
    await asyncio.wait([waiting, queued])
    GATES["g"].set()
    await settled(lambda: ref(Clerk, "c").get(), 3)


@in_app
async def test_a_call_in_time_has_its_result(app: App) -> None:
    assert await call(ref(Clerk, "c").add(), timeout=30) == 1


@in_loop
async def test_without_an_open_app_the_error_says_what_to_do() -> None:
    with pytest.raises(StateError, match=r"ssms\.open"):
        await ref(Clerk, "c").add()
    with pytest.raises(StateError, match=r"ssms\.open"):
        send(ref(Clerk, "c").add())


@in_app
async def test_a_sent_message_has_an_id_once_it_is_durable(app: App) -> None:
    first, second = await send(ref(Clerk, "c").add()), await send(ref(Clerk, "c").add())
    assert isinstance(first, str)
    assert first != second
    await settled(lambda: ref(Clerk, "c").get(), 2)


@in_app
async def test_a_sent_message_may_be_awaited_later_or_twice_or_never(app: App) -> None:
    sent = send(ref(Clerk, "c").add())
    assert await sent == await sent
    send(ref(Clerk, "c").add())
    await settled(lambda: ref(Clerk, "c").get(), 2)


def test_a_message_may_be_sent_from_synchronous_code() -> None:
    with memory_app() as app:
        app.run(send(ref(Clerk, "c").add()))
        send(ref(Clerk, "c").add())
        app.run(settled(lambda: ref(Clerk, "c").get(), 2))


def test_now_uuid4_and_random_are_for_methods() -> None:
    from automata import delete, now, random, uuid4

    for ask in (now, uuid4, random, delete):
        with pytest.raises(StateError, match="inside a method"):
            ask()


@in_app
async def test_now_uuid4_and_random_inside_a_method(app: App) -> None:
    from automata import now, random, uuid4

    @object_type
    class Asker:
        async def ask(self) -> tuple[float, str, float]:
            return now(), str(uuid4()), random()

    first, second = await ref(Asker, "a").ask(), await ref(Asker, "a").ask()
    assert abs(first[0] - datetime.now(UTC).timestamp()) < 3600
    assert first[1] != second[1]
    assert 0 <= first[2] < 1
