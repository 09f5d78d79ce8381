"""Transactions whose objects live in several stores: all or nothing, one after the other, whoever dies meanwhile."""

from __future__ import annotations

import asyncio
import functools
import os
import random
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from automata import gather, ref
from automata.testing.loop import run_virtually
from tests.cluster.accounts import ACCOUNTS, Account, Insufficient, Teller
from tests.cluster.in_memory import Cluster, cluster
from tests.cluster.interruptions import STEPS, Death, Interrupted, nothing_left

SEEDS = int(os.environ.get("SIM_EXAMPLES", "4"))
PATIENCE_SECONDS = 120.0  # of virtual time


def in_virtual_time(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Let an async test function run on a loop of its own, whose time passes by itself."""

    @functools.wraps(test)
    def run(*args: object, **kwargs: object) -> None:
        async def limited() -> None:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await test(*args, **kwargs)

        run_virtually(limited())

    return run


class Load:
    """Callers that move money between accounts, and readers of all of them, until so many calls were acknowledged."""

    def __init__(self, seed: int, tellers: int = 4, readers: int = 2) -> None:
        self.moves = dict.fromkeys([f"t{n}" for n in range(tellers)], 0)
        self.readers = [f"r{n}" for n in range(readers)]
        self.random = random.Random(seed)
        self.sums: list[int] = []
        self.stopping = False

    async def prepare(self) -> None:
        await gather(*(ref(Account, key).deposit(100) for key in ACCOUNTS))

    async def run(self, moves: int) -> None:
        await asyncio.gather(*(self._move(name, moves) for name in self.moves), *map(self._read, self.readers))

    async def _move(self, name: str, moves: int) -> None:
        for _ in range(moves):
            source, target = self.random.sample(ACCOUNTS, 2)
            try:
                await ref(Teller, name).transfer(source, target, self.random.randrange(1, 80))
                self.moves[name] += 1
            except Insufficient:
                pass
        self.stopping = True

    async def _read(self, name: str) -> None:
        while not self.stopping:
            self.sums.append(sum(await ref(Teller, name).total(ACCOUNTS)))

    async def check(self, app: Any) -> None:
        """No money is lost or made, nobody has seen a sum that never was, and each call has happened once."""
        left = await gather(*(ref(Account, key).get() for key in ACCOUNTS))
        assert sum(left) == 100 * len(ACCOUNTS)
        assert min(left) >= 0
        assert set(self.sums) <= {100 * len(ACCOUNTS)}
        moves = {name: (await app.inspect(ref(Teller, name))).get("moves", 0) for name in self.moves}
        assert moves == self.moves


async def loaded(running: Cluster, seed: int, moves: int = 6) -> None:
    async with running.connect() as app:
        load = Load(seed)
        await load.prepare()
        await load.run(moves)
        await nothing_left(running)
        await load.check(app)


@in_virtual_time
async def test_objects_of_several_stores_change_together() -> None:
    async with cluster(stores=3) as running, running.connect():
        await gather(*(ref(Account, key).deposit(100) for key in ACCOUNTS))
        for n, key in enumerate(ACCOUNTS):
            assert await ref(Teller, "t").transfer(key, ACCOUNTS[(n + 3) % 8], 10) == (90 if n < 3 else 100)
        assert await ref(Teller, "t").total(ACCOUNTS) == [100] * 8


@pytest.mark.parametrize("replicas", [1, 2])
@pytest.mark.parametrize("seed", range(SEEDS))
@in_virtual_time
async def test_concurrent_transactions_come_one_after_the_other(seed: int, replicas: int) -> None:
    async with cluster(stores=3, replicas=replicas, seed=seed) as running:
        await loaded(running, seed)


@pytest.mark.parametrize("seed", range(SEEDS))
@in_virtual_time
async def test_a_network_that_loses_doubles_and_delays(seed: int) -> None:
    async with cluster(stores=3, seed=seed) as running:
        network = running.network
        network.lost, network.doubled, network.delay_seconds = 0.05, 0.1, 0.02
        await loaded(running, seed)


@pytest.mark.parametrize("replicas", [1, 2])
@pytest.mark.parametrize("sender", [False, True], ids=["receiver", "sender"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", STEPS)
@in_virtual_time
async def test_a_death_at_each_step(step: str, after: bool, sender: bool, replicas: int) -> None:
    async with cluster(stores=2, replicas=replicas) as running:
        deaths = [Death(step, nth, after, sender) for nth in (2, 5)]
        interrupted = Interrupted(running, deaths)
        await loaded(running, seed=1, moves=4)
        assert all(death.happened for death in deaths)
        await interrupted.settled()


@pytest.mark.parametrize("replicas", [1, 2])
@pytest.mark.parametrize("seed", range(SEEDS))
@in_virtual_time
async def test_deaths_at_any_time_under_a_faulty_network(seed: int, replicas: int) -> None:
    async with cluster(stores=3, replicas=replicas, seed=seed) as running:
        network, chance = running.network, random.Random(seed)
        network.lost, network.doubled, network.delay_seconds = 0.02, 0.05, 0.01
        interrupted = Interrupted(running, [])

        async def kill() -> None:
            for _ in range(3):
                await asyncio.sleep(chance.random() * 0.5)
                await interrupted.settled()
                await interrupted.kill(chance.choice([place.primary for place in running.catalog.placement.stores]))

        killing = asyncio.create_task(kill())
        await loaded(running, seed)
        await killing
        await interrupted.settled()
