"""What is asked behind messages of the same process: it never comes to the object before them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from automata.asking import AGAIN, MOVED, POST, READ, Ask
from darq.errors import StoreClosed
from ssms import lane, slots
from ssms.placement import Placement
from tests.unit.ssms.lane_hosts import VALUE, A, B, Host, World, in_world


def send(world: World, text: str) -> asyncio.Future[bytes]:
    return world.ask(text, kind=POST, behind=True)


def call(world: World, text: str) -> asyncio.Future[bytes]:
    return world.ask(text, behind=True)


@in_world
async def test_what_is_asked_at_once_leaves_in_one_batch(world: World) -> None:
    await asyncio.gather(send(world, "1"), send(world, "2"), call(world, "3"))
    [batch] = world.hosts["a"].batches
    assert [ask.arguments for _, ask in batch.asks] == [b"1", b"2", b"3"]


@in_world
async def test_a_call_waits_until_the_message_before_it_was_taken(world: World) -> None:
    host = world.hosts["a"]
    host.answer = lambda ask: None if ask.kind == POST else VALUE
    sent = send(world, "sent")
    await asyncio.sleep(0.01)
    called, other = call(world, "called"), world.ask("of another", behind=False)
    await other
    assert [ask.arguments for batch in host.batches for _, ask in batch.asks] == [b"sent", b"of another"]
    host.finish(next(iter(host.pending)))
    await asyncio.gather(sent, called)
    assert host.batches[-1].asks[0][1].arguments == b"called"


@in_world
async def test_a_message_that_is_sent_to_and_fro_is_overtaken_by_nothing_asked_later(world: World) -> None:
    refusals = [MOVED + B, MOVED + A, MOVED + B, AGAIN, MOVED + A]
    seen: list[bytes] = []

    def refusing(host: Host) -> Callable[[Ask], bytes]:
        refused: dict[int, bytes] = {}  # a host refuses what lies behind a message as well

        def answer(ask: Ask) -> bytes:
            batch = len(host.batches)
            if ask.arguments == b"0" and refusals:
                refused[batch] = refusals.pop(0)
            if batch not in refused:
                seen.append(ask.arguments)
            return refused.get(batch, VALUE)

        return answer

    for host in world.hosts.values():
        host.answer = refusing(host)
    asked = [send(world, "0")]
    for number in range(1, 40):
        await asyncio.sleep(0.001)
        asked.append(world.ask(str(number), kind=(POST, READ)[number % 2], behind=True))
    await asyncio.gather(*asked)
    assert not refusals
    assert seen == [str(number).encode() for number in range(40)]


@in_world
async def test_messages_that_were_refused_together_arrive_in_order_however_they_are_told(world: World) -> None:
    host = world.hosts["a"]
    seen: list[bytes] = []

    def answer(ask: Ask) -> bytes | None:
        if len(host.batches) == 1:
            return None
        seen.append(ask.arguments)
        return VALUE

    host.answer = answer
    asked = [send(world, str(number)) for number in range(5)]
    await asyncio.sleep(0.01)
    for tag in reversed(list(host.pending)):
        del host.pending[tag]
        host.late.append((tag, AGAIN))
        host.collecting.set()
        await asyncio.sleep(0.05)
    await asyncio.gather(*asked)
    assert seen == [str(number).encode() for number in range(5)]


@in_world
async def test_what_comes_behind_messages_is_asked_again_where_those_went_whatever_a_newer_placement_says(
    world: World,
) -> None:
    here, there = world.hosts["a"], world.hosts["b"]
    await call(world, "first")
    old = world.coordinator.placement
    world.coordinator.placement = Placement(old.version + 1, slots.encode([1] * slots.SLOTS), old.stores)
    here.answer = lambda ask: AGAIN if len(here.batches) == 2 else VALUE
    await call(world, "behind")
    assert world.lanes.routes.placement.version == old.version + 1
    assert len(here.batches) == 3
    assert not there.batches


@in_world
async def test_many_messages_leave_in_full_batches(world: World) -> None:
    count = lane.BATCH_ASKS_MAX * 3
    await asyncio.gather(*(send(world, str(number)) for number in range(count)))
    batches = world.hosts["a"].batches
    assert [len(batch.asks) for batch in batches] == [lane.BATCH_ASKS_MAX] * 3
    assert [int(ask.arguments) for batch in batches for _, ask in batch.asks] == list(range(count))


@in_world
async def test_a_message_that_fails_or_is_given_up_keeps_nobody_waiting(world: World) -> None:
    host = world.hosts["a"]
    host.answer = lambda ask: AGAIN if ask.kind == POST else VALUE
    given_up = send(world, "given up")
    await asyncio.sleep(0.01)
    called = call(world, "called")
    await asyncio.sleep(1.0)
    assert not called.done()
    given_up.cancel()
    assert await called == VALUE


@in_world
async def test_closing_leaves_nobody_waiting_behind_a_message(world: World) -> None:
    world.hosts["a"].answer = lambda ask: None
    waiting = [send(world, "0")]
    await asyncio.sleep(0.01)
    waiting += [send(world, "1"), call(world, "2")]
    await asyncio.sleep(0.01)
    await world.lanes.close()
    for answer in waiting:
        with pytest.raises(StoreClosed, match="may have happened"):
            await answer
    assert world.lanes.asked == 0
