"""A method that is begun anew calls others anew, also where it was moved: it gets no answers of its first run."""

from __future__ import annotations

import asyncio

from automata import Retry, looking, object_type, readonly, ref, sleep
from automata.partitions import partition_of
from tests.unit.automata.stores import Stores, in_stores, slot_of


class Broken:
    on = True


@object_type(name="RestartedCaller", retry=Retry(tries=1))
class Caller:
    got: int = 0

    async def ask(self, key: str) -> None:
        if Broken.on:
            await ref(Callee, key).add(1)
            await sleep(1.0)
            await ref(Callee, key).add(1)
            raise ValueError("it cannot go on")
        self.got = await ref(Callee, key).count(100)

    @readonly
    async def look(self) -> int:
        return self.got


@object_type(name="RestartedCallee")
class Callee:
    value: int = 0
    calls: int = 0

    async def add(self, amount: int) -> int:
        self.value += amount
        return self.value

    async def count(self, amount: int) -> int:
        self.calls += amount
        return self.calls

    @readonly
    async def look(self) -> int:
        return self.calls


@in_stores(3)
async def test_a_method_that_has_moved_is_begun_anew_with_calls_of_its_own(stores: Stores) -> None:
    Broken.on = True
    callee = next(key for n in range(99) if slot_of(partition_of("RestartedCallee", key := f"k{n}")) >= 4)
    caller = next(key for n in range(99) if slot_of(partition_of("RestartedCaller", key := f"k{n}")) < 4)
    stores.owners.update(dict.fromkeys(range(4, 8), 1))
    await stores.post(ref(Caller, caller).ask(callee))
    await asyncio.sleep(0.5)
    await stores.move("RestartedCaller", caller, 2)
    await stores.idle()
    waiting = [letter async for letter in looking.dead_letters(stores.nodes[2].engine)]
    assert [letter.method for letter in waiting] == ["ask"]
    Broken.on = False
    await looking.restart(stores.nodes[2].engine, waiting[0].id)
    await stores.idle()
    assert await stores.call(ref(Callee, callee).look()) == 100
    assert await stores.call(ref(Caller, caller).look()) == 100
