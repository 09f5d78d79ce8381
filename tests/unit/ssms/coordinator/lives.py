"""The lives of a coordinator: each ends at a moment that the test chooses, and another begins over the same disk."""

from __future__ import annotations

import asyncio
import contextvars
import math
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from automata.testing.death import die
from automata.testing.disk import Died, Disk, Life
from automata.testing.loop import run_virtually
from darq.limits import Limits
from darq.memory import MemoryBatch
from ssms.catalog import Catalog
from ssms.catalog.outlook import Outlook, outlook
from ssms.catalog.rows import CopyState
from ssms.coordinator import Coordinator, Settings, Surroundings
from ssms.placement import Placement
from tests.unit.ssms.coordinator.fake_cluster import FakeCluster

RESTART_SECONDS = 0.2
BEGINNING = 1_900_000_000.0


class Fate:
    """Counts the commit groups of all lives, and lets one life end before, or after, one of them."""

    def __init__(self, boundary: int = 0, untold: bool = False) -> None:
        self.groups = 0
        self.struck = False
        self._boundary, self._untold = boundary, untold

    def before_write(self, batch: MemoryBatch) -> None:
        self.groups += 1
        self._strike(False)

    def after_write(self, flush: Callable[[], None]) -> None:
        pass

    def before_flush(self) -> None:
        pass

    def before_release(self) -> None:
        self._strike(True)

    def stop(self) -> None:
        self.struck = True

    def _strike(self, untold: bool) -> None:
        if not self.struck and self.groups == self._boundary and untold is self._untold:
            self.struck = True
            raise Died("the coordinator was killed")


class World:
    """A cluster of fakes, a catalog, and a coordinator that comes back whenever it is killed."""

    def __init__(self, folder: Path, *nodes: str, fate: Fate | None = None, settings: Settings | None = None) -> None:
        self.cluster = FakeCluster(*nodes)
        self.catalog = Catalog(f"sqlite:///{folder}/catalog.db", "c1")
        self.disk = Disk(random.Random(0), 1000)
        self.fate = fate or Fate()
        self.settings = settings or Settings()
        self.coordinator: Coordinator | None = None
        self.lives = 0
        self.left: list[BaseException] = []
        self._reviving: asyncio.Task[None] | None = None

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        world = Surroundings(
            self.catalog,
            self.cluster,
            self.cluster,
            self.settings,
            clock=lambda: BEGINNING + loop.time(),
            random=random.Random(self.lives),
            leave=self.left.append,
        )
        self.lives += 1

        def life() -> Life:
            return Life(self.disk, self.fate, lambda: self._died(opening), lambda: False)

        limits = Limits(group_steps_max=1, inline_flush_seconds_max=math.inf)
        self.coordinator = opening = Coordinator(world, life, limits)
        await opening.open()
        self.cluster.serve = opening.serve

    async def crash(self) -> None:
        """The coordinator is killed; another is there when this returns."""
        assert self.coordinator is not None
        self._died(self.coordinator)
        await self.revived()

    async def revived(self) -> None:
        while self._reviving is not None:
            await asyncio.wait([self._reviving])

    def _died(self, whose: Coordinator) -> None:
        if whose is self.coordinator and self._reviving is None:
            self.cluster.serve = None
            outside = contextvars.Context()  # it may have died in the middle of a method, in which its successor is not
            self._reviving = asyncio.get_running_loop().create_task(self._revive(whose), context=outside)

    async def _revive(self, dead: Coordinator) -> None:
        engine = dead._workshop._engine
        dead._workshop._engine = None
        beside = [task for task in (dead._ticking, *dead._beside) if task is not None]
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        await dead._vigil.close()
        await dead._informing.close()
        if engine is not None:
            await die(engine)
        await asyncio.sleep(RESTART_SECONDS)
        self.disk.crash()
        self._reviving = None
        await self.open()

    async def close(self) -> None:
        await self.revived()
        self.fate.stop()
        self.cluster.end()
        assert self.coordinator is not None
        await self.coordinator.close()
        self.catalog.close()

    # asking

    async def call(self, what: str, *args: Any) -> Any:
        """As a peer does: asked again until there is an answer."""
        while True:
            serve, life = self.cluster.serve, self.lives
            if serve is not None:
                answer = asyncio.ensure_future(serve(what, args))
                while not answer.done() and life == self.lives and self._reviving is None:
                    await asyncio.wait([answer], timeout=0.01)
                if answer.done() and self._reviving is None and life == self.lives:
                    return answer.result()
                answer.cancel()
                await asyncio.gather(answer, return_exceptions=True)
            await asyncio.sleep(0.05)

    def rows(self) -> Outlook:
        return self.catalog.read(outlook)

    async def placement(self) -> Placement:
        return Placement.decode(await self.call("placement", 0))

    async def until(self, condition: Callable[[], bool], seconds: float = 60.0) -> None:
        """Wait, in virtual time."""
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - it looks from outside, where nothing tells
                await asyncio.sleep(0.05)

    def settled(self, copies: int) -> bool:
        """Whether each store has a leader that was told, and so many copies in sync, and no others."""
        found = self.rows()
        by_name = {copy.name: copy for copy in found.copies}
        return (
            bool(found.stores)
            and self._reviving is None
            and all(
                row.leader
                and by_name[row.leader].told == row.epoch
                and row.leader in self.cluster.processes
                and self.cluster.processes[row.leader].role == "leader"
                and self.cluster.processes[row.leader].epoch == row.epoch
                and len(row.in_sync) == copies
                and {copy.name for copy in found.copies if copy.store == row.identity} == set(row.in_sync)
                and all(copy.state is CopyState.STAYING for copy in found.copies if copy.store == row.identity)
                for row in found.stores
            )
        )

    def check(self) -> None:
        """Nothing that must not happen has happened, and no process or directory is there that nobody knows."""
        assert self.cluster.audit.faults == []
        found = self.rows()
        assert set(self.cluster.processes) <= {copy.name for copy in found.copies}
        kept = {(copy.node, copy.name) for copy in found.copies}
        living = {(node, name) for node, name in self.cluster.disks if self.cluster.alive[node]}
        assert living <= kept


Scenario = Callable[[World], Awaitable[None]]


def play(
    scenario: Scenario, folder: Path, *nodes: str, fate: Fate | None = None, settings: Settings | None = None
) -> World:
    """Run a scenario in virtual time, in a world of its own."""

    async def run() -> World:
        world = World(folder, *nodes, fate=fate, settings=settings)
        await world.open()
        try:
            await scenario(world)
        finally:
            await world.close()
        world.check()
        return world

    return run_virtually(run())
