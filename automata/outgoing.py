"""Messages to objects of other stores: a step puts them into the outbox instead of its own store's inbox.

They leave when their group is durable, in the lane to their store, so that none is lost or comes twice (`darq.lane`).
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from automata.placement import Placement
from darq.log import Log
from darq.step import Message, Step


class Ways(Protocol):
    """Lets messages take their ways where slots can move (`automata.routes`)."""

    def begin(self, step: Step) -> None:
        """A step is about to send."""

    def send(self, step: Step, message: Message, here: list[Message]) -> None:
        """Let a message of `step` take its way: out of this store, or `here`, into its inbox."""

    def committed(self, step: Step) -> None:
        """The step is in the log."""


class Outgoing:
    """What the objects of one host send to other stores. routes: where slots can move."""

    routes: Ways | None = None

    def __init__(self, log: Log, placement: Placement) -> None:
        self._log = log
        self._placement = placement
        self._sent: dict[tuple[bytes, bytes], int] = {}  # sender and store: its last message there, not yet taken
        # what earlier lives have sent, by whom is not known any more
        self._left = {store: log.outbox.last(store) for store in log.outbox.receivers()}
        self._waiting: list[tuple[bytes, int, asyncio.Future[None]]] = []
        log.outbox.on_taken = self._taken

    def split(self, step: Step) -> None:
        """Of what a step sends, let what goes to other stores leave through the outbox."""
        here: list[Message] = []
        if self.routes is not None:
            self.routes.begin(step)
            for message in step.sends or ():
                self.routes.send(step, message, here)
            step.sends = here or None
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
            self._sent[step.partition, store] = self._log.outbox.last(store)

    async def passed(self, sender: bytes, store: bytes) -> None:
        """Wait until `store` has taken all that an object has sent to it."""
        last = max(self._sent.get((sender, store), 0), self._left.get(store, 0))
        if last > self._log.outbox.taken(store):
            await self._wait(store, last)

    async def drained(self, store: bytes) -> None:
        """Wait until `store` has taken all that was sent to it so far."""
        last = self._log.outbox.last(store)
        if last > self._log.outbox.taken(store):
            await self._wait(store, last)

    async def _wait(self, store: bytes, last: int) -> None:
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((store, last, waiting))
        await waiting

    def _taken(self, store: bytes, up_to: int) -> None:
        if self._waiting:
            left = []
            for waiter in self._waiting:
                if waiter[0] != store or waiter[1] > up_to:
                    left.append(waiter)
                elif not waiter[2].done():
                    waiter[2].set_result(None)
            self._waiting = left
        if len(self._sent) > _SENT_KEPT:
            taken = self._log.outbox.taken
            self._sent = {name: last for name, last in self._sent.items() if last > taken(name[1])}


_SENT_KEPT = 1000  # what was taken is looked for beyond that
