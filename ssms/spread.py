"""Reads of one process, spread over all copies of a store: the primary's share goes its usual way, the others' here.

    route -> Spread.take -> one batch under way to each backup -> its answers
                         <- what a backup does not answer goes to the primary

A read that its process could tell from an earlier call of its own, still under way, goes to the primary behind that.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Coroutine
from typing import Any, Protocol

from automata.asking import AGAIN, READ
from darq.errors import AutomataError
from ssms import backup_reads
from ssms.lane import BATCH_BYTES_MAX, Asked
from ssms.peers import Peers, Unreachable
from ssms.placement import StorePlace

BATCH_READS_MAX = 256
ANSWER_SECONDS_MAX = 1.0
"""A batch that is not answered by then is asked of the primary."""
REFUSED_SECONDS = 0.1
"""How long a backup is left alone that answered nothing of a batch."""


class Hub(Protocol):
    """What spreading asks of the process that it belongs to."""

    peers: Peers
    loop: asyncio.AbstractEventLoop

    def ask_primary(self, asked: Asked) -> None:
        """Put it into the lane to whoever leads the store of its object."""

    def finish(self, asked: Asked, outcome: bytes) -> None:
        """It is answered."""

    def stale(self, asked: Asked) -> bool:
        """Whether it is not to be asked again: nobody waits any more, or it was asked for too long."""

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine until it ends or the process asks nothing more."""


class Spread:
    """Chooses a copy for each read. calling: objects that this process has called, without an answer yet."""

    def __init__(self, hub: Hub) -> None:
        self.calling: Counter[bytes] = Counter()
        self.answered = 0
        self._hub = hub
        self._turn = 0
        self._copies: dict[str, CopyLane] = {}

    def take(self, asked: Asked, place: StorePlace) -> bool:
        """Whether a backup is asked."""
        ask = asked.ask
        if ask.kind != READ or ask.behind or not place.backups or ask.partition in self.calling:
            return False
        self._turn += 1
        chosen = self._turn % (len(place.backups) + 1)
        if chosen == 0:
            return False
        lane = self._lane(place.backups[chosen - 1])
        if not lane.ready:
            return False
        lane.put(asked)
        return True

    def began(self, partition: bytes) -> None:
        """An object is called."""
        self.calling[partition] += 1

    def ended(self, partition: bytes) -> None:
        """The call is answered, or nobody waits for it any more."""
        self.calling[partition] -= 1
        if not self.calling[partition]:
            del self.calling[partition]

    def close(self) -> list[Asked]:
        """Ask no backup any more; what was not answered."""
        return [asked for lane in self._copies.values() for asked in lane.close()]

    def _lane(self, copy: str) -> CopyLane:
        lane = self._copies.get(copy)
        if lane is None:
            lane = self._copies[copy] = CopyLane(self, self._hub, copy)
        return lane


class CopyLane:
    """The reads that one backup is asked, a batch at a time."""

    def __init__(self, spread: Spread, hub: Hub, copy: str) -> None:
        self._spread = spread
        self._hub = hub
        self._peer = hub.peers.copy(copy)
        self._queue: deque[Asked] = deque()
        self._under_way: list[Asked] = []
        self._sending = False
        self._refused_until = float("-inf")

    @property
    def ready(self) -> bool:
        """Whether it is worth asking."""
        return self._hub.loop.time() >= self._refused_until

    def put(self, asked: Asked) -> None:
        """Take one read into the next batch."""
        self._queue.append(asked)
        if not self._sending:
            self._sending = True
            self._hub.spawn(self._send())

    def close(self) -> list[Asked]:
        """Ask nothing more; what was not answered."""
        left = [*self._under_way, *self._queue]
        self._under_way = []
        self._queue.clear()
        return left

    async def _send(self) -> None:
        try:
            while self._queue:
                self._under_way = asks = self._take()
                if asks:
                    self._hear(asks, await self._answers(asks))
                self._under_way = []
        finally:
            self._sending = False

    def _take(self) -> list[Asked]:
        asks: list[Asked] = []
        size = 0
        while self._queue and len(asks) < BATCH_READS_MAX and size < BATCH_BYTES_MAX:
            asked = self._queue.popleft()
            if not self._hub.stale(asked):
                size += len(asked.ask.arguments)
                asks.append(asked)
        return asks

    async def _answers(self, asks: list[Asked]) -> list[bytes]:
        """What the backup says; nothing, if it does not."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                data = await self._peer.call("read", backup_reads.encode([asked.ask for asked in asks]))
        except (Unreachable, AutomataError, TimeoutError):
            return [AGAIN] * len(asks)
        return backup_reads.decode_answers(data)

    def _hear(self, asks: list[Asked], outcomes: list[bytes]) -> None:
        answered = 0
        for asked, outcome in zip(asks, outcomes, strict=True):
            if outcome == AGAIN:
                if not self._hub.stale(asked):
                    self._hub.ask_primary(asked)
            else:
                answered += 1
                self._hub.finish(asked, outcome)
        self._spread.answered += answered
        if not answered:
            self._refused_until = self._hub.loop.time() + REFUSED_SECONDS
