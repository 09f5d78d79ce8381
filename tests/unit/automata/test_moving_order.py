"""A call does not overtake what its sender has sent to the same object before, whatever of the two moves, and when."""

from __future__ import annotations

import asyncio
import random

import pytest

from automata import List, effect, object_type, readonly, ref, send
from automata.asking import CALL, MOVED, Ask
from automata.envelope import Payload, encode_payload
from automata.partitions import partition_of
from automata.types import REGISTRY
from automata.work import Reply, Work
from darq.step import Message
from tests.unit.automata.stores import SLOTS, Node, Stores, in_stores, slot_of
from tests.unit.automata.test_moving_slots import give_slots

TURNS = 40


@object_type(name="OrderedBox")
class Box:
    key: str
    got: List[str]

    async def note(self, word: str) -> None:
        self.got.append(word)

    async def tell_then_ask(self, key: str) -> None:
        send(ref(Box, key).note("sent"))
        await ref(Box, key).note("called")

    async def tell_then_ask_all(self, keys: list[str], turn: int) -> None:
        for key in keys:
            send(ref(Box, key).note(f"{self.key} {turn} sent"))
        for key in keys:
            await ref(Box, key).note(f"{self.key} {turn} called")

    async def outside(self, seconds: float) -> None:
        await effect(asyncio.sleep, seconds)

    @readonly
    async def all(self) -> list[str]:
        return list(self.got)


def box_at(stores: Stores, node: int, *others: str) -> str:
    """A key of a box that lives at a node, but for others."""
    slots = {slot_of(partition_of("OrderedBox", key)) for key in others}
    names = [f"k{n}" for n in range(100)]
    name = next(key for key in names if slot_of(partition_of("OrderedBox", key)) not in slots)
    stores.owners[slot_of(partition_of("OrderedBox", name))] = node
    return name


@pytest.mark.parametrize("sender", [0, 1, 2])
@pytest.mark.parametrize("seconds", [3.0, 8.0])
def test_a_call_waits_with_a_message_for_an_object_that_was_called_back(sender: int, seconds: float) -> None:
    @in_stores(3)
    async def scenario(stores: Stores) -> None:
        box = box_at(stores, 0)
        teller = box_at(stores, sender, box)
        await stores.move("OrderedBox", box, 1)
        outside = asyncio.ensure_future(stores.call(ref(Box, box).outside(seconds)))
        await asyncio.sleep(0.5)
        moving = asyncio.ensure_future(stores.move("OrderedBox", box, 2))
        await asyncio.sleep(0.5)
        telling = asyncio.ensure_future(stores.call(ref(Box, teller).tell_then_ask(box)))
        await asyncio.gather(outside, moving, telling)
        assert stores.home("OrderedBox", box) == [2]
        assert await stores.call(ref(Box, box).all()) == ["sent", "called"]

    scenario()


@in_stores()
async def test_what_comes_behind_messages_is_sent_anew_to_an_object_that_was_waited_for(stores: Stores) -> None:
    home, partition = stores.nodes[0], partition_of("OrderedBox", "a")
    await stores.move("OrderedBox", "a", 1)
    outside = asyncio.ensure_future(stores.call(ref(Box, "a").outside(2.0)))
    await asyncio.sleep(0.5)
    moving = asyncio.ensure_future(stores.move("OrderedBox", "a", 0))
    await asyncio.sleep(0.5)
    behind = Ask(CALL, partition, "note", _arguments("called"), b"\x00" * 25, behind=True)
    assert await home.submit(behind) == MOVED + home.identity, "what was refused before it must come first"
    await asyncio.gather(outside, moving)
    assert await stores.call(ref(Box, "a").all()) == []


@in_stores(3)
async def test_how_far_one_store_has_taken_messages_says_nothing_about_another(stores: Stores) -> None:
    teller = box_at(stores, 0)
    box = box_at(stores, 1, teller)
    sender, receiver = partition_of("OrderedBox", teller), partition_of("OrderedBox", box)
    outgoing = stores.nodes[0].engine.host.stage.outgoing
    assert outgoing is not None
    outgoing.answered(sender, receiver, (stores.nodes[1].identity, 900))
    assert not outgoing.precedes(sender, receiver)
    stores.owners[slot_of(receiver)] = 2
    assert outgoing.precedes(sender, receiver)


