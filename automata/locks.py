"""Which transactions that span stores hold which objects of one host, and which wait for them.

Only an older transaction waits for a younger one; a younger one dies, lets go of all, and runs anew with the age that
it has (wait-die). So none waits for another in a circle, and the oldest never dies. What holds an object for other
reasons waits for no transaction meanwhile: anyone may wait for that.
"""

from __future__ import annotations

import asyncio

from automata.entity import Entity
from automata.holding import release, take


class Died(BaseException):
    """The transaction cannot go on, nothing of it happens, and it is run anew. No error for its code to catch."""


class Locks:
    """The objects that transactions hold in one host. Ages compare as bytes; the lower is the older."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._holders: dict[Entity, bytes] = {}
        self._waiting: dict[Entity, list[bytes]] = {}

    def take(self, entity: Entity, age: bytes) -> asyncio.Future[None] | None:
        """Hold an object: at once, or when the future is done. Raises Died if an older transaction is before."""
        before = [*self._waiting.get(entity, ())]
        if entity in self._holders:
            before.append(self._holders[entity])
        if any(other < age for other in before):
            raise Died(entity.address)
        entity.pins += 1
        turn_up = take(entity, self._loop)
        if turn_up is None:
            self._holders[entity] = age
        else:
            self._waiting.setdefault(entity, []).append(age)
        return turn_up

    def turned_up(self, entity: Entity, age: bytes) -> None:
        """It was waited for, and is held now."""
        self._stop_waiting(entity, age)
        self._holders[entity] = age

    def give_up(self, entity: Entity, age: bytes, turn_up: asyncio.Future[None]) -> None:
        """It is waited for no more, and may be held by now."""
        self._stop_waiting(entity, age)
        if turn_up.done() and not turn_up.cancelled():
            release(entity)
        else:
            turn_up.cancel()
            entity.pins -= 1

    def settle(self, entity: Entity) -> None:
        """What holds it waits for no other object any more: anyone may wait for it."""
        self._holders.pop(entity, None)

    def release(self, entity: Entity) -> None:
        """The object is free: give it to who waits longest."""
        self.settle(entity)
        release(entity)

    def _stop_waiting(self, entity: Entity, age: bytes) -> None:
        waiting = self._waiting[entity]
        waiting.remove(age)
        if not waiting:
            del self._waiting[entity]
