"""Slots that move as a whole while their objects are used: nothing is lost, and nothing is born twice (SSMS §3.3)."""

from __future__ import annotations

import asyncio

import pytest

from automata import List, object_type, readonly, ref, send, sleep
from automata.asking import client_of
from automata.notices import NOTICES, Given, message_of
from automata.partitions import partition_of
from automata.residence import Phase
from darq import keys
from darq.step import Message, Step
from tests.unit.automata.stores import SLOTS, Stores, everywhere, give_slots, in_stores, slot_of

KEYS = [f"k{number}" for number in range(24)]


@object_type(name="SlotCounter")
class Counter:
    value: int = 0
    seen: List[int]

    async def add(self, amount: int = 1) -> int:
        self.value += amount
        self.seen.append(amount)
        return self.value

    async def nap(self) -> int:
        self.value += 1
        await sleep(3.0)
        self.value += 1
        return self.value

    @readonly
    async def order(self) -> list[int]:
        return list(self.seen)

    async def hold(self) -> None:
        self.value += 1
        await asyncio.sleep(3.0)

    async def tell(self, key: str, amount: int) -> None:
        send(ref(Counter, key).add(amount))

    @readonly
    async def look(self) -> int:
        return self.value


def settled(stores: Stores, slot: int) -> bool:
    """Whether all stores have found their new way to a slot."""
    doors = [node.engine.doors for node in stores.nodes]
    return all(door is not None and door.slots is not None and door.slots.settled([slot]) for door in doors)


def left_over(stores: Stores, number: int, slots: list[int]) -> list[bytes]:
    """Keys of rows that a store still has of objects in these slots."""
    rows = stores.nodes[number].disk.scan(b"\x10", b"\x7f", keys.ALL)
    mine = [partition_of("SlotCounter", key) for key in KEYS if slot_of(partition_of("SlotCounter", key)) in slots]
    return [key for key, row in rows if key[:1] != keys.OUTBOX and any(keys.escape(p) in key or p in row for p in mine)]


@in_stores()
async def test_all_objects_of_a_slot_live_at_its_new_store(stores: Stores) -> None:
    for key in KEYS:
        await stores.call(ref(Counter, key).add(1))
    await give_slots(stores, list(range(SLOTS)), 0, 1)
    await stores.idle()
    assert [await stores.call(ref(Counter, key).add(1)) for key in KEYS] == [2] * len(KEYS)
    assert {stores.home("SlotCounter", key)[0] for key in KEYS} == {1}
    assert left_over(stores, 0, list(range(SLOTS))) == []
    assert not stores.nodes[1].residence.guests
    assert not stores.nodes[0].residence.stubs


@in_stores(chaos=0.1)
async def test_callers_and_senders_notice_nothing(stores: Stores) -> None:
    expected = dict.fromkeys(KEYS, 0)

    async def caller(number: int) -> None:
        for turn in range(40):
            key = KEYS[(turn * 7 + number) % len(KEYS)]
            expected[key] += 1
            await stores.call(ref(Counter, key).add(1))
            other = KEYS[(turn * 5 + number) % len(KEYS)]
            expected[other] += 100
            await stores.call(ref(Counter, key).tell(other, 100))

    callers = [asyncio.ensure_future(caller(number)) for number in range(6)]
    await asyncio.sleep(0.02)
    await give_slots(stores, [0, 1, 2, 3, 4], 0, 1)
    await asyncio.sleep(0.02)
    await give_slots(stores, [3, 4], 1, 0)
    await asyncio.gather(*callers)
    await asyncio.sleep(30)
    assert {key: await stores.call(ref(Counter, key).look()) for key in KEYS} == expected
    assert all(len(stores.home("SlotCounter", key)) == 1 for key in KEYS)


@in_stores(3)
async def test_objects_that_were_moved_by_themselves_go_with_their_slot(stores: Stores) -> None:
    for key in KEYS:
        await stores.call(ref(Counter, key).add(1))
    for key in KEYS[:6]:
        await stores.move("SlotCounter", key, 2)
    await give_slots(stores, list(range(SLOTS)), 0, 1)
    await stores.idle()
    assert [await stores.call(ref(Counter, key).add(1)) for key in KEYS] == [2] * len(KEYS)
    assert all(stores.home("SlotCounter", key) == [1] for key in KEYS)


@in_stores()
async def test_methods_and_timers_go_with_their_slot(stores: Stores) -> None:
    naps = [asyncio.ensure_future(stores.call(ref(Counter, key).nap())) for key in KEYS[:4]]
    for key in KEYS[4:8]:
        await stores.post(ref(Counter, key).add(7), delay_ms=5000)
    await asyncio.sleep(1.0)
    await give_slots(stores, list(range(SLOTS)), 0, 1)
    await stores.idle()
    assert left_over(stores, 0, list(range(SLOTS))) == []
    assert await asyncio.gather(*naps) == [2] * 4
    await asyncio.sleep(5.0)
    assert [await stores.call(ref(Counter, key).look()) for key in KEYS[4:8]] == [7] * 4


