"""Whole clusters under all that can go wrong, a seed each: checkers that know nothing of clusters find no fault.

`make sim` tries SIM_EXAMPLES / 10 seeds, from SIM_SEED on. A seed that fails fails again: it decides everything.
"""

from __future__ import annotations

import os

import pytest

from tests.cluster.processes import run_processes
from tests.simulation.world import Plan, World

SEEDS = 12 if os.environ.get("SIM_EXAMPLES") is None else int(os.environ["SIM_EXAMPLES"]) // 10
FIRST = int(os.environ.get("SIM_SEED", "0"))


def run(seed: int) -> World:
    async def scenario() -> World:
        world = World(seed, Plan.of(seed))
        await world.run()
        return world

    return run_processes(scenario(), seed)


@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
def test_nothing_acknowledged_is_lost_nor_anything_done_twice(seed: int) -> None:
    world = run(seed)
    assert world.wrong == []
    assert world.history.acknowledged


def test_a_seed_decides_everything() -> None:
    assert run(3).history == run(3).history
