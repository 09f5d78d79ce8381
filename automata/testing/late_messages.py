"""Faults of messages, at the inbox of one life of the engine: delayed, doubled, overtaken by those to other objects.

Messages to one object keep their order: that much is promised to their senders.
"""

from __future__ import annotations

import asyncio
from collections import deque

from automata.engine import Engine
from automata.entity import Entity
from automata.order import Order
from automata.testing.faults import Fault, Faults
from darq.inbox import Inbox
from darq.step import Message


class LateMessages:
    """Stands between the inbox of an engine and its deliveries."""

    def __init__(self, engine: Engine, faults: Faults, loop: asyncio.AbstractEventLoop) -> None:
        self.held: dict[bytes, deque[Message]] = {}
        self._inbox: Inbox = engine.log.inbox
        self._faults = faults
        self._loop = loop
        self._seen: set[int] = set()
        self._touch = self._inbox.on_ready
        self._inbox.on_ready = self._arrived
        engine.host.order = _OrderOfAll(engine, self)

    def _arrived(self) -> None:
        ready = self._inbox.ready
        fresh = [message for message in ready if message.lsn not in self._seen]
        for message in fresh:
            self._seen.add(message.lsn)
            if message.partition in self.held:
                ready.remove(message)
                self.held[message.partition].append(message)
            elif self._faults.strikes(Fault.MESSAGE_DELAYED):
                ready.remove(message)
                self._hold(message)
            else:
                self._stir(message, ready)
        self._touch()

    def _hold(self, message: Message) -> None:
        self.held[message.partition] = deque([message])
        self._loop.call_later(self._faults.delay_seconds(), self._let_go, message.partition)

    def _let_go(self, partition: bytes) -> None:
        self._inbox.ready.extend(self.held.pop(partition))
        self._touch()

    def _stir(self, message: Message, ready: deque[Message]) -> None:
        place = ready.index(message)
        before = ready[place - 1] if place else message
        if before.partition != message.partition and self._faults.strikes(Fault.MESSAGE_REORDERED):
            ready[place - 1], ready[place] = message, before
        if self._faults.strikes(Fault.MESSAGE_DOUBLED):
            ready.insert(ready.index(message) + 1, message)


class _OrderOfAll(Order):
    """As the engine's own, which looks at the first message alone: here a later one may stand before it, or none."""

    def __init__(self, engine: Engine, late: LateMessages) -> None:
        super().__init__(engine.log)
        self._ready = engine.log.inbox.ready
        self._late_messages = late

    def early(self, entity: Entity, sent_lsn: int) -> bool:
        if self._log.refusing:
            return False
        waiting = [*self._late_messages.held.get(entity.partition, ()), *self._ready]
        return super().early(entity, sent_lsn) or any(
            message.partition == entity.partition and message.lsn <= sent_lsn for message in waiting
        )
