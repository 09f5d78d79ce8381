"""What the host of one store is told of the others: the way of messages to them, and who is in sync."""

from __future__ import annotations

from collections.abc import Sequence

from darq.errors import AutomataError
from ssms.peers import Peers, Unreachable
from ssms.routes import Routes


class NotLeading(AutomataError):
    """Nobody's fault: this copy does not lead its store now. Ask for the newest placement, and whoever leads."""


class StoreTransport:
    """Carries messages to whoever leads the store that they are for (`darq.lane.Transport`)."""

    def __init__(self, peers: Peers, routes: Routes) -> None:
        self._peers = peers
        self._routes = routes

    async def deliver(self, receiver: bytes, sender: bytes, first: int, messages: Sequence[bytes]) -> int:
        """Hand a batch over, and give what the store holds durably by then."""
        placement = self._routes.placement
        place = placement.store(receiver) if placement.has(receiver) else None
        try:
            if place is None or not place.primary:
                raise Unreachable(f"nobody is known to lead store {receiver.hex()}")
            mark: int = await self._peers.copy(place.primary).call("deliver", receiver, sender, first, list(messages))
            return mark
        except (Unreachable, NotLeading):
            await self._routes.refresh()
            raise


class CatalogMembers:
    """Who is in sync, as the catalog has it (`darq.replication.Members`)."""

    def __init__(self, peers: Peers, store: bytes, epoch: int) -> None:
        self._peers = peers
        self._store = store
        self._epoch = epoch

    async def add(self, copy: str) -> None:
        """The copy is in sync."""
        await self._peers.coordinator.call("add", self._store, self._epoch, copy)

    async def drop(self, copy: str) -> None:
        """The copy is not in sync any more."""
        await self._peers.coordinator.call("drop", self._store, self._epoch, copy)
