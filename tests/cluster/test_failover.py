"""Copies that die, pause and come back: nothing acknowledged is lost, nothing happens twice."""

from __future__ import annotations

import asyncio
import random

import pytest

from automata import gather, ref
from darq.errors import OutcomeUnknown
from ssms.peers import Unreachable
from tests.cluster.in_memory import Cluster, cluster
from tests.cluster.processes import virtually
from tests.cluster.purses import KEYS, Purse, key_in_each
from tests.memory_app import settled


class Load:
    """Callers that move money until they are stopped."""

    def __init__(self) -> None:
        self.acknowledged = 0
        self.stopping = False

    async def caller(self, n: int) -> None:
        rng = random.Random(n)
        i = 0
        while not self.stopping:
            source, to = rng.sample(KEYS, 2)
            purse = ref(Purse, source)
            i += 1
            await (purse.pay(to, 1) if i % 3 else purse.pay_and_wait(to, 1))
            self.acknowledged += 1

    async def more(self, calls: int) -> None:
        """Wait until so many more were acknowledged."""
        wanted = self.acknowledged + calls
        while self.acknowledged < wanted:  # noqa: ASYNC110 - many callers count
            await asyncio.sleep(0.001)


async def balanced(running: Cluster, load: Load) -> None:
    async def total() -> int:
        return sum(await gather(*(ref(Purse, key).look() for key in KEYS)))

    await settled(total, 0)


@virtually
async def test_a_backup_takes_over_from_a_primary_that_died() -> None:
    async with cluster(stores=2, replicas=2) as running, running.connect() as app, asyncio.timeout(30):
        load = Load()
        callers = [asyncio.create_task(load.caller(n)) for n in range(6)]
        await load.more(50)
        await running.kill("s0.n0")
        await running.lead("s0.n1", [], old_is_dead=True)
        await load.more(50)
        await running.begin("s0.n0")
        place = running.catalog.placement.stores[0]
        await running.network.serve("s0.n0", "follow", (place.epoch, "s0.n1"))
        while "s0.n0" not in running.catalog.placement.stores[0].backups:  # noqa: ASYNC110 - a primary sets it
            await asyncio.sleep(0.01)
        await load.more(50)
        await running.kill("s0.n1")
        await running.lead("s0.n0", [], old_is_dead=True)
        await load.more(50)
        load.stopping = True
        await asyncio.gather(*callers)
        await balanced(running, load)
        moves = [(await app.inspect(ref(Purse, key)))["moves"] for key in KEYS]
        assert sum(moves) == load.acknowledged


@virtually
async def test_a_store_with_one_copy_goes_on_when_its_process_is_back() -> None:
    async with cluster(stores=2, replicas=1) as running, running.connect() as app, asyncio.timeout(30):
        load = Load()
        callers = [asyncio.create_task(load.caller(n)) for n in range(6)]
        for _ in range(3):
            await load.more(30)
            await running.kill("s1.n1")
            await asyncio.sleep(0.02)
            await running.begin("s1.n1")
            await running.lead("s1.n1", [], old_is_dead=True)
        await load.more(30)
        load.stopping = True
        await asyncio.gather(*callers)
        await balanced(running, load)
        moves = [(await app.inspect(ref(Purse, key)))["moves"] for key in KEYS]
        assert sum(moves) == load.acknowledged


@virtually
@pytest.mark.parametrize("seed", range(2))
async def test_a_paused_primary_that_wakes_answers_nothing(seed: int) -> None:
    async with cluster(stores=1, replicas=2, seed=seed) as running, running.connect(), asyncio.timeout(30):
        old = running.server("s0.n0")
        await ref(Purse, "a").add(1)
        running.pause("s0.n0")
        await running.lead("s0.n1", [])
        assert await ref(Purse, "a").add(1) == 2
        assert old._leading is None or not old._leading.primary.leased()


@virtually
async def test_messages_to_a_paused_primary_go_to_its_successor() -> None:
    async with cluster(stores=2, replicas=2) as running, running.connect() as app, asyncio.timeout(60):
        payer, payee = key_in_each(running.catalog.placement)
        running.pause("s1.n1")
        await ref(Purse, payer).pay(payee, 1)
        await asyncio.sleep(0.1)  # the message waits for the answer of a process that stands still
        await running.lead("s1.n0", [])
        await settled(app.ref(Purse, payee).look, 1)


@virtually
async def test_a_backup_whose_disk_has_failed_once_begins_anew() -> None:
    async with cluster(stores=1, replicas=2) as running, running.connect(), asyncio.timeout(60):
        assert await ref(Purse, "a").add(1) == 1
        running.disks["s0.n1"].fail_next_flush = OSError("broken")
        assert await ref(Purse, "a").add(1) == 2
        assert "s0.n1" not in running.running()
        place = running.catalog.placement.stores[0]
        assert place.backups == ()
        await running.begin("s0.n1")
        await running.network.serve("s0.n1", "follow", (place.epoch, "s0.n0"))
        while "s0.n1" not in running.catalog.placement.stores[0].backups:  # noqa: ASYNC110 - a primary sets it
            await asyncio.sleep(0.01)


@virtually
async def test_a_copy_whose_disk_fails_as_it_is_to_lead_begins_anew() -> None:
    async with cluster(stores=1, replicas=2) as running, running.connect(), asyncio.timeout(60):
        assert await ref(Purse, "a").add(1) == 1
        await running.kill("s0.n0")
        running.disks["s0.n1"].fail_next_flush = OSError("broken")
        with pytest.raises((OutcomeUnknown, Unreachable)):
            await running.lead("s0.n1", [], old_is_dead=True)
        assert "s0.n1" not in running.running()
        await running.begin("s0.n1")
        await running.lead("s0.n1", [], old_is_dead=True)
        assert await ref(Purse, "a").add(1) == 2
