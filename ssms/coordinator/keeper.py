"""The workflows of one store, as a durable object (SSMS §3.3: resilient workflows).

A pass looks at the store, and does the one thing that is most urgent, in steps that its journal keeps: killed anywhere,
it goes on with the next. Passes follow each other, never two at once, until nothing is left to do.
"""

from __future__ import annotations

from typing import ClassVar

from automata import effect, ref, send
from ssms.coordinator.plan import Elect, Retire, Shift, choose
from ssms.coordinator.store_steps import StoreSteps


class Keeper:
    """Keeps one store as it shall be. key: the identity of the store in hexadecimal."""

    steps: ClassVar[StoreSteps]
    key: str
    running: bool = False
    again: bool = False
    heir: str = ""

    async def mend(self) -> None:
        """Something has changed: look."""
        if self.running:
            self.again = True
        else:
            self.running = True
            send(ref(self).work())

    async def hand_to(self, copy: str) -> None:
        """Let this copy lead, once the store is well."""
        self.heir = copy
        await self.mend()

    async def work(self) -> None:
        """One pass."""
        self.again = False
        identity = bytes.fromhex(self.key)
        act = await effect(self.steps.look, identity)
        if act is None and self.heir:
            heir, self.heir = self.heir, ""
            act = await effect(self.steps.hand_over, identity, heir)
        if act is None:
            done = self.again
        elif isinstance(act, Elect):
            done = await self._elect(act)
        elif isinstance(act, Retire):
            done = await self._retire(act)
        elif isinstance(act, Shift):
            done = await self._shift(act)
        else:
            done = await effect(self.steps.perform, identity, act)
        if done or self.again:
            send(ref(self).work())
        elif act is not None:
            send(ref(self).work(), delay=self.steps.retry_seconds)
        else:
            self.running = False

    async def _elect(self, act: Elect) -> bool:
        """A new epoch: taken in the catalog first, then told to those whom it concerns."""
        before = act.before
        heads = await effect(self.steps.heads, act)
        if not heads:
            return False
        leader = choose(heads, before.leader)
        epoch = max(before.epoch, *(epoch for epoch, _ in heads.values())) + 1
        backups = tuple(copy for copy in before.in_sync if copy in heads and copy != leader)
        won = await effect(self.steps.take, before, epoch, leader, backups)
        if won is None:
            return True
        deposed = True
        if before.leader in backups:
            deposed = await effect(self.steps.depose, won, before.leader)
        old_is_dead = deposed and await effect(self.steps.ended, won.absent)
        return await effect(self.steps.lead, won, old_is_dead)

    async def _shift(self, act: Shift) -> bool:
        """A leader hands over to a backup: it has finished before the other begins, which so need not wait.

        From its resignation on a failure is an ordinary failover, which the next pass sees to.
        """
        before = act.before
        heads = await effect(self.steps.heads, Elect(before.in_sync, before))
        if len(heads) < len(before.in_sync):
            return False
        if not await effect(self.steps.resign, before):
            return True
        epoch = max(before.epoch, *(epoch for epoch, _ in heads.values())) + 1
        backups = tuple(copy for copy in before.in_sync if copy != act.copy)
        won = await effect(self.steps.take, before, epoch, act.copy, backups)
        if won is None:
            return True
        return await effect(self.steps.lead, won, True)

    async def _retire(self, act: Retire) -> bool:
        """The end of a copy: first nobody may count on it, then its process ends, then its directory goes."""
        if not await effect(self.steps.give_up, act.copy):
            return True
        if not await effect(self.steps.stop, act.copy):
            return False
        if act.wipe and not await effect(self.steps.wipe, act.copy):
            return False
        return await effect(self.steps.forget, act.copy)
