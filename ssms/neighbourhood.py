"""What the host of one store is told of the others: the way of messages to them, and who is in sync."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from darq.errors import AutomataError
from ssms.catalog.errors import Outrun
from ssms.lane import LOST_SECONDS
from ssms.patience import answered
from ssms.peers import Peers, Unreachable
from ssms.routes import Routes

_AGAIN_SECONDS = 0.2


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
            call = self._peers.copy(place.primary).call("deliver", receiver, sender, first, list(messages))
            mark: int = await answered(self._routes, receiver, place.epoch, call, LOST_SECONDS)
            return mark
        except (Unreachable, NotLeading):
            await self._routes.refresh()
            raise


class CatalogMembers:
    """Who is in sync, as the catalog has it (`darq.replication.Members`).

    Each call has a number, so that one that has got lost on its way changes nothing when it comes after another.
    """

    def __init__(self, peers: Peers, store: bytes, epoch: int) -> None:
        self._peers = peers
        self._store = store
        self._epoch = epoch
        self._number = 0

    async def add(self, copy: str) -> None:
        """The copy is in sync."""
        await self._change("add", copy)

    async def drop(self, copy: str) -> None:
        """The copy is not in sync any more."""
        await self._change("drop", copy)

    async def _change(self, what: str, copy: str) -> None:
        while True:
            self._number += 1
            try:
                await self._peers.coordinator.call(what, self._store, self._epoch, copy, self._number)
            except Outrun:
                continue  # it was overtaken by a call for another copy
            return


async def be_attached(peers: Peers, copy: str, primary: str, wanted: Callable[[], bool]) -> None:
    """Ask a primary to bring a copy up to date, until it has heard or that is not wanted any more."""
    while wanted():
        try:
            await peers.copy(primary).call("attach", copy)
        except (Unreachable, AutomataError):
            await asyncio.sleep(_AGAIN_SECONDS)
        else:
            return
