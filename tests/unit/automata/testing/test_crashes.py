"""`crash_everywhere` finds what breaks the promises, and passes what keeps them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from automata import object_type, readonly, ref, send
from automata.calls import Call
from automata.errors import InvalidArgument, StateError
from automata.keyed import Keyed
from automata.local import LocalRouter
from automata.stage import Stage
from automata.testing import Crash, VirtualApp, crash_everywhere
from automata.work import Outcome, Work
from darq.limits import Limits
from darq.step import Step


class Refused(Exception):
    pass


@object_type
class Counter:
    key: str
    value: int = 0

    async def add(self, amount: int = 1) -> int:
        self.value += amount
        return self.value

    async def refuse(self) -> None:
        self.value += 100
        raise Refused(self.key)

    async def tell(self, other: str) -> None:
        self.value += 1
        send(ref(Counter, other).add())

    @readonly
    async def get(self) -> int:
        return self.value


async def calls(app: VirtualApp) -> None:
    counter = ref(Counter, "a")
    assert await counter.add() == 1
    assert await counter.add() == 2
    with pytest.raises(Refused):
        await counter.refuse()
    assert await counter.get() == 2


async def messages(app: VirtualApp) -> None:
    for _ in range(3):
        await send(ref(Counter, "a").tell("b"))
    await asyncio.sleep(60)
    assert await ref(Counter, "a").get() == 3
    assert await ref(Counter, "b").get() == 3


def test_calls_are_made_once_wherever_the_process_dies() -> None:
    report = crash_everywhere(calls)
    assert report.boundaries == 3
    assert report.runs == 1 + 2 * report.boundaries


def test_messages_arrive_once_wherever_the_process_dies() -> None:
    report = crash_everywhere(messages)
    assert report.boundaries == 9
    assert report.groups[0] == "message to Counter/a tell"
    assert crash_everywhere(messages, limits=Limits()).boundaries > 0


async def gathered(app: VirtualApp) -> None:
    await asyncio.gather(*(ref(Counter, str(n % 3)).add() for n in range(9)))
    posts = [send(ref(Counter, "0").tell("1")) for _ in range(3)]  # awaited by closing at the latest
    assert await ref(Counter, "0").add(0) == 6  # behind the messages of the same client
    ids = [await post for post in posts]
    assert len(set(ids)) == 3
    await asyncio.sleep(1)
    assert [await ref(Counter, str(n)).get() for n in range(3)] == [6, 6, 3]


def test_clients_at_once_see_no_difference_wherever_the_process_dies() -> None:
    assert crash_everywhere(gathered).boundaries >= 19
    assert crash_everywhere(gathered, limits=Limits()).boundaries > 0


def test_what_a_scenario_asserts_wrongly_is_its_failure_without_any_crash() -> None:
    async def wrong(app: VirtualApp) -> None:
        assert await ref(Counter, "a").add() == 2

    with pytest.raises(AssertionError) as failed:
        crash_everywhere(wrong)
    assert "without failures" in notes(failed)


def test_an_answer_before_its_group_is_durable_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def call_at_once(self: LocalRouter, call: Call) -> Any:
        packed = call.pack()
        reply = self._start(call, self._host.entity(call.ref.type_name, call.ref.key), packed)
        assert isinstance(reply, Outcome)
        yield from asyncio.sleep(0).__await__()
        return reply.take()

    monkeypatch.setattr(LocalRouter, "call", call_at_once)
    with pytest.raises(AssertionError, match="a crash at that moment would have lost it") as failed:
        crash_everywhere(calls)
    assert "Crash.LOST" in notes(failed)


def test_an_outcome_that_is_not_recorded_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Keyed, "record", lambda *args, **options: None)
    with pytest.raises(AssertionError, match="acknowledged"):
        crash_everywhere(calls)


def test_a_recorded_outcome_that_is_not_asked_for_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("darq.requests.Requests.find", lambda *args: None)
    with pytest.raises(AssertionError) as failed:
        crash_everywhere(calls)
    assert "Crash.UNTOLD" in notes(failed)
    assert "step Counter/a add (1 written, 0 sent)" in notes(failed)
    assert "was recorded a second time" in notes(failed)


def test_a_message_consumed_by_another_step_than_its_own_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    commit = Stage.commit

    def consume_first(self: Stage, turn: Any, outcome: Outcome | None) -> None:
        work: Work | None = turn.work
        if work is not None and work.message is not None:
            step = Step(b"", b"")
            step.consume(work.message)
            self._log.commit(step)
            self._committer.close_full_group()
            work.message = None
        commit(self, turn, outcome)

    monkeypatch.setattr(Stage, "commit", consume_first)
    with pytest.raises(AssertionError) as failed:
        crash_everywhere(messages)
    assert "crash at boundary" in notes(failed)


def test_a_message_that_its_step_leaves_in_the_inbox_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("darq.inbox.Inbox.consume", lambda *args: None)
    with pytest.raises(AssertionError) as failed:
        crash_everywhere(messages)
    assert "crash at boundary" in notes(failed)


def test_a_store_that_does_not_open_again_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    crash = "automata.testing.disk.Disk.crash"
    monkeypatch.setattr(crash, lambda self: self._rows.clear())
    with pytest.raises(Exception, match="was acknowledged, but the store only goes up to"):
        crash_everywhere(calls, only=(2, Crash.LOST))


def test_a_failure_can_be_repeated_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("darq.requests.Requests.find", lambda *args: None)
    assert crash_everywhere(calls, only=(1, Crash.LOST)).runs == 2
    with pytest.raises(AssertionError):
        crash_everywhere(calls, only=(1, Crash.UNTOLD))


def test_a_part_of_the_boundaries_is_spread_over_all_of_them() -> None:
    report = crash_everywhere(messages, at_most=4)
    assert report.boundaries == 9
    assert report.runs == 1 + 2 * 4


def test_a_scenario_that_commits_nothing_is_refused() -> None:
    async def reads(app: VirtualApp) -> None:
        await ref(Counter, "a").get()

    with pytest.raises(InvalidArgument, match="commits nothing"):
        crash_everywhere(reads)


def test_a_boundary_that_the_scenario_has_not_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="boundaries 1 to 3"):
        crash_everywhere(calls, only=(4, Crash.LOST))


def test_a_scenario_that_takes_another_way_each_time_is_refused() -> None:
    runs = iter(range(100))

    async def fickle(app: VirtualApp) -> None:
        await ref(Counter, str(next(runs))).add()

    with pytest.raises(StateError, match="another way"):
        crash_everywhere(fickle)


def test_inside_an_event_loop_it_is_refused() -> None:
    async def nested() -> None:
        crash_everywhere(calls)

    with pytest.raises(StateError, match="inside a running event loop"):
        asyncio.run(nested())


def notes(failed: pytest.ExceptionInfo[BaseException]) -> str:
    return " ".join(failed.value.__notes__)
