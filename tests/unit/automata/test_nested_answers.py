"""Outcomes of nested calls stay known for as long as their callers' stores may be away, so that none happens twice."""

from __future__ import annotations

import asyncio

from automata import object_type, readonly, ref
from automata.asking import Ask
from automata.partitions import partition_of
from automata.request_ids import NESTED
from automata.testing.death import die
from tests.unit.automata.stores import Node, Stores, in_stores, slot_of

WEEKEND_SECONDS = 3 * 24 * 3600.0


@object_type(name="AwayCaller")
class Caller:
    got: int = 0

    async def ask(self, key: str) -> int:
        self.got = await ref(Callee, key).add(1)
        return self.got

    @readonly
    async def look(self) -> int:
        return self.got


@object_type(name="AwayCallee")
class Callee:
    value: int = 0

    async def add(self, amount: int) -> int:
        self.value += amount
        return self.value


def key_in(type_name: str, slot_from: int) -> str:
    """A key of an object in the slots from this one on, or below."""
    keys = (f"k{number}" for number in range(1000))
    return next(key for key in keys if (slot_of(partition_of(type_name, key)) >= 4) == (slot_from >= 4))


async def away(node: Node, seconds: float) -> None:
    """The process is gone for so long."""
    node.alive = False
    if not node.died.done():
        node.died.set_result(None)
    await die(node.engine)
    await asyncio.sleep(seconds)
    node.disk.crash()
    node.start()


@in_stores()
async def test_a_nested_call_has_happened_once_though_its_caller_was_away_for_days(stores: Stores) -> None:
    stores.owners.update(dict.fromkeys(range(4, 8), 1))
    caller, callee, other = key_in("AwayCaller", 0), key_in("AwayCallee", 4), stores.nodes[1]
    ask_others, lost = stores.ask, asyncio.Event()

    async def lose_first(ask: Ask, store: bytes | None = None) -> bytes:
        outcome = await ask_others(ask, store)
        if ask.request[:1] == NESTED and not lost.is_set():
            lost.set()
            await asyncio.sleep(WEEKEND_SECONDS)
        return outcome

    stores.ask = lose_first  # type: ignore[method-assign]
    await stores.post(ref(Caller, caller).ask(callee))
    await lost.wait()
    coming = asyncio.get_running_loop().create_task(away(stores.nodes[0], WEEKEND_SECONDS))
    await asyncio.sleep(WEEKEND_SECONDS - 3600.0)
    assert await stores.call(ref(Callee, callee).add(10)) == 11
    assert other.alive
    await coming
    await stores.idle()
    assert await stores.call(ref(Caller, caller).look()) == 1
    assert await stores.call(ref(Callee, callee).add(0)) == 11