@in_stores()
async def test_a_store_that_has_not_all_of_a_slot_yet_answers_for_none_of_the_rest(stores: Stores) -> None:
    await stores.call(ref(Counter, "k0").add(5))
    slots = stores.nodes[1].engine.doors
    assert slots is not None
    assert slots.slots is not None
    await slots.slots.take(list(range(SLOTS)), stores.nodes[0].identity)
    stores.owners = dict.fromkeys(range(SLOTS), 1)  # a placement that comes too early
    stores.nodes[0].owner_of = lambda partition: stores.nodes[0].identity
    assert stores.home("SlotCounter", "k0") == [0]
    assert await stores.call(ref(Counter, "k0").add(1)) == 6


def test_nothing_is_lost_or_born_twice_wherever_a_process_dies() -> None:
    async def scenario(stores: Stores) -> None:
        for key in KEYS[:4]:
            await stores.call(ref(Counter, key).add(1))
        calls = [asyncio.ensure_future(stores.call(ref(Counter, key).add(1))) for key in KEYS[:6]]
        posts = [asyncio.ensure_future(stores.post(ref(Counter, key).add(10))) for key in KEYS[:6]]
        nap = asyncio.ensure_future(stores.call(ref(Counter, KEYS[6]).nap()))
        await stores.move("SlotCounter", KEYS[0], 1)
        await give_slots(stores, list(range(SLOTS)), 0, 1)
        calls += [asyncio.ensure_future(stores.call(ref(Counter, key).add(1))) for key in KEYS[:6]]
        await asyncio.gather(*calls, *posts)
        await stores.idle()
        await stores.idle()
        assert [await stores.call(ref(Counter, key).look()) for key in KEYS[:6]] == [13] * 4 + [12] * 2
        assert await nap == 2
        assert all(stores.home("SlotCounter", key) == [1] for key in KEYS[:7])
        assert {move.phase for move in stores.nodes[1].residence.slots.values()} == {Phase.HERE}
        assert left_over(stores, 0, list(range(SLOTS))) == []

    assert everywhere(scenario) > 20


@in_stores()
async def test_a_store_that_a_slot_leaves_begins_no_object_in_it(stores: Stores) -> None:
    held = asyncio.ensure_future(stores.call(ref(Counter, "k0").hold()))
    await asyncio.sleep(0.5)
    giving = asyncio.ensure_future(give_slots(stores, list(range(SLOTS)), 0, 1))
    await asyncio.sleep(0.5)
    assert await stores.call(ref(Counter, "new").add(1)) == 1
    assert stores.home("SlotCounter", "new") == [1]
    assert stores.home("SlotCounter", "k0") == [0]
    await asyncio.gather(held, giving)
    assert await stores.call(ref(Counter, "k0").add(1)) == 2


@in_stores()
async def test_what_is_born_while_a_slot_leaves_is_born_once(stores: Stores) -> None:
    born: list[str] = []

    async def bear() -> None:
        for number in range(300):
            born.append(f"n{number}")
            assert await stores.call(ref(Counter, born[-1]).add(1)) == 1

    for key in KEYS:
        await stores.call(ref(Counter, key).add(1))
    stores.slow[0, 1] = 0.05
    bearing = asyncio.ensure_future(bear())
    await asyncio.sleep(0.05)
    await give_slots(stores, list(range(SLOTS)), 0, 1)
    await bearing
    assert [await stores.call(ref(Counter, key).add(1)) for key in born] == [2] * len(born)


