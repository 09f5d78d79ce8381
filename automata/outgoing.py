"""Messages to objects of other stores: a step puts them into the outbox instead of its own store's inbox.

They leave when their group is durable, in the lane to their store, so that none is lost or comes twice (`darq.lane`).
A call comes behind what its sender has sent to the same object. Messages go by way of the store of the object's slot,
so a call to an object that has moved away from there goes the same way, unless nothing can be on it any more.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from automata.placement import Placement
from darq.log import Log
from darq.step import Message, Step

KEPT_MAX = 10_000
"""How many senders and receivers are told apart: of those that are not, it is supposed that they have sent."""

Mark = tuple[bytes | None, int]
"""How far something has been sent: the store that it went to, and a number that counts for that store alone."""

_NOTHING: dict[bytes, Mark] = {}


class Ways(Protocol):
    """Lets messages take their ways where slots can move (`automata.routes`)."""

    def begin(self, step: Step) -> None:
        """A step is about to send."""

    def send(self, step: Step, message: Message, here: list[Message]) -> None:
        """Let a message of `step` take its way: out of this store, or `here`, into its inbox."""

    def committed(self, step: Step) -> None:
        """The step is in the log."""

    def is_open(self, partition: bytes) -> bool:
        """Whether all that was sent to an object so far has gone the way that is the right one now."""

    async def opened(self, partition: bytes) -> None:
        """Wait until that is so."""

    def keeps_back(self, sender: bytes) -> bool:
        """Whether something that an object has sent may be on a way that is not the right one any more."""

    async def let_go(self, sender: bytes) -> None:
        """Wait until that is not so."""


class Outgoing:
    """What the objects of one host send to other stores. routes: where slots can move."""

    routes: Ways | None = None

    def __init__(self, log: Log, placement: Placement) -> None:
        self._log = log
        self._placement = placement
        self._sent: dict[tuple[bytes, bytes], int] = {}  # sender and store: its last message there
        # what earlier lives have sent, and others that are not told apart any more
        self._floor = {store: log.outbox.last(store) for store in log.outbox.stores()}
        self._answered: dict[bytes, dict[bytes, Mark]] = {}  # caller, object: how far a call has come behind
        self._answers = 0
        self._waiting: list[tuple[bytes, int, asyncio.Future[None]]] = []
        log.outbox.on_taken = self._taken

    def split(self, step: Step) -> None:
        """Of what a step sends, let what goes to other stores leave through the outbox."""
        here: list[Message] = []
        if self.routes is not None:
            self.routes.begin(step)
            sends, step.sends = step.sends or (), []  # the list is its method's; fences come into a new one
            for message in sends:
                self.routes.send(step, message, here)
            step.sends = [*step.sends, *here] or None
            return
        for message in step.sends or ():
            store = self._placement.route_of(message.partition)
            if store is None:
                here.append(message)
            else:
                step.send_to_store(store, message)
        step.sends = here or None

    def committed(self, step: Step) -> None:
        """Its step is in the log: from here on its sender's calls come behind what it sends."""
        if self.routes is not None:
            self.routes.committed(step)
        for store, _ in step.outgoing or ():
            name = step.partition, store
            self._sent.pop(name, None)  # so that the oldest are first
            self._sent[name] = self._log.outbox.last(store)

    def precedes(self, sender: bytes, partition: bytes) -> bool:
        """Whether something that an object has sent may be on its way to another one through other stores.

        As long as no call of this life has come there, nobody knows: it may have sent it from where it was before.
        """
        if not self.is_open(partition):
            return True
        store = self._placement.route_of(partition)
        if store is None:
            return False
        way, number = self._answered.get(sender, _NOTHING).get(partition, (None, 0))
        return way != store or self._last(sender, store) > number

    def mark(self, sender: bytes, partition: bytes) -> Mark:
        """How far an object has sent on the way to another one by now."""
        store = self._placement.route_of(partition)
        return store, 0 if store is None else self._last(sender, store)

    def answered(self, sender: bytes, partition: bytes, mark: Mark) -> None:
        """A call has come behind all that was sent up to `mark`: none of it is on its way any more."""
        if self._answers >= KEPT_MAX:
            self._answered.clear()
            self._answers = 0
        known = self._answered.setdefault(sender, {})
        self._answers += partition not in known
        known[partition] = mark

    def come(self, sender: bytes) -> None:
        """An object has come from another store: what it has sent from there may still be on its way."""
        self._answers -= len(self._answered.pop(sender, ()))

    def under_way(self, sender: bytes) -> bool:
        """Whether something that an object has sent has not come to its store yet."""
        kept_back = self.routes is not None and self.routes.keeps_back(sender)
        return kept_back or self._behind(sender) is not None

    async def arrived(self, sender: bytes) -> None:
        """Wait until that is not so."""
        while self.under_way(sender):
            if self.routes is not None:
                await self.routes.let_go(sender)
            store = self._behind(sender)
            if store is not None:
                await self.passed(sender, store)

    def is_open(self, partition: bytes) -> bool:
        """Whether all that was sent to an object so far has gone the way that is the right one now."""
        return self.routes is None or self.routes.is_open(partition)

    async def opened(self, partition: bytes) -> None:
        """Wait until what was sent to an object has gone the way that is the right one now."""
        if self.routes is not None:
            await self.routes.opened(partition)

    async def passed(self, sender: bytes, store: bytes) -> None:
        """Wait until `store` has taken all that an object has sent to it."""
        last = self._last(sender, store)
        if last > self._log.outbox.taken(store):
            waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((store, last, waiting))
            await waiting

    def _behind(self, sender: bytes) -> bytes | None:
        """A store that has not taken all that an object has sent to it."""
        outbox = self._log.outbox
        return next((store for store in outbox.stores() if self._last(sender, store) > outbox.taken(store)), None)

    def _last(self, sender: bytes, store: bytes) -> int:
        """The last message to a store that may be of this sender. What was kept back for it went under no name."""
        sent = self._sent
        return max(sent.get((sender, store), 0), sent.get((b"", store), 0), self._floor.get(store, 0))

    def _taken(self, store: bytes, up_to: int) -> None:
        if self._waiting:
            left = []
            for waiter in self._waiting:
                if waiter[0] != store or waiter[1] > up_to:
                    left.append(waiter)
                elif not waiter[2].done():
                    waiter[2].set_result(None)
            self._waiting = left
        if len(self._sent) > KEPT_MAX:
            self._tell_apart_fewer()

    def _tell_apart_fewer(self) -> None:
        for (sender, store), last in list(self._sent.items())[: KEPT_MAX // 2]:
            if last <= self._log.outbox.taken(store):
                del self._sent[sender, store]
                self._floor[store] = max(self._floor.get(store, 0), last)
