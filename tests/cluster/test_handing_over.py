"""Machines lead evenly again after failovers: stores are handed over under load; nothing is lost, doubled or late."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from automata import gather, ref
from automata.testing.loop import run_virtually
from ssms.cluster_app import ClusterApp
from ssms.coordinator import Settings
from tests.cluster.coordinated import Coordinated, coordinated
from tests.cluster.load import Load
from tests.cluster.purses import Purse

KEYS = [f"h{number}" for number in range(24)]
PAUSE_SECONDS_MAX = 0.04


class Waiting(Load):
    """Callers, and the longest that any of them has waited."""

    def __init__(self, running: Coordinated, app: ClusterApp, seed: int) -> None:
        super().__init__(running, app, seed, KEYS)
        self.slowest = 0.0

    @asynccontextmanager
    async def paying(self, rng: random.Random) -> AsyncIterator[None]:
        """Around each call."""
        begun = asyncio.get_running_loop().time()
        yield
        self.slowest = max(self.slowest, asyncio.get_running_loop().time() - begun)
        await asyncio.sleep(rng.random() * PAUSE_SECONDS_MAX)  # else most of the test would be load

    async def fail_over(self) -> None:
        """The process that leads the second store dies, and is back only when another leads."""
        await self.running._end("s1.n1")
        await self.running.until(lambda: self.running.leader(1) == "s1.n2")
        await self.running._begin("s1.n1")

    async def even(self, copies: int = 2) -> None:
        """Wait until each store is whole, and living nodes lead as many as each other, but for one at most."""
        await self.running.until(lambda: self.running.settled(copies) and self._even())

    def _even(self) -> bool:
        found = self.running.rows()
        nodes = {copy.name: copy.node for copy in found.copies}
        leads = Counter({node: 0 for node, alive in self.running.alive.items() if alive})
        leads.update(nodes[row.leader] for row in found.stores)
        return max(leads.values()) - min(leads.values()) <= 1

    async def check(self) -> None:
        async def total() -> int:
            return sum(await gather(*(ref(Purse, key).look() for key in KEYS)))

        async with asyncio.timeout(60):
            while await total() != 0:  # noqa: ASYNC110 - messages are under way
                await asyncio.sleep(0.1)
        moves = [(await self.app.inspect(ref(Purse, key)))["moves"] for key in KEYS]
        assert sum(moves) == self.acknowledged


Scenario = Callable[[Waiting], Awaitable[None]]


def under_load(scenario: Scenario, folder: Path, *nodes: str, seed: int = 0, settings: Settings | None = None) -> None:
    """Run a scenario on a cluster under load, and see that all adds up."""

    async def run() -> None:
        cluster = coordinated(folder, *nodes, replicas=2, seed=seed, settings=settings)
        async with cluster as running, running.connect() as app:
            load = Waiting(running, app, seed)
            callers = [asyncio.create_task(load.caller(n)) for n in range(2)]
            try:
                await load.more(30)
                await scenario(load)
                await load.more(30)
                load.stopping = True
                await asyncio.gather(*callers)
                await load.check()
            finally:
                for task in callers:
                    task.cancel()

    run_virtually(run())


@pytest.mark.parametrize("seed", range(2))
def test_a_node_whose_leader_was_killed_leads_again(tmp_path: Path, seed: int) -> None:
    async def scenario(load: Waiting) -> None:
        await load.fail_over()
        await load.even()
        assert load.running.leader(1) == "s1.n1"
        await load.more(30)

    under_load(scenario, tmp_path, "x", "y", "z", seed=seed)


def test_callers_wait_but_shortly_while_a_store_is_handed_over(tmp_path: Path) -> None:
    async def scenario(load: Waiting) -> None:
        await load.fail_over()
        await load.running.until(lambda: load.running.settled(2))
        await load.more(60)  # whoever has waited for the failover has his answer
        load.slowest = 0.0
        before = load.running.network.servers.copy()
        await load.even()
        await load.more(30)
        assert ("s1.n2", "resign") in load.running.network.calls
        assert load.running.network.servers == before, "no process was restarted for it"
        assert load.slowest < 0.6  # in virtual time: no lease was waited for

    under_load(scenario, tmp_path, "x", "y", "z")


def test_survivors_of_a_lost_machine_lead_evenly(tmp_path: Path) -> None:
    async def scenario(load: Waiting) -> None:
        await load.fail_over()
        await load.running.until(lambda: load.running.settled(2))  # else what only z holds would be lost with it
        assert [load.running.leader(n) for n in range(3)] == ["s0.n0", "s1.n2", "s2.n2"]
        await load.running.lose("z")
        await load.even()
        for key in KEYS[:4]:
            here = (await load.app.explain(ref(Purse, key))).node
            there = "y" if here == "x" else "x"
            await load.app.move(ref(Purse, key), there)
            assert (await load.app.explain(ref(Purse, key))).node == there

    under_load(scenario, tmp_path, "x", "y", "z")


def test_an_object_moves_to_a_node_that_leads_nothing_yet(tmp_path: Path) -> None:
    async def scenario(load: Waiting) -> None:
        await load.fail_over()
        nodes = {key: (await load.app.explain(ref(Purse, key))).node for key in KEYS}
        assert "y" not in nodes.values()
        key = next(key for key, node in nodes.items() if node == "x")
        await load.app.move(ref(Purse, key), "y")
        assert (await load.app.explain(ref(Purse, key))).node == "y"

    never_balanced = Settings(calm_ticks=1_000_000)  # so that only the move can have given it a store
    under_load(scenario, tmp_path, "x", "y", "z", settings=never_balanced)


@pytest.mark.parametrize("victim", ["s1.n2", "s1.n1", "coordinator"])
@pytest.mark.parametrize(("copy", "asked"), [("s1.n2", "resign"), ("s1.n1", "lead")])
def test_a_hand_over_ends_well_whoever_dies_in_it(tmp_path: Path, victim: str, copy: str, asked: str) -> None:
    async def scenario(load: Waiting) -> None:
        await load.fail_over()
        calls = load.running.network.calls
        before = len(calls)
        while (copy, asked) not in calls[before:]:  # noqa: ASYNC110 - the coordinator asks
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.003)  # so that the call is there
        await (load.running.kill_coordinator() if victim == "coordinator" else load.running.kill(victim))
        await load.even()

    under_load(scenario, tmp_path, "x", "y", "z")
