"""A coordinator for simulations: it finds out who is silent, and lets another copy lead, under rules that are real.

Only a copy in sync leads; each leader has an epoch of its own, taken by compare-and-set; old leaders are taken for dead
only if their processes are. What it has decided survives its death (`Decisions`), what it was doing does not.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from darq.errors import AutomataError
from ssms.placement import Placement, StorePlace
from tests.cluster.in_memory import Catalog, Cluster
from tests.cluster.processes import Process

LOOK_SECONDS = 0.2
CALL_SECONDS = 5.0


@dataclass
class Decisions:
    """What is kept in the database. leaders: processes that were ever told to lead a store."""

    placement: Placement
    leaders: dict[bytes, list[Process]] = field(default_factory=dict)


class Elector(Catalog):
    """One life of the coordinator's process. silent_seconds: after which it lets another copy lead."""

    def __init__(self, cluster: Cluster, decisions: Decisions, silent_seconds: float) -> None:
        self._silent_seconds = silent_seconds
        self._decisions = decisions
        super().__init__(cluster)
        self._heard: dict[str, float] = {}
        self._anew: set[str] = set()

    @property
    def placement(self) -> Placement:
        """The newest placement."""
        return self._decisions.placement

    @placement.setter
    def placement(self, placement: Placement) -> None:
        if placement.version > self._decisions.placement.version:
            self._decisions.placement = placement

    async def watch(self) -> None:
        """Look again and again, for as long as the process lives."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            silent_since = loop.time() - self._silent_seconds
            silent = {name for name in self._cluster.disks if self._heard.get(name, began) < silent_since}
            await asyncio.gather(*(self._mind(index, silent) for index in range(len(self.placement.stores))))

    async def _hello(self, copy: str, pid: int, epoch: int, group: int) -> None:
        self._heard[copy] = asyncio.get_running_loop().time()
        if self.placement.stores[_index(copy)].primary == copy:
            self._anew.add(copy)  # another life of it has led

    async def _alive(self, copy: str) -> None:
        self._heard[copy] = asyncio.get_running_loop().time()

    async def _mind(self, index: int, silent: set[str]) -> None:
        place = self.placement.stores[index]
        if place.primary and place.primary not in silent | self._anew:
            joining = set(self._cluster.copies_of(index)) - set(place.in_sync) - silent
            await asyncio.gather(*(self._ask(copy, "follow", place.epoch, place.primary) for copy in sorted(joining)))
            return
        ready = [copy for copy in place.in_sync if copy not in silent and (copy != place.primary or copy in self._anew)]
        if ready:
            await self._promote(place, ready[0])

    async def _promote(self, place: StorePlace, leader: str) -> None:
        old = self._decisions.leaders.setdefault(place.identity, [])
        dead = all(process.dead for process in old)
        # now and then at once without the old leader: only the lease that it was granted keeps it from answering
        gone = (leader, place.primary) if place.epoch % 2 else (leader,)
        others = tuple(copy for copy in place.in_sync if copy not in gone)
        place = self.set_store(place, epoch=place.epoch + 1, primary="", node="", backups=(leader, *others))
        self._anew.discard(leader)
        process = self._cluster.network.processes.get(leader)
        if process is not None:
            old.append(process)
        await self._ask(leader, "place", self.placement.encode())
        if not await self._ask(leader, "lead", place.epoch, others, dead):
            return
        now = self.placement.store(place.identity)
        if now.epoch != place.epoch or leader in self._anew:
            return
        backups = tuple(copy for copy in now.in_sync if copy != leader)
        self.set_store(now, primary=leader, node=leader.partition(".")[2], backups=backups)
        for copy in backups:
            await self._ask(copy, "follow", place.epoch, leader)

    async def _ask(self, copy: str, what: str, *args: Any) -> bool:
        """Whether it has done so."""
        try:
            async with asyncio.timeout(CALL_SECONDS):
                await self._cluster.copy(copy).call(what, *args)
        except (AutomataError, OSError, TimeoutError):
            return False
        return True


def _index(copy: str) -> int:
    return int(copy[1 : copy.index(".")])
