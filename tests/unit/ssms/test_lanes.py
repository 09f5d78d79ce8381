"""The lanes of one process: what gathers, what is asked again, where it goes, and what nobody waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from automata import asking
from automata.asking import AGAIN, MOVED, READ, Ask, Told
from automata.errors import Overloaded
from darq.errors import OutcomeUnknown, StoreClosed
from ssms import lane, lanes
from ssms.peers import Unreachable
from tests.unit.ssms.lane_hosts import VALUE, A, B, Host, World, in_world


@in_world
async def test_calls_gather_while_a_batch_is_under_way(world: World) -> None:
    first = world.ask("0")
    await asyncio.sleep(0.003)
    await first
    world.hosts["a"].batches.clear()
    several = [world.ask(str(n)) for n in range(3)]
    await asyncio.sleep(0.0005)
    more = [world.ask(str(n)) for n in range(3, 40)]
    assert await asyncio.gather(*several, *more) == [VALUE + str(n).encode() for n in range(40)]
    assert [len(batch.asks) for batch in world.hosts["a"].batches] == [3, 37]


@in_world
async def test_those_who_have_just_been_answered_ask_on_together_with_who_waits(world: World) -> None:
    async def caller(*texts: str) -> None:
        for text in texts:
            await world.ask(text)

    await world.ask("the first, which finds out where to ask")
    world.hosts["a"].batches.clear()
    callers = [asyncio.create_task(caller("x", "y")) for _ in range(5)]
    await asyncio.sleep(0.0005)
    await asyncio.gather(*callers, *(world.ask("z") for _ in range(3)))
    assert [len(batch.asks) for batch in world.hosts["a"].batches] == [5, 8]


@in_world
async def test_each_store_has_a_lane_of_its_own(world: World) -> None:
    world.hosts["a"].seconds = 5.0
    slow, quick = world.ask("slow", of=0), world.ask("quick", of=1)
    await quick
    assert not slow.done()
    await slow


@in_world
async def test_a_late_answer_keeps_no_other_call_waiting(world: World) -> None:
    host = world.hosts["a"]
    host.answer = lambda ask: None if ask.arguments == b"late" else VALUE + ask.arguments
    late = world.ask("late")
    await asyncio.sleep(0.01)
    for n in range(3):
        assert await world.ask(str(n)) == VALUE + str(n).encode()
    assert not late.done()
    host.finish(next(iter(host.pending)))
    assert await late == VALUE + b"late"


@in_world
async def test_the_next_leader_is_asked_for_late_answers_while_the_one_before_is_silent(world: World) -> None:
    world.hosts["a"].answer = lambda ask: None
    late = world.ask("late")
    await asyncio.sleep(0.01)
    world.lead(0, "a2", epoch=2)
    host = world.hosts["a2"]
    host.answer = world.hosts["a"].answer
    await world.lanes.routes.refresh()
    later = world.ask("later")
    await asyncio.sleep(30)
    for tag in list(host.pending):
        host.finish(tag)
    async with asyncio.timeout(60):
        assert await asyncio.gather(late, later) == [VALUE + b"late", VALUE + b"later"]


@in_world
async def test_what_a_host_owes_no_answer_to_any_more_is_asked_again(world: World) -> None:
    host = world.hosts["a"]
    answer, host.answer = host.answer, lambda ask: None
    late = world.ask("late")
    host.submit, submit = _forgetful(host), host.submit  # type: ignore[method-assign]
    await asyncio.sleep(0.01)
    host.answer, host.submit = answer, submit  # type: ignore[method-assign]
    async with asyncio.timeout(60):
        assert await late == VALUE + b"late"


def _forgetful(host: Host) -> Callable[[bytes], Any]:
    """Its answers are told to somebody who has gone."""
    submit = host.submit

    async def forget(data: bytes) -> bytes:
        await submit(data)
        host.pending.clear()
        return asking.encode(Told(host.epoch, 0, ()))

    return forget


@in_world
async def test_a_host_that_fails_is_asked_again(world: World) -> None:
    world.hosts["a"].errors = [StoreClosed("its process ends")]
    async with asyncio.timeout(60):
        assert await world.ask("x") == VALUE + b"x"


@in_world
async def test_a_host_that_fails_when_it_is_asked_for_late_answers_is_asked_all_again(world: World) -> None:
    host = world.hosts["a"]
    answer, host.answer = host.answer, lambda ask: None
    late = world.ask("late")
    while not host.batches:  # noqa: ASYNC110 - it has begun to look at the batch
        await asyncio.sleep(0.0001)
    host.errors = [StoreClosed("its process ends")]
    while not host.pending:  # noqa: ASYNC110 - it has done so
        await asyncio.sleep(0.0001)
    host.answer = answer
    async with asyncio.timeout(60):
        assert await late == VALUE + b"late"


@in_world
async def test_a_coordinator_that_never_answers_holds_no_answer_of_a_host_up(world: World) -> None:
    await world.ask("0")
    world.coordinator.deaf = True
    world.hosts["a"].seconds = 5.0
    async with asyncio.timeout(8):
        assert await world.ask("x") == VALUE + b"x"


@in_world
async def test_after_a_lost_answer_all_that_was_not_answered_is_asked_again_in_order(world: World) -> None:
    host = world.hosts["a"]
    host.answer = lambda ask: None if ask.arguments == b"late" else VALUE
    late = world.ask("late")
    await asyncio.sleep(0.01)
    host.lose_answers = 1
    await asyncio.gather(world.ask("1"), world.ask("2"))
    again = host.batches[-1].asks
    assert [ask.arguments for _, ask in again] == [b"late", b"1", b"2"]
    assert {tag for tag, _ in again} == {tag for batch in host.batches[:-1] for tag, _ in batch.asks}
    requests = [ask.request for batch in host.batches for _, ask in batch.asks if ask.arguments == b"1"]
    assert len(requests) == 2
    assert len(set(requests)) == 1
    late.cancel()


@in_world
async def test_numbers_of_batches_grow_so_that_an_old_one_can_be_told(world: World) -> None:
    for n in range(3):
        await world.ask(str(n))
    numbers = [batch.number for batch in world.hosts["a"].batches]
    assert numbers == sorted(set(numbers))


@in_world
async def test_what_a_host_said_that_it_has_moved_is_asked_there(world: World) -> None:
    world.hosts["a"].answer = lambda ask: MOVED + B
    assert await world.ask("x") == VALUE + b"x"
    assert await world.ask("y") == VALUE + b"y"
    assert len(world.hosts["a"].batches) == 1, "the second call knows the way"
    assert len(world.hosts["b"].batches) == 2


@in_world
async def test_hosts_that_send_a_call_to_and_fro_are_asked_with_pauses(world: World) -> None:
    said = []

    def moved(to: bytes) -> Callable[[Ask], bytes]:
        def answer(ask: Ask) -> bytes:
            said.append(asyncio.get_running_loop().time())
            return MOVED + to if len(said) < 12 else VALUE

        return answer

    world.hosts["a"].answer, world.hosts["b"].answer = moved(B), moved(A)
    assert await world.ask("x") == VALUE
    assert said[-1] - said[0] > 0.5


@in_world
async def test_another_leader_is_asked_under_its_own_epoch(world: World) -> None:
    await world.ask("0")
    world.hosts["a"].deaf = True
    waiting = [world.ask("1"), world.ask("2", kind=READ)]
    await asyncio.sleep(0.1)
    world.lead(0, "a2", epoch=2)
    assert await asyncio.gather(*waiting) == [VALUE + b"1", VALUE + b"2"]
    assert {batch.epoch for batch in world.hosts["a2"].batches} == {2}


@in_world
async def test_what_the_leader_before_has_not_answered_is_asked_with_the_first_batch_to_the_next(world: World) -> None:
    world.hosts["a"].answer = lambda ask: None
    late = world.ask("late")
    await asyncio.sleep(0.01)
    world.lead(0, "a2", epoch=2)
    await world.lanes.routes.refresh()
    assert await world.ask("1") == VALUE + b"1"
    assert [ask.arguments for _, ask in world.hosts["a2"].batches[0].asks] == [b"late", b"1"]
    assert await late == VALUE + b"late"


@in_world
async def test_a_host_that_leads_under_another_epoch_has_not_looked_at_the_batch(world: World) -> None:
    world.hosts["a"].epoch = 2
    waiting = world.ask("1")
    await asyncio.sleep(0.5)
    assert not waiting.done()
    assert not world.hosts["a"].batches
    world.hosts["a3"] = world.hosts["a"]
    world.lead(0, "a3", epoch=2)
    assert await waiting == VALUE + b"1"


@in_world
async def test_what_a_host_cannot_tell_is_asked_again_later(world: World) -> None:
    answers = [AGAIN, AGAIN, VALUE]
    world.hosts["a"].answer = lambda ask: answers.pop(0)
    assert await world.ask("x") == VALUE


@in_world
async def test_an_answer_that_never_comes_is_taken_for_lost(world: World) -> None:
    host = world.hosts["a"]
    host.seconds = 1e9
    waiting = world.ask("x")
    await asyncio.sleep(1.0)
    host.seconds = 0.001
    assert await waiting == VALUE + b"x"


@in_world
async def test_hosts_are_told_what_they_need_not_keep(world: World) -> None:
    for n in range(3):
        await world.ask(str(n))
    batches = world.hosts["a"].batches
    assert batches[1].forget == [batches[0].asks[0][1].request]
    assert batches[2].forget == [batches[1].asks[0][1].request]


@in_world
async def test_whoever_has_answered_is_told_what_it_need_not_keep(world: World) -> None:
    world.hosts["a"].answer = lambda ask: MOVED + B
    world.hosts["b"].seconds = 0.1
    asked = world.ask("x")
    await asyncio.sleep(0.05)
    (batch,) = world.hosts["b"].batches
    world.lanes.routes.moved(batch.asks[0][1].partition, A)  # where it is believed to be by the time of the answer
    await asked
    await asyncio.gather(world.ask("y", kind=READ), world.ask("z", of=1, kind=READ))
    assert [batch.forget for batch in world.hosts["b"].batches[:2]] == [[], [batch.asks[0][1].request]]
    assert not any(batch.forget for batch in world.hosts["a"].batches)


@in_world
async def test_what_a_host_need_not_keep_is_said_again_after_a_batch_that_was_not_taken(world: World) -> None:
    host = world.hosts["a"]
    await world.ask("0")
    first = host.batches[0].asks[0][1].request
    host.errors = [Unreachable("the batch was lost")]
    await world.ask("1")
    assert host.batches[1].forget == [first]

    second = host.batches[1].asks[0][1].request
    host.epoch = 2  # it leads anew, and does not look at a batch for its former life
    waiting = world.ask("2")
    await asyncio.sleep(0.5)
    world.lead(0, "a2", epoch=2)
    world.hosts["a2"] = host
    await waiting
    assert host.batches[2].forget == [second]


@in_world
async def test_a_call_that_nobody_waits_for_any_more_is_not_asked(world: World) -> None:
    world.hosts["a"].seconds = 1.0
    first = world.ask("first")
    await asyncio.sleep(0.1)
    given_up = world.ask("given up")
    given_up.cancel()
    await first
    await world.ask("last")
    asked = [ask.arguments for batch in world.hosts["a"].batches for _, ask in batch.asks]
    assert asked == [b"first", b"last"]


@in_world
async def test_batches_have_a_bound(world: World) -> None:
    size = lane.BATCH_BYTES_MAX // 3
    first = world.ask("first")
    await asyncio.sleep(0.0005)
    await asyncio.gather(first, *(world.ask("x" * size) for _ in range(7)))
    assert all(sum(len(ask.arguments) for _, ask in b.asks) <= lane.BATCH_BYTES_MAX for b in world.hosts["a"].batches)
    assert sum(len(batch.asks) for batch in world.hosts["a"].batches) == 8


@in_world
async def test_beyond_a_bound_callers_are_refused_early(world: World) -> None:
    world.hosts["a"].deaf = True
    waiting = [world.ask("x") for _ in range(lanes.ASKS_MAX)]
    with pytest.raises(Overloaded, match="await some"):
        world.ask("one more")
    for answer in waiting:
        answer.cancel()


@in_world
async def test_after_long_it_is_unknown_what_became_of_a_call(world: World) -> None:
    world.hosts["a"].answer = lambda ask: AGAIN
    begun = asyncio.get_running_loop().time()
    with pytest.raises(OutcomeUnknown, match="no host answered"):
        await world.ask("x")
    assert asyncio.get_running_loop().time() - begun >= lane.GIVE_UP_SECONDS


@in_world
async def test_after_long_without_a_leader_it_is_unknown_what_became_of_a_call(world: World) -> None:
    await world.ask("0")
    world.lead(0, "", epoch=2)
    await world.lanes.routes.refresh()
    with pytest.raises(OutcomeUnknown, match="no host answered"):
        await world.ask("x")
    world.lead(0, "a3", epoch=3)
    assert await world.ask("y") == VALUE + b"y"
    assert [ask.arguments for batch in world.hosts["a3"].batches for _, ask in batch.asks] == [b"y"]


@in_world
async def test_closing_leaves_nobody_waiting(world: World) -> None:
    world.hosts["a"].deaf = True
    waiting = [world.ask("under way"), world.ask("waits")]
    await asyncio.sleep(0.1)
    await world.lanes.close()
    for answer in waiting:
        with pytest.raises(StoreClosed, match="may have happened"):
            await answer
    with pytest.raises(StoreClosed, match="connect again"):
        world.ask("late")