@pytest.mark.parametrize("goes_to", [1, 2])
def test_a_sender_leaves_only_when_nothing_of_it_waits_behind_a_fence(goes_to: int) -> None:
    @in_stores(3)
    async def scenario(stores: Stores) -> None:
        teller = box_at(stores, 0)
        box = box_at(stores, 1, teller)
        await stores.call(ref(Box, teller).tell_then_ask(box))
        await give_slots(stores, [slot_of(partition_of("OrderedBox", box))], 1, 2)
        stores.slow[1, 2] = 5.0  # the way that the fence takes
        telling = asyncio.ensure_future(stores.call(ref(Box, teller).tell_then_ask(box)))
        await asyncio.sleep(0.5)
        await stores.move("OrderedBox", teller, goes_to)
        await telling
        assert await stores.call(ref(Box, box).all()) == ["sent", "called"] * 2

    scenario()


@in_stores(3)
async def test_a_sender_leaves_only_when_nothing_of_it_is_passed_on_by_a_store_that_a_slot_has_left(
    stores: Stores,
) -> None:
    teller = box_at(stores, 0)
    box = box_at(stores, 2, teller)
    await stores.call(ref(Box, teller).tell_then_ask(box))
    stores.slow[0, 2] = 1.0
    telling = asyncio.ensure_future(stores.call(ref(Box, teller).tell_then_ask(box)))
    await asyncio.sleep(0.1)
    await give_slots(stores, [slot_of(partition_of("OrderedBox", box))], 2, 0)
    await asyncio.sleep(0.1)
    stores.slow[2, 0] = 1.0
    await stores.move("OrderedBox", teller, 1)
    await telling
    await stores.idle()
    assert stores.home("OrderedBox", teller) == [1]
    assert await stores.call(ref(Box, box).all()) == ["sent", "called"] * 2


@in_stores()
async def test_a_method_goes_on_that_has_sent_to_a_slot_which_has_left_its_own_store(stores: Stores) -> None:
    teller = box_at(stores, 0)
    box = box_at(stores, 0, teller)
    await stores.call(ref(Box, teller).tell_then_ask(box))
    await give_slots(stores, [slot_of(partition_of("OrderedBox", box))], 0, 1)
    await stores.call(ref(Box, teller).tell_then_ask(box))
    assert await stores.call(ref(Box, box).all()) == ["sent", "called"] * 2


@in_stores()
async def test_a_call_follows_its_message_to_where_the_slot_was_when_that_comes_here_meanwhile(stores: Stores) -> None:
    box = box_at(stores, 0)
    teller = box_at(stores, 1, box)
    await stores.call(ref(Box, teller).tell_then_ask(box))
    stores.slow[1, 0] = 1.0
    telling = asyncio.ensure_future(stores.call(ref(Box, teller).tell_then_ask(box)))
    await asyncio.sleep(0.1)
    await give_slots(stores, [slot_of(partition_of("OrderedBox", box))], 0, 1)
    await asyncio.sleep(0.1)
    assert stores.nodes[1].residence.route_of(partition_of("OrderedBox", box)) is None
    await telling
    assert await stores.call(ref(Box, box).all()) == ["sent", "called"] * 2


@in_stores()
async def test_a_call_follows_its_message_while_the_rest_of_a_slot_is_on_its_way_here(stores: Stores) -> None:
    box = box_at(stores, 0)
    teller = box_at(stores, 1, box)
    await stores.call(ref(Box, teller).tell_then_ask(box))
    await stores.move("OrderedBox", box, 1)
    await stores.idle()
    stores.slow[0, 1] = 1.0
    await give_slots(stores, [slot_of(partition_of("OrderedBox", box))], 0, 1)  # this store is its store by placement
    await stores.call(ref(Box, teller).tell_then_ask(box))
    assert await stores.call(ref(Box, box).all()) == ["sent", "called"] * 2


@pytest.mark.parametrize("count", [1, 600])
def test_a_call_comes_behind_the_messages_that_its_object_has_brought(count: int) -> None:
    @in_stores()
    async def scenario(stores: Stores) -> None:
        home, there, partition = stores.nodes[0], stores.nodes[1], partition_of("OrderedBox", "a")
        words = [str(number) for number in range(count)]
        step = home.engine.log.step(partition)
        for word in words:
            step.send(Message(partition, encode_payload(Payload("note", _arguments(word)))))
        home.engine.log.commit(step)
        home.moving.hand_over(home.engine.log.step(partition), there.identity, None)
        home.engine.host.committer.touch()
        host = there.engine.host
        replies: list[Reply] = []
        deliver = host.deliver

        def deliver_then_call(seconds: float) -> bool:
            more = deliver(seconds)
            if there.residence.store_of(partition) is None:
                host.deliver = deliver
                replies.append(_called(there))  # as a call that has come in the same turn of the loop
            return more

        host.deliver = deliver_then_call
        await stores.idle()
        assert len(replies) == 1
        assert await stores.call(ref(Box, "a").all()) == [*words, "called"]

    scenario()


