"""What a method awaits at a commit point says what it is, and gives an outcome now or later, whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from automata import object_type, ref
from automata.calls import Call
from automata.commit_points import Calls, Effect, Sleep
from automata.context import CURRENT
from automata.errors import InvalidArgument, StateError, StorageFull
from automata.work import Outcome
from darq.log import Log
from darq.memory import MemoryStore
from tests.memory_app import in_loop


@object_type
class Pointed:
    key: str

    async def go(self, n: int = 0) -> int:
        return n


class FakeHost:
    """What awaiting asks of a host, with a clock that a test sets."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.time = 100.0
        self.durable_up_to = 0
        self.waiting: list[tuple[int, asyncio.Future[None]]] = []
        self.refusal: Exception | None = None
        self.kept_soon = False
        self.log = Log(MemoryStore())

    def clock(self) -> float:
        return self.time

    def invoke_inside(self, call: Call, packed: Any, sent_lsn: int, caller: Any) -> Any:
        if self.refusal is not None:
            raise self.refusal
        return Outcome((call.method.name, packed, sent_lsn, caller), None, 4)

    def follow(self, reply: Any, call: Call) -> Any:
        return reply

    def run_effect(self, name: str, group: int, work: Callable[[], Coroutine[Any, Any, Outcome]]) -> Any:
        async def run() -> Outcome:
            await self.durable(group)
            return await work()

        return self.loop.create_task(run())

    def keep_soon(self, entity: Any) -> None:
        self.kept_soon = True

    def transact(self, body: Callable[[], Coroutine[Any, Any, object]], sender: Any, caller: Any) -> Any:
        raise AssertionError("no transaction here")

    async def durable(self, group: int) -> None:
        if group > self.durable_up_to:
            waiting: asyncio.Future[None] = self.loop.create_future()
            self.waiting.append((group, waiting))
            await waiting


class FakeTurn:
    """A method that awaits."""

    def __init__(self) -> None:
        self.host: Any = FakeHost()
        self.group = 3
        self.entity: Any = type("FakeEntity", (), {"sent_lsn": 17})()


def invocation(n: int = 0) -> Any:
    return _tried(ref(Pointed, "p").go(n))


def _tried(made: Any) -> Any:
    """The invocation, which will not warn that it was never awaited."""
    made.tried = True
    return made


def calls(*made: Any, kind: str = "call") -> Calls:
    return Calls(kind, made)


@in_loop
async def test_a_call_is_made_behind_the_messages_of_its_sender() -> None:
    point = calls(invocation(5))
    assert (point.kind, point.targets, point.needs_durable) == ("call", ["Pointed/p go"], False)
    outcome: Any = point.start(FakeTurn(), 0, None)
    assert outcome.value == ("go", (5,), 17, None)


@in_loop
async def test_a_refusal_is_an_outcome() -> None:
    turn = FakeTurn()
    turn.host.refusal = InvalidArgument("too large")
    outcome: Any = calls(invocation()).start(turn, 0, None)
    assert outcome.error is turn.host.refusal
    assert not outcome.refused


@in_loop
async def test_a_call_that_a_full_disk_refuses_can_be_asked_again() -> None:
    turn = FakeTurn()
    turn.host.refusal = StorageFull("no room")
    assert not calls(invocation()).start(turn, 0, None).refused  # type: ignore[union-attr] - a user's code has raised it
    turn.host.log.refusing = True
    assert calls(invocation()).start(turn, 0, None).refused  # type: ignore[union-attr]


@in_loop
async def test_arguments_are_checked_before_anything_commits() -> None:
    with pytest.raises(InvalidArgument):
        calls(_tried(ref(Pointed, "p").go("x")))  # type: ignore[arg-type]
    used = invocation()
    calls(used)
    with pytest.raises(StateError, match="awaited or sent before"):
        calls(used)


@in_loop
async def test_a_sleep_that_is_due_is_over_at_once() -> None:
    turn = FakeTurn()
    point = Sleep(5, 90.0)
    assert point.due == 95.0
    reply: Any = point.start(turn, 0, None)
    assert reply.done()
    assert reply.result().error is None


@in_loop
async def test_a_sleep_looks_at_the_clock_again_when_it_rings_early() -> None:
    turn = FakeTurn()
    reply: Any = Sleep(0.001, 100.0).start(turn, 0, None)
    assert not reply.done()
    turn.host.time = 101.0
    assert (await reply).error is None


@in_loop
async def test_an_effect_starts_when_what_its_method_has_seen_is_durable() -> None:
    ran: list[Any] = []

    async def outside(n: int) -> int:
        ran.append((n, CURRENT.get()))
        return n + 1

    turn = FakeTurn()
    point = Effect(outside, (4,), {})
    assert point.needs_durable
    assert point.targets == [outside.__qualname__]
    reply: Any = point.start(turn, 0, None)
    await asyncio.sleep(0)
    [(group, waiting)] = turn.host.waiting
    assert (group, ran) == (3, [])
    waiting.set_result(None)
    assert (await reply).value == 5
    assert ran == [(4, None)]


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(2), asyncio.CancelledError()])
@in_loop
async def test_whatever_an_effect_raises_is_its_outcome(error: BaseException) -> None:
    async def outside() -> None:
        raise error

    turn = FakeTurn()
    turn.host.durable_up_to = 3
    outcome: Any = await Effect(outside, (), {}).start(turn, 0, None)  # type: ignore[misc]
    assert isinstance(outcome.error, ValueError if isinstance(error, ValueError) else RuntimeError)


@in_loop
async def test_an_effect_that_is_cancelled_from_outside_has_no_outcome() -> None:
    turn = FakeTurn()
    turn.host.durable_up_to = 3
    reply: Any = Effect(asyncio.sleep, (3600,), {}).start(turn, 0, None)
    await asyncio.sleep(0)
    reply.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reply


@in_loop
async def test_a_mutable_value_of_an_effect_is_given_as_it_will_be_read_again() -> None:
    shared = (1, [2])
    turn = FakeTurn()
    turn.host.durable_up_to = 3
    outcome: Any = await Effect(lambda: shared, (), {}).start(turn, 0, None)  # type: ignore[misc]
    assert outcome.value == shared
    assert outcome.value is not shared
