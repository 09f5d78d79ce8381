"""Objects that move between stores: all of them goes, at once and once, whoever dies meanwhile (SSMS §4.2)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from automata import List, Map, apply, automaton, effect, object_type, readonly, record, ref, send, sleep, transaction
from automata.envelope import Payload, encode_payload
from automata.partitions import partition_of
from automata.retry import Retry
from darq import keys
from darq.step import Message, Step
from tests.unit.automata.stores import SLOTS, Node, Stores, everywhere, in_stores, slot_of


@object_type(name="MovingCounter")
class Counter:
    value: int = 0
    seen: List[int]
    blobs: Map[int, bytes]

    async def add(self, amount: int = 1) -> int:
        self.value += amount
        self.seen.append(amount)
        return self.value

    @readonly
    async def look(self) -> int:
        return self.value

    @readonly
    async def order(self) -> list[int]:
        return list(self.seen)

    async def fill(self, number: int, size: int) -> None:
        self.blobs[number] = bytes([number]) * size

    @readonly
    async def filled(self) -> int:
        return sum(len(blob) for blob in self.blobs.values())


@object_type(name="MovingFailing", retry=Retry(tries=2, first_seconds=0.5))
class Failing:
    async def fail(self) -> None:
        raise ValueError("as always")


@automaton(name="MovingTally")
class Tally:
    total: int = 0

    async def add(self, amount: int) -> int:
        record(amount)
        return self.total

    @apply
    def added(self, amount: int) -> None:
        self.total += amount

    @readonly
    async def look(self) -> int:
        return self.total


@object_type(name="MovingWorker")
class Worker:
    done: List[str]
    busy: int = 0

    async def work(self, naps: int) -> int:
        self.busy += 1
        for number in range(naps):
            await sleep(1.0)
            self.done.append(f"nap {number}")
        self.busy -= 1
        return naps

    async def ask(self, key: str, amount: int) -> int:
        self.busy += 1
        result = await ref(Slow, key).add(amount)
        self.done.append(f"got {result}")
        self.busy -= 1
        return result

    async def outside(self) -> int:
        result = await effect(_work_outside)
        self.done.append(f"outside {result}")
        return result

    async def together(self, key: str) -> None:
        await transaction(_add_one, key)

    async def tell(self, key: str, first: int, count: int) -> None:
        for amount in range(first, first + count):
            send(ref(Counter, key).add(amount))

    @readonly
    async def look(self) -> list[str]:
        return list(self.done)


@object_type(name="MovingSlow")
class Slow:
    value: int = 0

    async def add(self, amount: int) -> int:
        self.value += amount
        await sleep(2.0)
        self.value += amount
        return self.value

    @readonly
    async def look(self) -> int:
        return self.value


async def _add_one(key: str) -> None:
    await ref(Counter, key).add(1)


OUTSIDE: list[float] = []


async def _work_outside() -> int:
    OUTSIDE.append(asyncio.get_running_loop().time())
    await asyncio.sleep(3.0)
    return len(OUTSIDE)


def rows_of(node: Node, type_name: str, key: str) -> list[bytes]:
    """The keys of all rows that a store has of an object, but for stubs, guests and what is due later."""
    partition = partition_of(type_name, key)
    escaped = keys.escape(partition) + b"\x00\x01"
    others = (keys.MOVED, keys.GUEST, keys.META, keys.HISTORY, keys.OUTBOX, keys.LIFETIME)
    rows = node.disk.scan(b"", b"\xff", keys.ALL)
    return [key for key, row in rows if key[:1] not in others and (escaped in key or partition in row)]


@in_stores()
async def test_an_object_goes_with_its_state(stores: Stores) -> None:
    assert await stores.call(ref(Counter, "a").add(5)) == 5
    await stores.move("MovingCounter", "a", 1)
    await stores.idle()
    assert stores.home("MovingCounter", "a") == [1]
    assert await stores.call(ref(Counter, "a").add(2)) == 7
    assert await stores.call(ref(Counter, "a").look()) == 7
    assert rows_of(stores.nodes[0], "MovingCounter", "a") == []


@in_stores()
async def test_an_automaton_goes_with_what_it_has_recorded(stores: Stores) -> None:
    for amount in range(10):
        await stores.call(ref(Tally, "a").add(amount))
    await stores.move("MovingTally", "a", 1)
    await stores.idle()
    assert await stores.call(ref(Tally, "a").add(5)) == 50
    await stores.nodes[1].crash()
    assert await stores.call(ref(Tally, "a").look()) == 50
    assert rows_of(stores.nodes[0], "MovingTally", "a") == []


@in_stores()
async def test_an_automaton_with_a_checkpoint_goes_with_both(stores: Stores) -> None:
    for _ in range(1500):
        await stores.call(ref(Tally, "a").add(1))
    assert stores.nodes[0].engine.log.read(keys.partition_key(keys.STATE, b"MovingTally\x00a"), b"\x00\x04")
    for target in (1, 0, 1):
        await stores.move("MovingTally", "a", target)
        await stores.idle()
        await stores.nodes[target].crash()
        await stores.call(ref(Tally, "a").add(1))
    assert await stores.call(ref(Tally, "a").look()) == 1503


@in_stores()
async def test_a_repeated_key_gives_the_recorded_outcome_after_a_move(stores: Stores) -> None:
    assert await stores.call(ref(Counter, "a").add(5), "key") == 5
    await stores.move("MovingCounter", "a", 1)
    assert await stores.call(ref(Counter, "a").add(5), "key") == 5
    assert await stores.call(ref(Counter, "a").look()) == 5


@in_stores()
async def test_an_object_that_never_existed_moves_and_is_born_there(stores: Stores) -> None:
    await stores.move("MovingCounter", "a", 1)
    assert await stores.call(ref(Counter, "a").add(1)) == 1
    assert stores.home("MovingCounter", "a") == [1]
    await stores.idle()
    assert rows_of(stores.nodes[0], "MovingCounter", "a") == []


@pytest.mark.parametrize("megabytes", [1, 40])
def test_a_large_object_goes_in_pieces(megabytes: int) -> None:
    @in_stores()
    async def scenario(stores: Stores) -> None:
        for number in range(megabytes):
            await stores.call(ref(Counter, "a").fill(number, 1 << 20))
        await stores.move("MovingCounter", "a", 1)
        assert await stores.call(ref(Counter, "a").filled()) == megabytes << 20
        await stores.move("MovingCounter", "a", 0)
        assert await stores.call(ref(Counter, "a").filled()) == megabytes << 20

    scenario()


@in_stores(3)
async def test_an_object_goes_there_and_back_and_elsewhere(stores: Stores) -> None:
    expected = 0
    for target in (1, 0, 1, 2, 1, 0, 2):
        expected += 1
        assert await stores.call(ref(Counter, "a").add(1)) == expected
        await stores.move("MovingCounter", "a", target)
        await stores.idle()
        assert stores.home("MovingCounter", "a") == [target]
    assert await stores.call(ref(Counter, "a").look()) == expected


@in_stores()
async def test_moving_to_where_it_is_does_nothing(stores: Stores) -> None:
    await stores.call(ref(Counter, "a").add(1))
    await stores.move("MovingCounter", "a", 0)
    await stores.move("MovingCounter", "a", 1)
    await stores.move("MovingCounter", "a", 1)
    assert await stores.call(ref(Counter, "a").look()) == 1


@in_stores(chaos=0.2)
async def test_twenty_callers_notice_no_move(stores: Stores) -> None:
    results: list[int] = []

    async def caller() -> None:
        for _ in range(10):
            results.append(await stores.call(ref(Counter, "a").add(1)))
            await asyncio.sleep(0.001)

    callers = [asyncio.ensure_future(caller()) for _ in range(20)]
    for target in (1, 0, 1):
        await asyncio.sleep(0.005)
        await stores.move("MovingCounter", "a", target)
    await asyncio.gather(*callers)
    assert sorted(results) == list(range(1, 201))


@pytest.mark.parametrize("slow", [(1, 0), (0, 1), (2, 0), (0, 2)])
def test_messages_of_each_sender_keep_their_order_across_moves(slow: tuple[int, int]) -> None:
    @in_stores(3, chaos=0.1)
    async def scenario(stores: Stores) -> None:
        stores.slow[slow] = 0.3
        slot = slot_of(partition_of("MovingCounter", "z"))
        stores.owners = {(slot + number) % SLOTS: number for number in range(3)}
        homes = {stores.owners.get(slot_of(partition_of("MovingWorker", key)), 9): key for key in "abcdefgh"}

        async def sender(number: int) -> None:
            for batch in range(60):
                await stores.call(ref(Worker, homes[number]).tell("z", number * 1000 + batch * 2, 2))
                await asyncio.sleep(0.02)

        sending = [asyncio.ensure_future(sender(number)) for number in range(3)]
        for target in (1, 0, 2, 0, 1, 2):
            await asyncio.sleep(0.1)
            await stores.move("MovingCounter", "z", target)
        await asyncio.gather(*sending)
        await asyncio.sleep(30)
        seen = await stores.call(ref(Counter, "z").order())
        for number in range(3):
            assert [amount for amount in seen if amount // 1000 == number] == [number * 1000 + n for n in range(120)]

    scenario()


@in_stores()
async def test_messages_that_were_not_handed_over_leave_with_the_object(stores: Stores) -> None:
    node, partition = stores.nodes[0], partition_of("MovingCounter", "a")
    step = Step(b"", b"")
    for amount in (1, 2, 3):
        method = ref(Counter, "a").add
        step.send(Message(partition, encode_payload(Payload("add", _packed(method(amount))))))
    node.engine.log.commit(step)
    node.moving.hand_over(node.engine.log.step(partition), stores.nodes[1].identity, None)
    node.engine.host.committer.touch()
    await stores.idle()
    assert await stores.call(ref(Counter, "a").order()) == [1, 2, 3]
    await node.crash()
    await stores.idle()
    assert await stores.call(ref(Counter, "a").order()) == [1, 2, 3]


def _packed(invocation: Any) -> bytes:
    invocation.tried = True
    arguments: bytes = invocation.method.encode_arguments(invocation.pack())
    return arguments


@in_stores()
async def test_timers_ring_where_they_were_set_and_reach_the_object(stores: Stores) -> None:
    await stores.post(ref(Counter, "a").add(3), delay_ms=5000)
    await stores.move("MovingCounter", "a", 1)
    await asyncio.sleep(4.0)
    assert await stores.call(ref(Counter, "a").look()) == 0
    await asyncio.sleep(2.0)
    assert await stores.call(ref(Counter, "a").look()) == 3


@in_stores()
async def test_failed_messages_go_along_with_their_tries(stores: Stores) -> None:
    await stores.post(ref(Failing, "a").fail())
    await asyncio.sleep(0.1)
    await stores.move("MovingFailing", "a", 1)
    await stores.idle()
    assert stores.nodes[0].engine.delivery.letters.letters() == []
    [letter] = stores.nodes[1].engine.delivery.letters.letters()
    assert letter.method == "fail"
    await stores.move("MovingFailing", "a", 0)
    await stores.idle()
    assert len(stores.nodes[0].engine.delivery.letters.letters()) == 1
    assert stores.nodes[1].engine.delivery.letters.letters() == []


@in_stores()
async def test_a_method_that_sleeps_goes_on_where_its_object_has_gone(stores: Stores) -> None:
    working = asyncio.ensure_future(stores.call(ref(Worker, "a").work(6)))
    for target in (1, 0, 1):
        await asyncio.sleep(1.5)
        await stores.move("MovingWorker", "a", target)
        await stores.idle()
        assert stores.home("MovingWorker", "a") == [target]
    assert await working == 6
    assert await stores.call(ref(Worker, "a").look()) == [f"nap {number}" for number in range(6)]
    assert rows_of(stores.nodes[0], "MovingWorker", "a") == []


@in_stores()
async def test_a_method_that_came_as_a_message_goes_on_too(stores: Stores) -> None:
    await stores.post(ref(Worker, "a").work(3))
    await asyncio.sleep(1.5)
    await stores.move("MovingWorker", "a", 1)
    await asyncio.sleep(5.0)
    assert await stores.call(ref(Worker, "a").look()) == ["nap 0", "nap 1", "nap 2"]


@pytest.mark.parametrize("moves", ["caller", "called", "both", "both, and back", "called, and back"])
def test_a_nested_call_happens_once_whoever_moves(moves: str) -> None:
    @in_stores()
    async def scenario(stores: Stores) -> None:
        asking = asyncio.ensure_future(stores.call(ref(Worker, "a").ask("b", 5)))
        await asyncio.sleep(1.0)
        if moves.startswith(("caller", "both")):
            await stores.move("MovingWorker", "a", 1)
        if moves.startswith(("called", "both")):
            await stores.move("MovingSlow", "b", 1)
        if moves.endswith("back"):
            await stores.move("MovingSlow", "b", 0)
            await stores.move("MovingWorker", "a", 0)
        assert await asking == 10
        assert await stores.call(ref(Slow, "b").look()) == 10
        assert await stores.call(ref(Worker, "a").look()) == ["got 10"]

    scenario()


@in_stores()
async def test_a_move_waits_for_outside_work_which_is_not_done_twice(stores: Stores) -> None:
    OUTSIDE.clear()
    asking = asyncio.ensure_future(stores.call(ref(Worker, "a").outside()))
    await asyncio.sleep(1.0)
    await stores.move("MovingWorker", "a", 1)
    assert await asking == 1
    assert await stores.call(ref(Worker, "a").look()) == ["outside 1"]
    assert len(OUTSIDE) == 1


def test_nothing_is_lost_or_doubled_wherever_a_process_dies() -> None:
    async def scenario(stores: Stores) -> None:
        working = asyncio.ensure_future(stores.call(ref(Worker, "a").ask("b", 5)))
        calls = [asyncio.ensure_future(stores.call(ref(Counter, "a").add(1))) for _ in range(3)]
        await stores.post(ref(Counter, "a").add(10))
        await stores.move("MovingCounter", "a", 1)
        calls += [asyncio.ensure_future(stores.call(ref(Counter, "a").add(1))) for _ in range(3)]
        await stores.move("MovingWorker", "a", 1)
        await stores.post(ref(Counter, "a").add(10))
        await stores.move("MovingSlow", "b", 1)
        await stores.move("MovingCounter", "a", 0)
        results = await asyncio.gather(*calls)
        assert len(set(results)) == 6
        assert await working == 10
        await stores.idle()
        assert await stores.call(ref(Counter, "a").look()) == 26
        assert stores.home("MovingCounter", "a") == [0]
        assert await stores.call(ref(Slow, "b").look()) == 10
        assert await stores.call(ref(Worker, "a").look()) == ["got 10"]
        assert rows_of(stores.nodes[1], "MovingCounter", "a") == []

    assert everywhere(scenario) > 20


@in_stores()
async def test_a_transaction_finds_no_empty_object_in_place_of_one_that_has_moved(stores: Stores) -> None:
    await stores.call(ref(Counter, "b").add(5))
    await stores.move("MovingCounter", "b", 1)
    await stores.call(ref(Worker, "a").together("b"))
    assert await stores.call(ref(Counter, "b").look()) == 6
    assert rows_of(stores.nodes[0], "MovingCounter", "b") == []
