"""The ways of messages to slots, as one sending store has used them: none overtakes another when a slot has moved.

What was sent to the slot's old store may still be on its way through that to the new one. So the sender marks the end
of it with a fence, which takes the same way, and until that has come to the slot's store it keeps what it sends to
the slot in its own inbox. Then that goes out first, in order, and later messages take the new way at once.

    ROUTE  slot -> phase, the store that messages went to last, number of the fence
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Collection
from enum import IntEnum
from typing import NamedTuple

from automata.moving import Moving
from automata.notices import NOTICES, Fence, Held, Passed, message_of, notice_of
from darq import keys
from darq.log import Log
from darq.step import Message, Step

_route = struct.Struct(">B16sQ")
_NOTHING: dict[int, bytes] = {}

SENDERS_MAX = 10_000
"""How many senders are told apart, but for those whose messages wait."""


class Way(IntEnum):
    """What a route is good for."""

    OPEN = 0  # messages take it at once
    FENCED = 1  # it is the old one: messages wait until the fence has passed
    SETTLING = 2  # the new one: messages go through the own inbox, behind those that waited there


class Route(NamedTuple):
    """One slot's. number: of the fence, or of the last mark in the own inbox."""

    way: Way
    store: bytes
    number: int

    def encode(self) -> bytes:
        """The row."""
        return _route.pack(*self)


