"""What copies are told: code of types, the placement, and their part - to lead or to follow.

A process that reports gets all types and the placement before its part, so that nothing it serves is unknown to it.
"""

from __future__ import annotations

import asyncio

from automata.context import logger
from darq.errors import AutomataError
from ssms.catalog import deployments, placements, stores
from ssms.catalog.rows import CopyRow
from ssms.coordinator.roll_call import RollCall
from ssms.coordinator.surroundings import Slow, Surroundings
from ssms.coordinator.upload_news import UploadNews
from ssms.coordinator.vigil import Vigil
from ssms.deployed import DeployedType
from ssms.peers import Unreachable
from ssms.placement import Placement

Leading = tuple[int, tuple[str, ...], bool]
"""Epoch, in-sync backups, and whether the leader of before is known to be dead."""


class Informing:
    """Tells copies what they have to know. unloadable: copies that cannot load all deployed types, and why; uploads:
    what they have to know of those.
    """

    def __init__(self, world: Surroundings, vigil: Vigil, roll: RollCall) -> None:
        self.unloadable: dict[str, str] = {}
        self._world = world
        self._vigil = vigil
        self._roll = roll
        self.uploads = UploadNews(world, vigil)
        self._pushed = 0
        self._pushing: asyncio.Task[None] | None = None
        self._closed = False

    # parts

    async def lead(self, copy: str, leading: Leading, seconds: float) -> bool:
        """Let a copy lead; whether it does. One that does not is suspect."""
        epoch, backups, old_is_dead = leading
        return await self._tell(copy, epoch, seconds, ("lead", epoch, list(backups), old_is_dead))

    async def follow(self, copy: str, epoch: int, leader: str) -> bool:
        """Let a copy follow; whether it does. One that does not is suspect."""
        return await self._tell(copy, epoch, self._world.settings.follow_seconds_max, ("follow", epoch, leader))

    async def forget(self, leader: str, copy: str) -> None:
        """Let a leader know that a copy exists no more. One that does not hear it tries to reach that copy in vain."""
        if leader and leader not in self._vigil.suspects:
            try:
                await self._world.ask(leader, self._world.settings.follow_seconds_max, "forget", copy)
            except (Unreachable, AutomataError) as error:
                logger.info("copy %s was not told that %s is gone: %s", leader, copy, error)

    async def _tell(self, copy: str, epoch: int, seconds: float, part: tuple[object, ...]) -> bool:
        row = await self._world.read(stores.copy, copy)
        if row is None or row.pid == 0:
            return False
        try:
            if row.told < 0:
                await self._equip(row, seconds)
            what, *args = part
            await self._ask_for(row, seconds, str(what), args)
        except (Unreachable, AutomataError) as error:
            logger.warning("copy %s was not told to %s under epoch %d: %s", copy, part[0], epoch, error)
            self._vigil.suspect(copy)
            return False
        if not await self._world.write(stores.set_told, copy, row.pid, epoch):
            return False
        self._vigil.watch(copy)
        self.placement_changed()
        return True

    async def _ask_for(self, row: CopyRow, seconds: float, what: str, args: list[object]) -> None:
        """Ask a copy to take a part. To lead takes as long as its store takes to recover: while that process lives it
        is asked for the same again, which is no error, and not for another epoch, with which it would begin anew.
        """
        while True:
            try:
                await self._world.ask(row.name, seconds, what, *args)
            except Slow:
                now = await self._world.read(stores.copy, row.name)
                if what != "lead" or now is None or now.pid != row.pid or not self._vigil.lives(row.name):
                    raise
                logger.info("copy %s still recovers its store: it is waited for", row.name)
            else:
                return

    async def _equip(self, row: CopyRow, seconds: float) -> None:
        types = await self._world.read(deployments.newest_types)
        await self.load(row.name, types, seconds)
        await self.uploads.tell(row.name, seconds)
        placement = await self.placement()
        await self._world.ask(row.name, seconds, "place", placement.encode())

    async def load(self, copy: str, types: list[DeployedType], seconds: float) -> None:
        """Let a copy load types. Code that cannot be loaded keeps nobody from serving the rest. Raises Unreachable."""
        try:
            await self._world.ask(copy, seconds, "load", [made.encode() for made in types])
        except AutomataError as error:
            self.unloadable[copy] = str(error)
            logger.error("copy %s cannot load the deployed types: %s", copy, error)
        else:
            self.unloadable.pop(copy, None)

    def trouble(self, copy: str) -> str:
        """What a copy cannot load or run, "" for nothing."""
        uploads = self.uploads.trouble.get(copy, {})
        return self.unloadable.get(copy, "") or "; ".join(f"the upload {name}: {why}" for name, why in uploads.items())

    # placements

    async def placement(self) -> Placement:
        """The newest placement."""
        alive = {node.id: (node.alive, node.is_head) for node in self._roll.present.values()}
        return await self._world.read(placements.placement, alive)

    def placement_changed(self) -> None:
        """Let all copies have the newest placement soon. Those that miss it ask for it when they need it."""
        if self._pushing is None and not self._closed:
            self._pushing = asyncio.get_running_loop().create_task(self._push())

    async def close(self) -> None:
        """Tell nobody any more."""
        self._closed = True
        if self._pushing is not None:
            self._pushing.cancel()
            await asyncio.gather(self._pushing, return_exceptions=True)

    async def _push(self) -> None:
        while True:
            newest = await self.placement()
            if newest.version <= self._pushed:
                self._pushing = None
                return
            data = newest.encode()
            rows = await self._world.read(stores.all_copies)
            known = [row.name for row in rows if row.told >= 0 and row.name not in self._vigil.suspects]
            await asyncio.gather(*(self._place(copy, data) for copy in known))
            self._pushed = newest.version

    async def _place(self, copy: str, data: bytes) -> None:
        try:
            await self._world.ask(copy, self._world.settings.head_seconds_max, "place", data)
        except (Unreachable, AutomataError) as error:
            logger.info("copy %s did not take the placement: %s", copy, error)
