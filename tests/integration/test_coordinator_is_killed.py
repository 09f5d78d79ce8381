"""The coordinator is killed while it deploys, moves objects, replaces leaders and takes machines in, under load."""

from __future__ import annotations

import asyncio
import random
import time

import pytest

import ssms
from automata import call, object_type, readonly, ref, send
from ssms.cluster_app import ClusterApp
from ssms.on_ray.local_cluster import LocalCluster

pytestmark = pytest.mark.process

PURSES, CALLERS, ROUNDS = 30, 8, 2
PATIENCE_SECONDS = 60.0


@object_type(name="KilledCoordinatorPurse")
class Purse:
    key: str
    balance: int = 0
    moves: int = 0

    async def pay(self, to: str) -> int:
        self.balance -= 1
        self.moves += 1
        send(ref(Purse, to)._take())
        return self.moves

    async def pay_and_wait(self, to: str) -> int:
        self.balance -= 1
        self.moves += 1
        return await ref(Purse, to)._take()

    async def _take(self) -> int:
        self.balance += 1
        return self.balance

    @readonly
    async def look(self) -> tuple[int, int]:
        return self.balance, self.moves


@object_type(name="KilledCoordinatorLate")
class Late:
    async def hello(self) -> str:
        return "hello"


class Load:
    """Callers who pay until they are told to stop."""

    def __init__(self) -> None:
        self.acknowledged = 0
        self.stopping = False

    async def caller(self, number: int) -> None:
        chance = random.Random(number)
        turn = 0
        while not self.stopping:
            source, to = chance.sample(range(PURSES), 2)
            purse = ref(Purse, f"p{source}")
            pay = purse.pay if turn % 3 else purse.pay_and_wait
            await call(pay(f"p{to}"), idempotency_key=f"{number}-{turn}")
            self.acknowledged += 1
            turn += 1

    async def run(self) -> None:
        await asyncio.gather(*(self.caller(number) for number in range(CALLERS)))


class Killer:
    """Kills the coordinator a moment after something has begun, and lets it finish."""

    def __init__(self, cluster: LocalCluster) -> None:
        self.kills = 0
        self._cluster = cluster
        self._random = random.Random(1)

    async def during(self, work: object) -> object:
        task = asyncio.ensure_future(work)  # type: ignore[call-overload]
        await asyncio.sleep(self._random.uniform(0.0, 0.3))
        self.kills += await asyncio.to_thread(self._cluster.kill_coordinator)
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await task


async def settled(app: ClusterApp, stores: int) -> None:
    """Until each of the stores has a leader and a backup, on machines that are there, and its share of slots."""
    last = time.monotonic() + PATIENCE_SECONDS
    while True:
        status = await app.status()
        found = status["stores"]
        alive = {row["id"] for row in status["nodes"] if row["alive"]}
        lasting = {row["name"] for row in status["copies"] if row["node"] in alive and not row["suspect"]}
        even = max(row["slots"] for row in found) - min(row["slots"] for row in found) <= 1
        if (
            len(found) == stores
            and even
            and all(row["leader"] in lasting and len(lasting.intersection(row["backups"])) == 1 for row in found)
        ):
            return
        assert time.monotonic() < last, status
        await asyncio.sleep(0.2)


async def changes(cluster: LocalCluster, app: ClusterApp, killer: Killer) -> None:
    """One of each kind, with the coordinator killed in it."""
    await killer.during(app.deploy(Purse, Late))
    alive = [node.id async for node in app.nodes() if node.alive]
    for number in range(4):
        there = alive[number % len(alive)]
        await killer.during(app.move(ref(Purse, f"p{number}"), there))
        assert (await app.explain(ref(Purse, f"p{number}"))).node == there
    await killer.during(asyncio.to_thread(cluster.kill_host, alive[-1]))


async def scenario(cluster: LocalCluster) -> None:
    async with cluster.connect() as app:
        await app.deploy(Purse, Late)
        load, killer = Load(), Killer(cluster)
        running = asyncio.create_task(load.run())
        for _ in range(ROUNDS):
            before = load.acknowledged
            await changes(cluster, app, killer)
            await settled(app, 2)
            assert load.acknowledged > before
        await killer.during(asyncio.to_thread(cluster.add_node))
        await settled(app, 3)
        await killer.during(asyncio.to_thread(cluster.remove_node, "n2"))
        await settled(app, 3)
        assert await ref(Late, "x").hello() == "hello"
        load.stopping = True
        await running
        assert killer.kills >= ROUNDS * 3  # some hit nobody: it was not back yet
        await nothing_is_lost(app, load.acknowledged)


async def nothing_is_lost(app: ClusterApp, acknowledged: int) -> None:
    last = time.monotonic() + PATIENCE_SECONDS
    while True:
        looks = await asyncio.gather(*(ref(Purse, f"p{number}").look() for number in range(PURSES)))
        sums = (sum(balance for balance, _ in looks), sum(moves for _, moves in looks))
        if sums == (0, acknowledged):
            return
        if time.monotonic() > last:
            dead = [(letter.ref, letter.method, letter.error) async for letter in app.dead_letters()]
            stopped = [(letter.ref, letter.method, letter.error) async for letter in app.interrupted()]
            raise AssertionError(sums, acknowledged, dead, stopped, await app.stats(), await app.status())
        await asyncio.sleep(0.1)


def test_changes_are_finished_and_no_call_is_lost_whenever_the_coordinator_is_killed() -> None:
    with ssms.local_cluster(nodes=2, replicas=2) as cluster:
        asyncio.run(scenario(cluster))