class Routes:
    """The routes of one store."""

    def __init__(self, log: Log, moving: Moving) -> None:
        self._log = log
        self._moving = moving
        self._residence = moving.residence
        self._own = moving.residence.own
        self._routes = {int.from_bytes(key[1:], "big"): _decode(data) for key, data in log.rows(keys.ROUTE)}
        self._proposed: dict[int, dict[int, Route]] = {}
        self._held: dict[int, list[Message]] = {}
        self._opening: list[asyncio.Future[None]] = []
        self._sent_since: set[int] = set()  # slots for which something was put into the own inbox since its last mark
        self._sent_to: dict[bytes, dict[int, bytes]] = {}  # by sender: slots, and an object in each that it has sent to
        self._senders_max = SENDERS_MAX
        self._closed_before = {slot for slot, route in self._routes.items() if route.way is not Way.OPEN}
        moving.handlers[Fence] = self._pass_on
        moving.handlers[Passed] = self._passed
        moving.handlers[Held] = self._take

    def start(self) -> None:
        """What an earlier life has put into the own inbox is behind no mark of this one yet."""
        step = Step(b"", b"")
        for slot, route in self._routes.items():
            if route.way is Way.SETTLING:
                step.send(message_of(Passed(slot, route.number, self._own)))
        if step.sends:
            self._moving.commit(step)

    def send(self, step: Step, message: Message, here: list[Message]) -> None:
        """Let a message of `step` take its way: out of this store, or `here`, into its inbox.

        What stores tell themselves and each other is sent to this store, or to another by name: it has no slot.
        """
        if message.partition == NOTICES:
            here.append(message)
            return
        now = self._residence.route_of(message.partition)
        slot = self._residence.slot_of(message.partition)
        self._remember(step.partition, slot, message.partition)
        proposed = self._proposed.get(id(step), {})
        route = proposed.get(slot) or self._routes.get(slot)
        if route is None:
            self._propose(step, slot, Route(Way.OPEN, now or self._own, 0))
        elif route.way is not Way.OPEN or route.store != (now or self._own):
            if route.way is Way.OPEN:
                self._propose(step, slot, self._fence(step, slot, message.partition, route.store))
            self._sent_since.add(slot)
            here.append(message_of(Held(message.partition, message.payload())))
            return
        if now is None:
            here.append(message)
        else:
            step.send_to_store(now, message)

    def settled(self, slots: Collection[int]) -> bool:
        """Whether what was sent to these slots so far has gone one way: only then may they move again."""
        return all(self._routes[slot].way is Way.OPEN for slot in slots if slot in self._routes)

    def begin(self, step: Step) -> None:
        """A step is about to send."""
        self._proposed.pop(id(step), None)

    def committed(self, step: Step) -> None:
        """The step is in the log."""
        changed = self._proposed.pop(id(step), {})
        self._routes.update(changed)
        opened = {slot for slot, route in changed.items() if route.way is Way.OPEN}
        self._closed_before -= opened
        if self._opening and opened:
            opening, self._opening = self._opening, []
            for waiting in opening:
                if not waiting.done():
                    waiting.set_result(None)

    def is_open(self, partition: bytes) -> bool:
        """Whether all that was sent to an object so far has gone the way that is the right one now."""
        return not self._moving.returns(partition) and self._is_open(partition)

    def _is_open(self, partition: bytes) -> bool:
        route = self._routes.get(self._residence.slot_of(partition)) if self._routes else None
        if route is None:
            return True
        return route.way is Way.OPEN and route.store == (self._residence.route_of(partition) or self._own)

    async def opened(self, partition: bytes) -> None:
        """Wait until that is so. What went an older way is followed by a fence, as if a message were sent.

        What waits here for an object that was called back is open when that has come.
        """
        while not self.is_open(partition):
            if self._moving.returns(partition):
                await asyncio.wait([self._moving.expect(partition)])
            await self._open(partition)

    def keeps_back(self, sender: bytes) -> bool:
        """Whether something that an object has sent may be on a way that is not the right one any more.

        It waits here for the new one to open, or is passed on by a store that the slot has left.
        """
        return bool(self._closed_before) or not all(map(self._is_open, self._sent_to.get(sender, _NOTHING).values()))

    async def let_go(self, sender: bytes) -> None:
        """Wait until that is not so."""
        while self._closed_before:
            await self._next_opening()
        for partition in list(self._sent_to.get(sender, _NOTHING).values()):
            await self._open(partition)

    # inside

    async def _open(self, partition: bytes) -> None:
        slot = self._residence.slot_of(partition)
        while not self._is_open(partition):
            route = self._routes[slot]
            if route.way is Way.OPEN:
                step = Step(b"", b"")
                self.begin(step)
                self._propose(step, slot, self._fence(step, slot, partition, route.store))
                self._moving.commit(step)
            await self._next_opening()

    async def _next_opening(self) -> None:
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._opening.append(waiting)
        await waiting

    def _remember(self, sender: bytes, slot: int, partition: bytes) -> None:
        """What a sender has sent to, until it leaves. Of very many, those whose ways are open are forgotten."""
        known = self._sent_to.get(sender)
        if known is None:
            if len(self._sent_to) >= self._senders_max:
                self._sent_to = {name: of for name, of in self._sent_to.items() if self.keeps_back(name)}
                self._senders_max = max(SENDERS_MAX, 2 * len(self._sent_to))
            known = self._sent_to[sender] = {}
        known[slot] = partition

    def _propose(self, step: Step, slot: int, route: Route) -> None:
        """What a step changes counts once it is in the log."""
        step.set_row(_key(slot), route.encode())
        self._proposed.setdefault(id(step), {})[slot] = route

    def _fence(self, step: Step, slot: int, partition: bytes, store: bytes) -> Route:
        """Let `step` mark the end of what was sent to a store. partition: any object of the slot."""
        number = self._log.take_lsn()
        fence = message_of(Fence(partition, self._own, number))
        if store == self._own:
            step.send(fence)
        else:
            step.send_to_store(store, fence)
        return Route(Way.FENCED, store, number)

    def _pass_on(self, notice: Fence, message: Message) -> None:
        """A fence goes the way of messages; at the store of the slot its sender is answered."""
        step = Step(b"", b"")
        step.consume(message)
        onward = self._residence.onward(notice.partition)
        slot = self._residence.slot_of(notice.partition)
        if onward is not None:
            step.send_to_store(onward, message_of(notice))
        elif notice.sender == self._own:
            step.send(message_of(Passed(slot, notice.number, self._own)))
        else:
            step.send_to_store(notice.sender, message_of(Passed(slot, notice.number, self._own)))
        self._moving.commit(step)

    def _passed(self, notice: Passed, message: Message) -> None:
        route = self._routes.get(notice.slot)
        step = Step(b"", b"")
        step.consume(message)
        if route is not None and route.number == notice.number and route.way is Way.FENCED:
            self._reopen(step, notice)
        elif route is not None and route.number == notice.number and route.way is Way.SETTLING:
            self._settle(step, notice.slot, route)
        self._moving.commit(step)
        self.committed(step)

    def _reopen(self, step: Step, notice: Passed) -> None:
        """All that was sent before has come to `notice.store`: what has waited follows, or waits for the next fence."""
        slot, held = notice.slot, self._held.pop(notice.slot, [])
        for message in held:
            step.consume(message)
        number = self._log.take_lsn()
        self._propose(step, slot, Route(Way.SETTLING, notice.store, number))
        for message in held:
            self._let_go(step, notice.store, message)
        self._sent_since.discard(slot)
        step.send(message_of(Passed(slot, number, self._own)))

    def _settle(self, step: Step, slot: int, route: Route) -> None:
        """All that was in the own inbox before the mark has left it."""
        if slot not in self._sent_since:
            self._propose(step, slot, Route(Way.OPEN, route.store, 0))
            return
        self._sent_since.discard(slot)
        step.send(message_of(Passed(slot, route.number, self._own)))

    def _take(self, notice: Held, message: Message) -> None:
        slot = self._residence.slot_of(notice.partition)
        route = self._routes.get(slot)
        if route is not None and route.way is Way.FENCED:
            self._held.setdefault(slot, []).append(message)
            return
        step = Step(b"", b"")
        step.consume(message)
        self._let_go(step, route.store if route is not None else self._own, message)
        self._moving.commit(step)

    def _let_go(self, step: Step, store: bytes, message: Message) -> None:
        notice = notice_of(message)
        assert isinstance(notice, Held), "only what was kept back is let go"
        kept = Message(notice.partition, notice.payload)
        if store == self._own:
            step.send(kept)
        else:
            step.send_to_store(store, kept)


def _key(slot: int) -> bytes:
    return keys.ROUTE + slot.to_bytes(2, "big")


def _decode(data: bytes) -> Route:
    way, store, number = _route.unpack(data)
    return Route(Way(way), store, number)