@in_stores()
async def test_also_if_the_process_dies_between(stores: Stores) -> None:
    home, there, partition = stores.nodes[0], stores.nodes[1], partition_of("OrderedBox", "a")
    step = home.engine.log.step(partition)
    for word in ("first", "second"):
        step.send(Message(partition, encode_payload(Payload("note", _arguments(word)))))
    home.engine.log.commit(step)
    home.moving.hand_over(home.engine.log.step(partition), there.identity, None)
    home.engine.host.committer.touch()
    host = there.engine.host
    deliver = host.deliver
    host.deliver = lambda seconds: there.residence.store_of(partition) is not None and deliver(seconds)
    await stores.idle()
    await there.crash()
    assert there.residence.store_of(partition) is None
    _called(there)
    assert await stores.call(ref(Box, "a").all()) == ["first", "second", "called"]
    await stores.idle()
    assert there.engine.log.inbox.brought == {}


@in_stores()
async def test_messages_that_an_object_has_brought_keep_no_call_waiting_once_it_has_left_again(stores: Stores) -> None:
    home, there, partition = stores.nodes[0], stores.nodes[1], partition_of("OrderedBox", "a")
    step = home.engine.log.step(partition)
    step.send(Message(partition, encode_payload(Payload("note", _arguments("sent")))))
    home.engine.log.commit(step)
    home.moving.hand_over(home.engine.log.step(partition), there.identity, None)
    home.engine.host.committer.touch()

    host = there.engine.host
    deliver = host.deliver

    def deliver_then_leave(seconds: float) -> bool:
        more = deliver(seconds)
        if partition in there.residence.guests:
            assert there.engine.log.inbox.brought
            there.moving.hand_over(there.engine.log.step(partition), home.identity, None)
        return more

    host.deliver = deliver_then_leave
    await stores.idle()
    assert await stores.call(ref(Box, "a").all()) == ["sent"]
    assert there.engine.log.inbox.brought == home.engine.log.inbox.brought == {}


@pytest.mark.parametrize("seed", range(4))
def test_calls_keep_behind_messages_while_senders_and_receivers_move_at_random(seed: int) -> None:
    @in_stores(3, seed=seed, chaos=0.1)
    async def scenario(stores: Stores) -> None:
        chance = random.Random(seed)
        stores.slow = {(a, b): chance.random() * 0.05 for a in range(3) for b in range(3) if chance.random() < 0.3}
        stores.owners = {slot: chance.randrange(3) for slot in range(SLOTS)}
        boxes, tellers = ["b0", "b1", "b2"], ["t0", "t1", "t2"]
        moving = asyncio.ensure_future(_move_objects(stores, chance, boxes + tellers))
        await asyncio.gather(*(_keep_telling(stores, teller, boxes) for teller in tellers))
        moving.cancel()
        await asyncio.sleep(60.0)
        for box in boxes:
            got = await stores.call(ref(Box, box).all())
            for teller in tellers:
                mine = [word for word in got if word.startswith(teller)]
                assert mine == [f"{teller} {turn} {what}" for turn in range(TURNS) for what in ("sent", "called")]

    scenario()


async def _keep_telling(stores: Stores, teller: str, boxes: list[str]) -> None:
    for turn in range(TURNS):
        await stores.call(ref(Box, teller).tell_then_ask_all(boxes, turn))


async def _move_objects(stores: Stores, chance: random.Random, keys: list[str]) -> None:
    while True:
        await stores.move("OrderedBox", chance.choice(keys), chance.randrange(3))
        await asyncio.sleep(chance.random() * 0.05)


def _arguments(word: str) -> bytes:
    method = REGISTRY.get("OrderedBox").method("note")
    return method.encode_arguments((word,))


def _called(node: Node) -> Reply:
    """A call that comes from outside just now, behind whatever its sender has sent."""
    host = node.engine.host
    entity = host.entity("OrderedBox", "a")
    return host.invoke(Work(entity, entity.made.method("note"), ("called",), None), host.log.next_lsn - 1)
