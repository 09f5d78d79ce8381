"""What a copy of a store has while it leads, and while it begins to."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from automata.engine import Doors, Engine, stop
from darq.errors import Fenced
from darq.replication import Primary
from ssms.giving import Giving
from ssms.lanes import Lanes
from ssms.peers import Unreachable

T = TypeVar("T")


@dataclass(frozen=True)
class Leading:
    """The parts of a copy that leads under one epoch. over: is done when it ceases to."""

    epoch: int
    primary: Primary
    engine: Engine
    doors: Doors
    lanes: Lanes
    giving: Giving
    over: asyncio.Future[None]

    async def unless_over(self, work: Coroutine[Any, Any, T]) -> T:
        """Do it unless this copy ceases to lead, which its caller takes as the end of the process."""
        task = asyncio.get_running_loop().create_task(work)
        try:
            await asyncio.wait((task, self.over), return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise Unreachable("this copy does not lead its store any more")
            return task.result()
        finally:
            task.cancel()

    async def stop(self, patience: tuple[float, float] | None = None) -> None:
        """Finish what runs, let the backups have all of it, and answer nobody any more. patience: as `engine.stop`.

        Where copies that must have it are missing, it is left to the next leader to find out what they hold.
        """
        ending = asyncio.get_running_loop().create_task(stop(self.engine, patience))
        await _done_or_short(ending, self.primary)
        if not ending.done():
            self.primary.fence(Fenced("too few copies are in sync to finish what has begun"))
        await ending  # before its lanes: what it still awaits from other stores is no outcome yet
        await self.lanes.close()
        await self.primary.stop()


@dataclass(frozen=True)
class Beginning:
    """A copy that begins to lead. work: ends when it leads, or raises why it does not."""

    primary: Primary
    work: asyncio.Task[None]

    async def over_or_short(self) -> None:
        """Wait until it leads, or until too few copies are in sync for that. Raises what `work` raises."""
        await _done_or_short(self.work, self.primary)
        if self.work.done():
            self.work.result()


async def _done_or_short(work: asyncio.Task[None], primary: Primary) -> None:
    """Wait until a task is done, or too few copies are in sync for that."""
    short = asyncio.get_running_loop().create_task(primary.short())
    try:
        await asyncio.wait((work, short), return_when=asyncio.FIRST_COMPLETED)
    finally:
        short.cancel()
