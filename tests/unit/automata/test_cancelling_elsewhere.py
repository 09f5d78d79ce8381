"""Messages that are due later are cancelled by their ids wherever they are by now, and never ring then (SSMS §4.2)."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from automata import apply, automaton, cancel, object_type, readonly, record, ref, send
from automata.asking import CANCEL, Ask
from automata.partitions import partition_of
from darq import keys
from tests.unit.automata.stores import SLOTS, Stores, everywhere, give_slots, in_stores, slot_of

ALL = list(range(SLOTS))


@object_type(name="CancelClock")
class Clock:
    key: str
    rung: int = 0
    at: str = ""
    told: str = ""

    async def ring(self) -> None:
        self.rung += 1

    async def set_once(self, seconds: float, to: str) -> str:
        self.at = send(ref(Clock, to).ring(), delay=seconds).id
        return self.at

    async def set_every(self, seconds: float, to: str) -> str:
        self.at = send(ref(Clock, to).ring(), every=seconds).id
        return self.at

    async def stop(self) -> bool:
        self.told = "stopping"
        stopped = await cancel(self.at)
        self.told = f"stopped {stopped}"
        return stopped

    async def stop_twice(self) -> tuple[bool, bool]:
        return await cancel(self.at), await cancel(self.at)

    @readonly
    async def look(self) -> tuple[int, str]:
        return self.rung, self.told


async def clock(stores: Stores, key: str, method: str, *args: object) -> Any:
    return await stores.call(getattr(ref(Clock, key), method)(*args))


async def cancelled_by_client(stores: Stores, message_id: str) -> bool:
    return await stores.cancel(Ask(CANCEL, b"", message_id, b"", b"\x00" + stores.random.randbytes(24)))


def timers(stores: Stores, number: int) -> list[tuple[bytes, bytes]]:
    """The rows of a store."""
    return stores.nodes[number].engine.log.rows(keys.TIMER)


@pytest.mark.parametrize("by", ["method", "client"])
@pytest.mark.parametrize("home_again", [False, True])
@pytest.mark.parametrize("kind", ["set_once", "set_every"])
def test_a_timer_keeps_its_id_when_it_goes_with_its_slot(by: str, home_again: bool, kind: str) -> None:
    @in_stores(3)
    async def scenario(stores: Stores) -> None:
        at = await clock(stores, "a", kind, 50.0, "a")
        await give_slots(stores, ALL, 0, 1)
        await stores.idle()
        await give_slots(stores, ALL, 1, 2)
        await stores.idle()
        if home_again:
            await give_slots(stores, ALL, 2, 0)
            await stores.idle()
        stopped = await (clock(stores, "a", "stop") if by == "method" else cancelled_by_client(stores, at))
        assert stopped
        assert not await cancelled_by_client(stores, at)
        await asyncio.sleep(200)
        assert (await clock(stores, "a", "look"))[0] == 0

    scenario()


@pytest.mark.parametrize("by", ["method", "client"])
def test_one_that_is_on_its_way_to_another_store_is_waited_for(by: str) -> None:
    @in_stores()
    async def scenario(stores: Stores) -> None:
        at = await clock(stores, "a", "set_once", 50.0, "a")
        stores.slow[0, 1] = 0.3
        giving = asyncio.ensure_future(give_slots(stores, ALL, 0, 1))
        while timers(stores, 0):  # noqa: ASYNC110 - they are given, and nobody says when
            await asyncio.sleep(0.01)
        assert not timers(stores, 1)
        stopped = await (clock(stores, "a", "stop") if by == "method" else cancelled_by_client(stores, at))
        assert stopped
        await giving
        await asyncio.sleep(100)
        assert (await clock(stores, "a", "look"))[0] == 0

    scenario()


@in_stores()
async def test_what_repeats_goes_on_under_its_id_from_tick_to_tick(stores: Stores) -> None:
    await clock(stores, "a", "set_every", 10.0, "a")
    await asyncio.sleep(15)
    await give_slots(stores, ALL, 0, 1)
    await asyncio.sleep(20)
    assert (await clock(stores, "a", "look"))[0] == 3
    assert await clock(stores, "a", "stop")
    await asyncio.sleep(50)
    assert (await clock(stores, "a", "look"))[0] == 3


@in_stores()
async def test_a_method_cancels_what_is_kept_where_its_object_was(stores: Stores) -> None:
    await clock(stores, "a", "set_once", 50.0, "a")
    await stores.move("CancelClock", "a", 1)
    assert await clock(stores, "a", "stop")
    assert (await clock(stores, "a", "look")) == (0, "stopped True")
    assert not await clock(stores, "a", "stop")
    await asyncio.sleep(100)
    assert (await clock(stores, "a", "look"))[0] == 0


@in_stores()
async def test_it_is_told_that_it_is_too_late_for_what_has_rung(stores: Stores) -> None:
    at = await clock(stores, "a", "set_once", 5.0, "a")
    await stores.move("CancelClock", "a", 1)
    await asyncio.sleep(10)
    assert await clock(stores, "a", "stop_twice") == (False, False)
    assert not await cancelled_by_client(stores, at)
    assert (await clock(stores, "a", "look"))[0] == 1


@in_stores()
async def test_a_second_time_in_one_method_is_too_late(stores: Stores) -> None:
    await clock(stores, "a", "set_once", 5.0, "a")
    await stores.move("CancelClock", "a", 1)
    assert await clock(stores, "a", "stop_twice") == (True, False)


def test_it_is_cancelled_once_and_told_so_wherever_a_process_dies() -> None:
    async def scenario(stores: Stores) -> None:
        await clock(stores, "a", "set_once", 60.0, "a")
        await stores.move("CancelClock", "a", 1)
        assert await stores.call(ref(Clock, "a").stop(), request="stop")
        await asyncio.sleep(120)
        assert await clock(stores, "a", "look") == (0, "stopped True")

    assert everywhere(scenario) > 10


@pytest.mark.parametrize("seed", range(12))
def test_what_says_that_it_is_cancelled_never_rings_and_all_else_does(seed: int) -> None:
    """While slots go to and fro, and lanes lose and double what they carry."""

    @in_stores(3, seed=seed, chaos=0.05)
    async def scenario(stores: Stores) -> None:
        chance = random.Random(seed)
        keys = [f"c{n}" for n in range(16)]
        ids = [await clock(stores, key, "set_once", 30.0 + 3 * n, key) for n, key in enumerate(keys)]

        async def stop(n: int) -> bool:
            await asyncio.sleep(chance.random() * 60)
            if n % 2:
                return bool(await clock(stores, keys[n], "stop"))
            return await cancelled_by_client(stores, ids[n])

        async def move() -> None:
            at = dict.fromkeys(ALL, 0)
            for _ in range(12):
                source = chance.choice(sorted(set(at.values())))
                target = (source + chance.choice((1, 2))) % 3
                slots = [slot for slot, where in at.items() if where == source]
                await give_slots(stores, slots, source, target)
                at.update(dict.fromkeys(slots, target))
                await asyncio.sleep(chance.random() * 4)

        moving = asyncio.ensure_future(move())
        stopped = await asyncio.gather(*(stop(n) for n in range(len(keys))))
        await moving
        await asyncio.sleep(150)
        rung = [(await clock(stores, key, "look"))[0] for key in keys]
        assert rung == [0 if done else 1 for done in stopped]
        assert sum(stopped) > 0

    scenario()


@automaton(name="CancelWatch")
class Watch:
    key: str
    at: str = ""
    rung: int = 0

    async def set(self, seconds: float) -> None:
        record(send(ref(Watch, self.key).ring(), delay=seconds).id)

    async def stop(self) -> bool:
        return await cancel(self.at)

    async def ring(self) -> None:
        record(1)

    @apply
    def was_set(self, at: str) -> None:
        self.at = at

    @apply
    def has_rung(self, n: int) -> None:
        self.rung += n

    @readonly
    async def look(self) -> int:
        return self.rung


@in_stores()
async def test_an_automaton_cancels_what_has_gone_with_its_slot(stores: Stores) -> None:
    await stores.call(ref(Watch, "w").set(50.0))
    await give_slots(stores, [slot_of(partition_of("CancelWatch", "w"))], 0, 1)
    await stores.idle()
    assert await stores.call(ref(Watch, "w").stop())
    await asyncio.sleep(100)
    assert await stores.call(ref(Watch, "w").look()) == 0
