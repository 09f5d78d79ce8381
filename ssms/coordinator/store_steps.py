"""The steps of the workflows of one store. Each may be done again: a coordinator that was killed does not know.

What changes the catalog is a compare-and-set; what is asked of copies is idempotent for each epoch.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass

from automata.context import logger
from darq.errors import AutomataError
from ssms.catalog import Outrun, stores
from ssms.catalog.elections import lose_part, take_epoch
from ssms.catalog.outlook import Outlook, outlook
from ssms.catalog.rows import ClusterState, CopyState, StoreRow
from ssms.coordinator.balancing import Led, next_shift
from ssms.coordinator.informing import Informing
from ssms.coordinator.plan import (
    Act,
    Add,
    Elect,
    Halt,
    Inform,
    Mark,
    Shift,
    Start,
    View,
    decide,
    followers,
    hand_over_to,
    led,
    node_views,
    whole,
)
from ssms.coordinator.roll_call import RollCall
from ssms.coordinator.surroundings import Surroundings
from ssms.coordinator.vigil import Vigil
from ssms.peers import Unreachable

_DOUBLINGS_MAX = 6

Heads = dict[str, tuple[int, int]]
"""(epoch, group) of the last group that each copy holds."""


@dataclass(frozen=True)
class Won:
    """An epoch that was taken. absent: in-sync copies of before that take no part in it."""

    store: bytes
    epoch: int
    leader: str
    backups: tuple[str, ...]
    absent: tuple[str, ...]


class StoreSteps:
    """What workflows of stores do, outside of their own state. They answer whether they were done, and never raise.

    emptied: stores that cannot be led as all in-sync copies that answer have lost what they held; the names of those.
    """

    def __init__(self, world: Surroundings, vigil: Vigil, roll: RollCall, informing: Informing) -> None:
        self.emptied: dict[bytes, tuple[str, ...]] = {}
        self._world = world
        self._vigil = vigil
        self._roll = roll
        self._informing = informing
        self._begun: dict[bytes, int] = {}
        self._failures: dict[bytes, int] = {}
        self._states: dict[bytes, tuple[object, int]] = {}

    @property
    def retry_seconds(self) -> float:
        """How long a workflow waits before it tries again what could not be done."""
        return self._world.settings.retry_seconds

    # deciding

    async def look(self, identity: bytes) -> Act | None:
        """What has to be done next for a store."""
        found = await self._world.read(outlook)
        return self.next_act(found, identity)

    async def hand_over(self, identity: bytes, heir: str) -> Shift | None:
        """How a store that is well gets this copy as its leader; None if it is not to be."""
        found = await self._world.read(outlook)
        if found.state is not ClusterState.RUNNING:
            return None
        return hand_over_to(heir, self._views(found)[identity])

    def next_act(self, found: Outlook, identity: bytes) -> Act | None:
        """What has to be done next for a store, in this state of the catalog."""
        row = next((row for row in found.stores if row.identity == identity), None)
        if row is None or found.state is not ClusterState.RUNNING:
            return None
        views = self._views(found)
        return decide(views[identity]) or self._shift(views, identity)

    def _views(self, found: Outlook) -> dict[bytes, View]:
        nodes = node_views(
            [(node.id, node.state) for node in found.nodes],
            self._roll.alive,
            self._roll.lost,
            found.copies,
            frozenset(store.leader for store in found.stores),
        )
        suspects, started = frozenset(self._vigil.suspects), self._vigil.started
        return {
            row.identity: View(
                row,
                tuple(copy for copy in found.copies if copy.store == row.identity),
                nodes,
                suspects,
                started,
                patient=self._ticks_since_begun(row.identity) < self._world.settings.begin_ticks_max,
            )
            for row in found.stores
        }

    def _ticks_since_begun(self, identity: bytes) -> int:
        return self._vigil.ticks - self._begun.setdefault(identity, self._vigil.ticks)

    def _shift(self, views: dict[bytes, View], identity: bytes) -> Shift | None:
        """Whether this store is the next that shall be led elsewhere: while all are led, one at a time.

        A copy that is about to be in sync is waited for, rather than another store handed over in its place.
        """
        calm = [self._calm(view) for view in views.values()]  # all are looked at, so that their times are known
        if not any(calm) or not all(led(view) for view in views.values()):
            return None
        stores = [Led(store, view.by_name[view.store.leader].node, followers(view)) for store, view in views.items()]
        nodes = views[identity].nodes.values()
        found = next_shift(stores, [node.id for node in nodes if node.alive and node.takes and not node.lost])
        view = views[identity]
        if found is None or found[0] != identity or not self._calm(view) or not whole(view):
            return None
        return Shift(found[1], view.store)

    def _calm(self, view: View) -> bool:
        """Whether nothing has changed about a store, or its processes, for some time."""
        state = (view.store.revision, *((copy.name, copy.pid, copy.told) for copy in view.copies))
        known, since = self._states.get(view.store.identity, (None, 0))
        if known != state:
            self._states[view.store.identity] = (state, self._vigil.ticks)
            return False
        return self._vigil.ticks - since >= self._world.settings.calm_ticks

    # acting

    async def perform(self, identity: bytes, act: Act) -> bool:
        """Do an act that is one step."""
        try:
            match act:
                case Start(copies):
                    return all(await asyncio.gather(*(self._start(identity, copy) for copy in copies)))
                case Inform(copies):
                    return any(await asyncio.gather(*(self._follow(identity, copy) for copy in copies)))
                case Add(node):
                    await self._world.write(stores.add_copy, identity, node)
                case Mark(copy, state):
                    await self._world.write(stores.set_copy_state, copy, state)
                case Halt(copy):
                    return await self._halt(copy)
        except Outrun as error:
            logger.info("%s: looking again", error)
        return True

    async def _start(self, identity: bytes, copy: str) -> bool:
        row = await self._world.read(stores.copy, copy)
        if row is None:
            return True
        self._vigil.starting(copy, self._world.settings.absent_ticks_max)
        done = await self._world.try_machines(lambda machines: machines.start_copy(row.node, identity, copy))
        if done:
            self._vigil.starting(copy, math.inf)
        return True

    async def _halt(self, copy: str) -> bool:
        done = await self._world.try_machines(lambda machines: machines.stop_copy(copy))
        if done:
            self._vigil.suspect(copy)
        return done

    async def _follow(self, identity: bytes, copy: str) -> bool:
        row = await self._world.read(stores.store, identity)
        return await self._informing.follow(copy, row.epoch, row.leader)

    # a new epoch

    async def heads(self, elect: Elect) -> Heads:
        """What each candidate holds. Those that do not say so are suspect.

        A store that was ever led has a group on each copy in sync: one without has lost its disk. It is not elected, as
        the others would be wiped to match, even if it is the only one that answers.
        """

        async def head(copy: str) -> tuple[int, int] | None:
            try:
                epoch, group, _ = await self._world.ask(copy, self._world.settings.head_seconds_max, "head")
            except (Unreachable, AutomataError) as error:
                logger.warning("copy %s does not say what it holds: %s", copy, error)
                self._vigil.suspect(copy)
                return None
            return epoch, group

        found = await asyncio.gather(*(head(copy) for copy in elect.candidates))
        told = {copy: known for copy, known in zip(elect.candidates, found, strict=True) if known is not None}
        held = {copy: head for copy, head in told.items() if head[1] or not elect.before.led}
        self._note_empty(elect.before, tuple(copy for copy in told if copy not in held), bool(held))
        return held

    def _note_empty(self, store: StoreRow, empty: tuple[str, ...], others: bool) -> None:
        """Say which in-sync copies have lost what they held."""
        if not empty or others:
            self.emptied.pop(store.identity, None)
        elif self.emptied.get(store.identity) != empty:
            self.emptied[store.identity] = empty
            logger.error(
                "store %s is led by nobody: the disks of %s are empty, and no other copy answers", store.name, empty
            )
        if empty and others:
            logger.warning("the disks of %s of store %s are empty: they are copied anew", empty, store.name)

    async def take(self, before: StoreRow, epoch: int, leader: str, backups: tuple[str, ...]) -> Won | None:
        """Take the epoch for a leader; None if somebody else has changed the store."""
        try:
            after = await self._world.write(take_epoch, before, epoch, leader, backups)
        except Outrun as error:
            logger.info("%s: looking again", error)
            return None
        self._informing.placement_changed()
        absent = tuple(copy for copy in before.in_sync if copy not in {leader, *backups})
        return Won(before.identity, epoch, leader, after.backups, absent)

    async def depose(self, won: Won, copy: str) -> bool:
        """Tell the leader of before that it leads no more; whether it knows."""
        return copy not in self._vigil.suspects and await self._informing.follow(copy, won.epoch, won.leader)

    async def ended(self, copies: tuple[str, ...]) -> bool:
        """Whether the processes of all these are known to have ended, so that nobody is answered by them any more."""
        try:
            return all(await asyncio.gather(*(self._world.machines.is_dead(copy) for copy in copies)))
        except (Unreachable, AutomataError) as error:
            logger.info("whether %s have ended is not known: %s", copies, error)
            return False

    async def lead(self, won: Won, old_is_dead: bool) -> bool:
        """Let the leader begin. If it does not, it is suspect, and the next try may take longer."""
        failures = self._failures.get(won.store, 0)
        seconds = self._world.settings.lead_seconds_max * 2 ** min(failures, _DOUBLINGS_MAX)
        if await self._informing.lead(won.leader, (won.epoch, won.backups, old_is_dead), seconds):
            self._failures.pop(won.store, None)
            return True
        self._failures[won.store] = failures + 1
        return False

    async def resign(self, before: StoreRow) -> bool:
        """Let a leader finish what it does and lead no more; whether it has, so that no lease holds any more.

        Whatever comes of it, it is not counted on as the leader from now on.
        """
        resigned = True
        try:
            await self._world.ask(before.leader, self._world.settings.resign_seconds_max, "resign", before.epoch)
        except (Unreachable, AutomataError) as error:
            logger.warning("copy %s has not resigned: %s", before.leader, error)
            self._vigil.suspect(before.leader)
            resigned = False
        await self._world.write(lose_part, before.leader)
        return resigned

    # an end

    async def give_up(self, copy: str) -> bool:
        """Nobody may count on the copy any more; False if somebody does."""
        try:
            await self._world.write(stores.set_copy_state, copy, CopyState.GONE)
        except Outrun as error:
            logger.info("%s: looking again", error)
            return False
        return True

    async def stop(self, copy: str) -> bool:
        """End the process of a copy that was given up."""
        row = await self._world.read(stores.copy, copy)
        if row is None or row.state is not CopyState.GONE:
            return True
        return await self._world.try_machines(lambda machines: machines.stop_copy(copy))

    async def wipe(self, copy: str) -> bool:
        """Delete the directory of a copy that was given up and stopped."""
        row = await self._world.read(stores.copy, copy)
        if row is None or row.state is not CopyState.GONE:
            return True
        return await self._world.try_machines(lambda machines: machines.wipe_copy(row.node, row.store, copy))

    async def forget(self, copy: str) -> bool:
        """Nothing is left of a copy: its name is free. Its primary need not try to keep it up to date any more."""
        row = await self._world.read(stores.copy, copy)
        try:
            await self._world.write(stores.remove_copy, copy)
        except Outrun as error:
            logger.info("%s: looking again", error)
        self._vigil.forget(copy)
        if row is not None:
            owner = await self._world.read(stores.store, row.store)
            await self._informing.forget(owner.leader, copy)
        return True
