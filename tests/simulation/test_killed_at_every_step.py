"""The process that takes a step dies at it: each step of a call, a nested call and a message between stores, once.

Steps are calls that leave and arrive, answers, writes and flushes, of primaries, backups and the coordinator's asking.
"""

from __future__ import annotations

import asyncio
import os

import pytest

from automata import ref
from ssms.cluster_app import ClusterApp
from tests.cluster.network import Event
from tests.cluster.processes import run_processes
from tests.simulation.cells import Cell
from tests.simulation.world import HEALED_SECONDS, KEYS, Plan, World

SHARES = 4 if os.environ.get("SIM_EXAMPLES") is None else 1
"""Tests that share the steps."""
EVERY = 1 if SHARES == 1 else 16  # steps, in the suite
STEPS_MAX = 250


class Killing(World):
    """A quiet world, in which one step is the last one of the process that takes it. at: which; 0: none."""

    def __init__(self, replicas: int, at: int) -> None:
        super().__init__(1, Plan(2, replicas))
        self.at = at
        self.steps = 0

    async def _live(self, app: ClusterApp) -> None:
        here, there = await self._pair(app)
        self.cluster.network.watch = self._watch
        async with asyncio.timeout(HEALED_SECONDS):
            for method, arguments in (("pay_and_wait", (there, 3)), ("pay", (there, 2)), ("add", (10,))):
                op = self.history.begin(method, here, arguments, self._now())
                version = await getattr(ref(Cell, here), method)(op.name, *arguments)
                self.history.end(op, version, self._now())
            await self._settle(app)

    async def _pair(self, app: ClusterApp) -> tuple[str, str]:
        """Two cells that live in different stores."""
        nodes = {key: (await app.explain(ref(Cell, key))).node for key in KEYS}
        return KEYS[0], next(key for key in KEYS if nodes[key] != nodes[KEYS[0]])

    def _watch(self, event: Event) -> None:
        if event.who in self.cluster.disks:
            self.steps += 1
            if self.steps == self.at:
                self.cluster.end(event.who, self.cluster.network.processes[event.who])

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def killed(replicas: int, at: int) -> Killing:
    async def scenario() -> Killing:
        world = Killing(replicas, at)
        await world.run()
        return world

    return run_processes(scenario(), 1)


@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.parametrize("replicas", [1, 2])
def test_everything_happens_once_whoever_dies_at_whichever_step(replicas: int, share: int) -> None:
    steps = min(STEPS_MAX, killed(replicas, 0).steps)
    assert steps > 30
    for at in range(1 + share, steps + 1, EVERY):
        world = killed(replicas, at)
        assert world.steps >= at
        assert (at, world.wrong) == (at, [])
        assert len(world.history.acknowledged) == 3