@pytest.mark.parametrize("slow", [(1, 0), (2, 0), (0, 1), (2, 1)])
@pytest.mark.parametrize("dies", [False, True])
def test_messages_keep_their_order_when_a_slot_moves(slow: tuple[int, int], dies: bool) -> None:
    @in_stores(3, chaos=0.1)
    async def scenario(stores: Stores) -> None:
        stores.slow[slow] = 0.3
        slot = slot_of(partition_of("SlotCounter", "z"))
        stores.owners = {(slot + number) % SLOTS: number for number in range(SLOTS)}
        stores.owners.update({s: 0 for s, number in stores.owners.items() if number > 2})
        of = [slot_of(partition_of("SlotCounter", key)) for key in KEYS]
        senders = [KEYS[of.index((slot + number) % SLOTS)] for number in range(3)]  # one lives at each store

        async def sender(number: int) -> None:
            for amount in range(100):
                await stores.call(ref(Counter, senders[number]).tell("z", number * 1000 + amount))
                await asyncio.sleep(0.01)

        sending = [asyncio.ensure_future(sender(number)) for number in range(3)]
        for source, taker in ((0, 1), (1, 2), (2, 0), (0, 1)):
            await asyncio.sleep(0.2)
            await give_slots(stores, [slot], source, taker)
            if dies:
                await stores.nodes[2].crash()
            await asyncio.sleep(0.2)
            while not settled(stores, slot):  # noqa: ASYNC110 - a coordinator can only ask
                await asyncio.sleep(0.05)
        await asyncio.gather(*sending)
        await asyncio.sleep(60)
        seen = await stores.call(ref(Counter, "z").order())
        for number in range(3):
            mine = [amount for amount in seen if amount // 1000 == number and amount != 1]
            assert sorted(mine) == sorted(set(mine))
            assert mine == sorted(mine)
            assert len(mine) == (99 if number == 0 else 100)

    scenario()


@in_stores(3)
async def test_slots_that_are_given_twice_at_once_are_given_once(stores: Stores) -> None:
    there, told = stores.nodes[1], []
    given = there.moving.handlers[Given]

    def count(notice: Given, message: Message) -> None:
        told.append(notice.slot)
        given(notice, message)

    there.moving.handlers[Given] = count
    held = asyncio.ensure_future(stores.call(ref(Counter, "k0").hold()))
    await asyncio.sleep(0.5)
    slot = slot_of(partition_of("SlotCounter", "k0"))
    await asyncio.gather(held, *(give_slots(stores, [slot], 0, 1) for _ in range(2)))
    await stores.idle()
    assert told == [slot]
    assert await stores.call(ref(Counter, "k0").look()) == 1


@in_stores(3)
async def test_a_late_word_that_a_slot_has_come_does_not_bring_it_back(stores: Stores) -> None:
    slot = slot_of(partition_of("SlotCounter", "k0"))
    await stores.call(ref(Counter, "k0").add(1))
    for source, target in ((0, 1), (1, 2)):
        await give_slots(stores, [slot], source, target)
        await stores.idle()
    step = Step(b"", b"")
    step.send_to_store(stores.nodes[1].identity, message_of(Given(slot)))
    stores.nodes[0].moving.commit(step)
    await stores.idle()
    phases = [node.residence.slots[slot].phase for node in stores.nodes]
    assert phases == [Phase.GONE, Phase.GONE, Phase.HERE]
    assert await stores.call(ref(Counter, "k0").add(1)) == 2


@in_stores()
async def test_a_slot_that_is_here_is_not_expected_again(stores: Stores) -> None:
    slot = slot_of(partition_of("SlotCounter", "k0"))
    for source, target in ((0, 1), (1, 0), (0, 1)):
        await give_slots(stores, [slot], source, target)
        await stores.idle()
    doors = stores.nodes[1].engine.doors
    assert doors is not None
    assert doors.slots is not None
    await doors.slots.take([slot], bytes(16))
    assert stores.nodes[1].residence.slots[slot].phase is Phase.HERE


@in_stores()
async def test_who_was_heard_where_a_slot_was_is_known_where_it_goes(stores: Stores) -> None:
    """Also if no object of it goes there: it may have been deleted, and a delayed call would make it anew."""
    old, new = client_of(b"s" * 16, 4), client_of(b"s" * 16, 5)
    leaders = [node.engine.doors.moving.leaders for node in stores.nodes[:2]]  # type: ignore[union-attr]
    assert not leaders[0].superseded(new)
    await give_slots(stores, [slot_of(partition_of("SlotCounter", "k0"))], 0, 1)
    await stores.idle()
    assert leaders[1].superseded(old)
    assert not leaders[1].superseded(new)


@in_stores()
async def test_what_stores_tell_themselves_has_no_slot_that_could_move(stores: Stores) -> None:
    stores.owners = dict.fromkeys(range(SLOTS), 0)
    notices = slot_of(NOTICES)
    by_slot = {slot_of(partition_of("SlotCounter", key)): key for key in KEYS}
    (first, a), (second, b), (_, sender) = [(slot, key) for slot, key in by_slot.items() if slot != notices][:3]
    for key in (a, b):
        await stores.call(ref(Counter, sender).tell(key, 1))
    for slot in (first, notices, second):
        await give_slots(stores, [slot], 0, 1)
        for key in (a, b):
            await stores.call(ref(Counter, sender).tell(key, 1))
        await asyncio.sleep(5)
    assert [await stores.call(ref(Counter, key).look()) for key in (a, b)] == [4, 4]
    assert settled(stores, first)
    assert settled(stores, second)
