"""Who holds an object: the one who may change it now. Others wait in line.

Whoever waits has pinned the object before, so that it stays in memory; taking hold of it undoes that pin.
"""

from __future__ import annotations

import asyncio

from automata.entity import Entity
from automata.moved import Moved
from automata.waiting import HoldAgain


def take(entity: Entity, loop: asyncio.AbstractEventLoop) -> asyncio.Future[None] | None:
    """Hold an object that the taker has pinned: at once, or when the future is done."""
    if not entity.busy and not entity.queue:
        entity.busy = True
        entity.pins -= 1
        return None
    waiting = HoldAgain(entity, loop.create_future())
    entity.queue.append(waiting)
    return waiting.turn_up


async def hold(entity: Entity, loop: asyncio.AbstractEventLoop) -> None:
    """Hold an object, which the caller releases. Raises Moved if it leaves this store first."""
    entity.pins += 1
    turn_up = take(entity, loop)
    if turn_up is None:
        return
    try:
        await turn_up
        if entity.moved is not None:
            raise Moved(entity.moved)
    except asyncio.CancelledError:
        if turn_up.cancelled():
            entity.pins -= 1
        else:
            release(entity)
        raise


def release(entity: Entity) -> None:
    """The object is free: give it to who waits longest."""
    entity.busy = entity.moved is not None
    while entity.queue and not entity.busy:
        entity.queue.popleft().proceed()
