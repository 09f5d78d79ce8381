"""Copies of a store under crashes, pauses, cuts and a bad network, from a seed: nothing released is lost or doubled."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from darq import MemoryStore
from tests.unit.darq.replication.world import IDENTITY, Copy, World, run

ACTIONS = ["write"] * 8 + ["read"] * 6 + ["wait"] * 4 + ["crash", "restart", "restart", "promote", "promote dead"]
ACTIONS += ["pause", "resume", "resume", "cut", "heal", "heal", "new disk", "burst"]


class Scenario:
    """Random things that happen to a world, one after another."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.random = world.random

    async def run(self, actions: int) -> None:
        world = self.world
        await world.promote("a")
        for _ in range(actions):
            await self.act(self.random.choice(ACTIONS))
            await asyncio.sleep(self.random.choice([0, 0.001, 0.05, 0.5]))
        reads = [task for task in world.tasks if not task.done()]
        await asyncio.wait([*reads, world.begin(asyncio.sleep(6))], timeout=10)
        await world.settle()
        world.check_equal()
        for task in world.tasks:
            if task.done():
                task.result()

    async def act(self, action: str) -> None:
        world, chosen = self.world, self.random.choice(list(self.world.copies.values()))
        paused = chosen.name in world.network.paused
        match action:
            case "write" | "burst" | "read":
                self.ask(action)
            case "cut":
                world.network.cut.add(frozenset(self.random.sample(list(world.copies), 2)))
            case "heal":
                world.network.cut.clear()
            case "wait":
                await asyncio.sleep(self.random.random() * 3)
            case "pause" if not paused:
                world.network.pause(chosen.name)
            case "resume" if paused:
                world.network.resume(chosen.name)
            case _:
                await self.change(action, chosen)

    def ask(self, action: str) -> None:
        """Clients ask all copies that are there, whatever these are."""
        world = self.world
        for copy in world.copies.values():
            if not copy.alive or copy.name in world.network.paused:
                continue
            if action == "read":
                world.begin(world.read(copy))
            for _ in range({"write": 3, "burst": 60}.get(action, 0)):
                world.write(copy)

    async def change(self, action: str, chosen: Copy) -> None:
        world = self.world
        match action:
            case "crash" if chosen.alive and chosen.name not in world.network.paused:
                await chosen.crash()
            case "restart" if not chosen.alive:
                self.restart(chosen)
            case "promote" | "promote dead":
                await self.promote(chosen, dead=action == "promote dead")
            case "new disk" if not chosen.alive and chosen.name not in world.catalog.in_sync:
                chosen.disk = MemoryStore(world.network.random, IDENTITY)

    def restart(self, copy: Copy) -> None:
        copy.start()
        leader = self.world.leader()
        if leader is not None and leader is not copy and leader.primary is not None:
            leader.primary.attach(copy.name)

    async def promote(self, copy: Copy, dead: bool) -> None:
        world = self.world
        if copy.name not in world.catalog.in_sync or not copy.alive or copy.name in world.network.paused:
            return
        old = world.copies.get(world.catalog.primary)
        if dead and old is not None:
            if old.name in world.network.paused:
                world.network.resume(old.name)
            if old.alive:
                await old.crash()
            if old is copy:
                copy.start()
        world.promote(copy.name, old_is_dead=dead, keep=self.random.random() < 0.5 or old is copy)


def play(seed: int, chaos: float, actions: int) -> World:
    async def scenario() -> World:
        world = World(seed, chaos)
        try:
            await Scenario(world).run(actions)
        finally:
            await world.close()
        return world

    return run(scenario(), seed)


@settings(max_examples=max(150, settings().max_examples))
@given(seed=st.integers(0, 1 << 32), chaos=st.sampled_from([0.0, 0.02, 0.1]), actions=st.integers(5, 60))
def test_nothing_released_is_lost_or_doubled_whoever_leads(seed: int, chaos: float, actions: int) -> None:
    play(seed, chaos, actions)
