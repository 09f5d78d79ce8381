"""Moving one object from one store to another as a step: atomic in each of the two, and exactly once (SSMS §4.2).

    store of its slot   give: one step drops all of it, leaves a stub, and sends it as a bundle
           |            lane: the bundle, then each message to it that comes later
    its new store       adopt: one step consumes the bundle, and writes all of it and a guest row

A guest comes home before it goes anywhere else: the store of its slot keeps back what is sent to it, and calls it
back behind all that was sent before. So the messages to it have one way at any time, and none overtakes another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from automata import full_disk
from automata.arrival import Arrival
from automata.bundle import cut, put_together
from automata.delivery import Delivery
from automata.departure import Departure
from automata.entity import Entity
from automata.errors import StorageFull
from automata.holding import hold, release
from automata.leaders import Leaders
from automata.moved import Moved
from automata.notices import NOTICES, Notice, Piece, Recall, message_of, notice_of
from automata.partitions import address_of
from automata.residence import Residence, Stub
from automata.resuming import Resuming
from darq.lane import durable
from darq.step import Message, Step

if TYPE_CHECKING:
    from automata.host import Host

ARRIVE_SECONDS_MAX = 5.0
"""How long calls wait for an object that is expected, before they are sent back to the store of its slot."""


class Moving:
    """The objects of one store that come and go. handlers: what is done about other notices, by their class."""

    def __init__(
        self, host: Host, delivery: Delivery, resuming: Resuming, residence: Residence, leaders: Leaders
    ) -> None:
        self.handlers: dict[type, Callable[[Any, Message], None]] = {
            Piece: self._collect,
            Recall: self._send_home,
        }
        self.departure = Departure(host, delivery, resuming, leaders)
        self.residence = residence
        self.leaders = leaders
        self._arrival = Arrival(host, delivery, resuming, leaders)
        self._host = host
        self._log = host.log
        self._pieces: dict[bytes, list[Message]] = {}
        self._held: dict[bytes, list[Message]] = {}
        self._arriving: dict[bytes, asyncio.Future[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopped = False
        delivery.relay = self.relay

    def stop(self) -> None:
        """Begin no more moves; those that wait for their object are given up."""
        self._stopped = True
        for task in self._tasks:
            task.cancel()

    # moving

    async def give(self, partition: bytes, target: bytes) -> None:
        """Move an object of a slot of this store to the store of identity `target`; done when it has left durably.

        An object that is elsewhere comes home first. Raises Moved where another store has its slot, and StorageFull.
        """
        residence = self.residence
        while True:
            stub = residence.stubs.get(partition)
            away = residence.route_of(partition)
            if away is None and stub is None:
                away = residence.store_of(partition)
            if away is not None:
                raise Moved(away)
            if (residence.own if stub is None else stub.store) == target and not (stub and stub.returning):
                break
            if stub is None:
                await self._leave(partition, target)
            else:
                self._call_back(partition)
                await self.expect(partition)
        await durable(self._log.gate, self._group())

    def expect(self, partition: bytes) -> asyncio.Future[None]:
        """A future that is done when an object has come that is, or will be, on its way here."""
        arriving = self._arriving.get(partition)
        if arriving is None:
            arriving = self._arriving[partition] = self._host.loop.create_future()
        return arriving

    async def settled(self, partition: bytes) -> bool:
        """Wait, for a while, if an object is expected. Whether it is so no more."""
        if partition in self._arriving or self.returns(partition):
            arriving = self.expect(partition)
            await asyncio.wait([arriving], timeout=ARRIVE_SECONDS_MAX)
            return arriving.done()
        return True

    def returns(self, partition: bytes) -> bool:
        """Whether an object was called back to this store: what is sent to it waits here until it has come."""
        stub = self.residence.stubs.get(partition)
        return stub is not None and stub.returning

    def hand_over(self, step: Step, target: bytes, entity: Entity | None) -> None:
        """Send an object that is free away, with a step that may have more to do. entity: held, if it is in memory."""
        residence, partition = self.residence, step.partition
        guest = residence.guests.get(partition)
        number = guest if guest is not None else self._log.take_lsn()
        bundle, journals = self.departure.take(step, entity)
        pieces = cut(bundle)
        for index, data in enumerate(pieces):
            step.send_to_store(target, message_of(Piece(partition, number, index, len(pieces), data)))
        stub = None if guest is not None else Stub(number, target)
        if guest is not None:
            residence.write_guest(step, partition, None)
        else:
            residence.write_stub(step, partition, stub)
        self.commit(step)
        residence.note_guest(partition, None)
        residence.note_stub(partition, stub)
        self.departure.end(journals, entity, target)

    def commit(self, step: Step) -> int:
        """Commit a step of any size. Returns its group."""
        log = self._log
        size = step.size()
        group = log.commit(step, 0)  # an object is moved as a whole, whatever the limits of methods are
        if self._host.stage.outgoing is not None:
            self._host.stage.outgoing.committed(step)
        log.group.bytes += size
        if log.full:
            self._host.committer.close_full_group()
        self._host.committer.touch()
        return group

    # messages

    def relay(self, message: Message) -> bool:
        """Do what a notice says, or pass on what is for another store. Whether the message was either."""
        partition = message.partition
        if partition == NOTICES:
            notice: Notice = notice_of(message)
            self.handlers[type(notice)](notice, message)
            return True
        stub = self.residence.stubs.get(partition)
        if stub is not None and stub.returning:
            self._held.setdefault(partition, []).append(message)
            return True
        store = self.residence.store_of(partition)
        if store is None:
            return False
        step = Step(partition, b"")
        step.consume(message)
        step.send_to_store(store, Message(partition, message.payload()))
        self.commit(step)
        return True

    # inside

    async def _leave(self, partition: bytes, target: bytes) -> None:
        entity = await self._hold(partition)
        try:
            if self.residence.store_of(partition) is None:
                self._host.admit()
                self.hand_over(self._log.step(partition), target, entity)
        finally:
            if entity is not None:
                release(entity)

    async def _hold(self, partition: bytes) -> Entity | None:
        """Hold an object if it is in memory. Outside work that has begun is waited for: it would be done twice."""
        host, name = self._host, address_of(partition)
        until = host.loop.time() + host.options.closing_effect_seconds_max
        while (prepared := host.prepared.get(partition)) is not None:
            await asyncio.wait([prepared])
        await self._passed(partition)
        while (entity := host.entities.find(name)) is not None:
            await hold(entity, host.loop)
            effects = host.tasks.effects_of(entity)
            left = until - host.loop.time()
            if (not effects or left <= 0) and not self._under_way(partition):
                return entity
            release(entity)
            if effects and left > 0:
                await asyncio.wait(effects, timeout=left)
            await self._passed(partition)
        return None

    def _under_way(self, partition: bytes) -> bool:
        outgoing = self._host.stage.outgoing
        return outgoing is not None and outgoing.under_way(partition)

    async def _passed(self, partition: bytes) -> None:
        """Wait until what an object has sent has come to its stores: calls from elsewhere must not overtake it."""
        outgoing = self._host.stage.outgoing
        if outgoing is not None:
            await outgoing.arrived(partition)

    def _call_back(self, partition: bytes) -> None:
        """Have an object come home, behind all that was sent to it so far; what comes now waits for it here."""
        stub = self.residence.stubs.get(partition)
        if stub is not None and not stub.returning:
            step = self._log.step(partition)
            called = Stub(stub.number, stub.store, returning=True)
            self.residence.write_stub(step, partition, called)
            step.send_to_store(stub.store, message_of(Recall(partition, stub.number, self.residence.own)))
            self.residence.note_stub(partition, called)
            self.commit(step)

    def _send_home(self, notice: Recall, message: Message) -> None:
        """It goes as soon as it is free; the step that sends it consumes the notice."""
        self.begin(self._go_home(notice, message))

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something in a task that ends with this life of the store."""
        task = self._host.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def _go_home(self, notice: Recall, message: Message) -> None:
        while True:
            entity = await self._hold(notice.partition)
            try:
                self._host.admit()
                step = self._log.step(notice.partition)
                step.consume(message)
                self.hand_over(step, notice.home, entity)
                return
            except StorageFull:
                pass
            finally:
                if entity is not None:
                    release(entity)
            await asyncio.sleep(full_disk.PAUSE_SECONDS)

    def _collect(self, notice: Piece, message: Message) -> None:
        """Pieces stay in the inbox until the last one is there."""
        self.expect(notice.partition)
        pieces = self._pieces.setdefault(notice.partition, [])
        pieces.append(message)
        if notice.index + 1 == notice.count:
            del self._pieces[notice.partition]
            self._adopt(notice, pieces)

    def _adopt(self, last: Piece, messages: list[Message]) -> None:
        residence, partition = self.residence, last.partition
        step = self._log.step(partition)
        data = []
        for message in messages:
            step.consume(message)
            notice = notice_of(message)
            assert isinstance(notice, Piece), "only pieces are collected"
            data.append(notice.data)
        arrived = self._arrival.put(step, put_together(data))
        at_home = residence.route_of(partition) is None
        if at_home:
            residence.write_stub(step, partition, None)
        else:
            residence.write_guest(step, partition, last.number)
        self.commit(step)
        residence.note_stub(partition, None)
        residence.note_guest(partition, None if at_home else last.number)
        if self._host.stage.outgoing is not None:
            self._host.stage.outgoing.come(partition)
        self._arrival.begin(partition, arrived)
        for message in reversed(self._held.pop(partition, [])):
            self._log.inbox.put_back(message)
        arriving = self._arriving.pop(partition, None)
        if arriving is not None and not arriving.done():
            arriving.set_result(None)

    def _group(self) -> int:
        group = self._log.group
        return group.number if group.dirty else group.number - 1

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and self._log.gate.failure is None and not self._stopped:
            context = {"message": "an object could not be moved", "exception": error}
            self._host.loop.call_exception_handler(context)
