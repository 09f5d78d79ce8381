"""Giving objects and slots to other stores, as the coordinator asks for it (SSMS §4.2)."""

from __future__ import annotations

from automata.engine import Doors
from automata.moved import Moved
from ssms import slots
from ssms.peers import Peers, Unreachable
from ssms.routes import Routes

_HOPS_MAX = 3


class Giving:
    """What one store gives and takes. own: its identity."""

    def __init__(self, doors: Doors, routes: Routes, peers: Peers, own: bytes) -> None:
        assert doors.moving is not None, "its placement is a residence"
        assert doors.slots is not None, "its placement is a residence"
        self._moving = doors.moving
        self._slots = doors.slots
        self._routes = routes
        self._peers = peers
        self._own = own

    async def give(self, partition: bytes, target: bytes, hops: int = 0) -> None:
        """Move an object to a store. Moves begin at the store of its slot: another passes this on to that."""
        try:
            await self._moving.give(partition, target)
        except Moved as moved:
            if hops >= _HOPS_MAX:
                raise Unreachable(f"no store was found that has {partition!r}") from moved
            await self._ask(moved.store, "give", partition, target, hops + 1)

    async def give_slots(self, numbers: bytes, target: bytes) -> None:
        """Give all of these slots (two bytes each) to a store, which is told to expect them."""
        await self._ask(target, "take_slots", numbers, self._own)
        await self._slots.give(slots.decode(numbers), target)

    async def take_slots(self, numbers: bytes, source: bytes) -> None:
        """Expect these slots of another store. Raises Unreachable if it does not have them, as far as the catalog is
        known here: it may have been asked long ago, and nothing of them would come.
        """
        await self._routes.refresh()
        given = slots.decode(numbers)
        if not set(self._routes.placement.slots_of(source)).issuperset(given):
            raise Unreachable(f"store {source.hex()} does not have the slots that it would give")
        await self._slots.take(given, source)

    async def settled_slots(self, numbers: bytes) -> bool:
        """Whether this store's messages to these slots have found their way, so that they may move again."""
        return self._slots.settled(slots.decode(numbers))

    async def _ask(self, store: bytes, what: str, *args: object) -> None:
        if not self._routes.placement.has(store):
            await self._routes.refresh()
        place = self._routes.placement.store(store)
        if not place.primary:
            raise Unreachable(f"nobody leads store {place.name} now")
        await self._peers.copy(place.primary).call(what, *args)
