"""Where one process of a cluster believes that objects live: the newest placement that it has met, and exceptions.

Nothing here has to be right: whoever no longer has an object says so, and what was wrong is mended (SSMS §3.3, lazily).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from darq.errors import AutomataError
from ssms.peers import Peers
from ssms.placement import NOWHERE, Placement, StorePlace

ASK_SECONDS = 0.1
"""How long to wait until the coordinator is asked again."""
WAIT_SECONDS = 0.5
"""How long to wait for its answer, which counts later too."""
LOST_SECONDS = 5.0
"""An answer that has not come by then is taken for lost."""
EXCEPTIONS_MAX = 100_000
"""How many objects that were moved by themselves are remembered."""


class Routes:
    """What one process knows. changed: is called with each newer placement."""

    def __init__(self, peers: Peers) -> None:
        self.placement: Placement = NOWHERE
        self.changed: Callable[[Placement], None] = _nobody
        self._peers = peers
        self._exceptions: dict[bytes, bytes] = {}
        self._asking: asyncio.Task[None] | None = None

    def learn(self, placement: Placement) -> None:
        """A placement was heard of; the highest version counts."""
        if placement.version > self.placement.version:
            self.placement = placement
            self.changed(placement)

    def store_of(self, partition: bytes) -> StorePlace | None:
        """The store that an object lives in, as far as it is known here; None before there is any placement."""
        placement = self.placement
        if not placement.stores:
            return None
        if self._exceptions:
            moved = self._exceptions.get(partition)
            if moved is not None and placement.has(moved):
                return placement.store(moved)
        return placement.owner(partition)

    def owner_of(self, partition: bytes) -> bytes:
        """The identity of the store that has an object's slot; b"" before there is any placement."""
        return self.placement.owner(partition).identity if self.placement.stores else b""

    def home_of(self, partition: bytes) -> StorePlace | None:
        """The store of an object's slot, by way of which its messages go; None before there is any placement."""
        return self.placement.owner(partition) if self.placement.stores else None

    def moved(self, partition: bytes, store: bytes) -> None:
        """A host has said where an object lives; nothing, where it does not know."""
        if not store:
            self._exceptions.pop(partition, None)
            return
        if len(self._exceptions) >= EXCEPTIONS_MAX:
            self._exceptions.clear()  # they are learned again, for a hop each
        self._exceptions[partition] = store

    async def know(self, store: bytes) -> None:
        """Wait for a placement that has this store."""
        while not self.placement.has(store):
            await self.refresh()
            if not self.placement.has(store):
                await asyncio.sleep(ASK_SECONDS)

    async def refresh(self) -> None:
        """Ask the coordinator for what is newer, and wait for it a little. While it does not answer, nothing is."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.get_running_loop().create_task(self._ask())
        await asyncio.wait({self._asking}, timeout=WAIT_SECONDS)

    async def _ask(self) -> None:
        try:
            async with asyncio.timeout(LOST_SECONDS):
                data = await self._peers.coordinator.call("placement", self.placement.version)
        except (OSError, AutomataError):  # also TimeoutError
            return
        if data is not None:
            self.learn(Placement.decode(data))


def _nobody(placement: Placement) -> None:
    """Nobody has asked to be told."""
