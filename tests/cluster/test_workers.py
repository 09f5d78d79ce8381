"""Methods in workers, on a cluster: one step of their object's store, wherever callers and receivers are."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from automata import List, gather, object_type, readonly, ref, send
from tests.cluster.in_memory import cluster
from tests.cluster.purses import KEYS
from tests.memory_app import in_loop, settled, until
from tests.unit.automata.gates import close_gates, gate


@object_type(compute="worker")
class Mill:
    key: str
    ground: int = 0
    told: List[str]

    async def grind(self, n: int) -> int:
        self.ground += n
        return self.ground

    async def grind_slowly(self) -> int:
        BEGUN.append(self.key)
        await gate("mill").wait()
        self.ground += 1
        return self.ground

    async def tell_all(self, keys: list[str]) -> None:
        for key in keys:
            send(ref(Mill, key).hear(self.key))

    async def hear(self, who: str) -> None:
        self.told.append(who)

    @readonly
    async def look(self) -> tuple[int, list[str]]:
        return self.ground, list(self.told)


@object_type
class Miller:
    async def order(self, keys: list[str]) -> list[int]:
        return await gather(*(ref(Mill, key).grind(1) for key in keys))


BEGUN: list[str] = []


@in_loop
async def test_calls_nested_calls_and_messages_reach_workers_of_all_stores() -> None:
    async with cluster() as running, running.connect():
        assert await gather(*(ref(Mill, key).grind(n) for n, key in enumerate(KEYS))) == list(range(8))
        assert await ref(Miller, "m").order(KEYS) == list(range(1, 9))
        await ref(Mill, "p0").tell_all(KEYS)
        for n, key in enumerate(KEYS):
            await settled(ref_look(key), (n + 1, ["p0"]))


@in_loop
async def test_what_a_worker_was_doing_when_its_host_died_happens_once() -> None:
    BEGUN.clear()
    close_gates()
    async with cluster(stores=1, replicas=2) as running, running.connect():
        assert await ref(Mill, "p0").grind(1) == 1
        asking = asyncio.ensure_future(ref(Mill, "p0").grind_slowly())
        await until(begun(1))
        await running.kill("s0.n0")
        await running.lead("s0.n1", [], old_is_dead=True)
        await until(begun(2))
        gate("mill").set()
        assert await asking == 2
        assert await ref(Mill, "p0").look() == (2, [])


def ref_look(key: str) -> Callable[[], Awaitable[object]]:
    return lambda: ref(Mill, key).look()


def begun(count: int) -> Callable[[], Awaitable[bool]]:
    async def enough() -> bool:
        return len(BEGUN) >= count

    return enough
