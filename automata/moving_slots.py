"""Moving whole slots from one store to another, object by object, while their objects are used (SSMS §3.3, §4.2).

    target  take(slots)            COMING: what has not come is with the other store
    source  give(slots)            LEAVING: what is here lives here until it is given, and nothing is born here any more
            each object, as always; then one step:
                                   GONE, and a notice behind all of them in the same lane
    target                         HERE: it has all of it, and is the store of the slots

Only then a placement may name the new store: it would find objects empty whose state has not come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from automata.moved import Moved
from automata.moving import Moving
from automata.notices import Alarm, Given, message_of
from automata.partitions import address_of, partition_of
from automata.residence import Phase, SlotMove
from automata.routes import Routes
from darq import keys
from darq.codec import Cause, Parked, Timer, origin_of
from darq.lane import durable
from darq.step import Message, Step

if TYPE_CHECKING:
    from automata.host import Host

_PAGE_ROWS = 256
_BY_PARTITION = (keys.DIRECTORY, keys.REQUEST, keys.RECORD, keys.STATE)


class MovingSlots:
    """The slots of one store that come and go.

    settled: whether this store's messages to slots have found their new way. Before slots move again, all stores are
    asked until it is so: else what is still on the old way could be overtaken.
    """

    def __init__(self, host: Host, moving: Moving, routes: Routes) -> None:
        self.settled = routes.settled
        self._host = host
        self._log = host.log
        self._moving = moving
        self._residence = moving.residence
        self._residence.stay = self._stay
        self._giving = asyncio.Lock()
        moving.handlers[Given] = self._given
        moving.handlers[Alarm] = self._set_alarm

    async def take(self, slots: Collection[int], source: bytes) -> None:
        """Expect slots of another store, which is told to give them after this. Durable when it returns.

        What is here already stays as it is. Whoever asks makes sure that the other one has the slots now: of one that
        has gone from here since nothing would ever come.
        """
        coming, known = SlotMove(Phase.COMING, source), self._residence.slots
        here = [slot for slot, move in known.items() if move.phase in (Phase.HERE, Phase.LEAVING)]
        await self._write({slot: coming for slot in slots if slot not in here and known.get(slot) != coming})

    async def give(self, slots: Collection[int], target: bytes) -> None:
        """Give all objects of slots, and all messages, methods and timers of theirs, to another store that takes them.

        Done when all has left durably; done again after a death, it goes on where it was; asked twice at once, it is
        done once. Raises Moved for a slot that has gone to another store, or has not come yet.
        """
        async with self._giving:
            await self._give_all(slots, target)

    # inside

    async def _give_all(self, slots: Collection[int], target: bytes) -> None:
        leaving, gone, known = SlotMove(Phase.LEAVING, target), SlotMove(Phase.GONE, target), self._residence.slots
        left = [slot for slot in slots if known.get(slot) != gone]
        for move in [known[slot] for slot in left if slot in known]:
            if move.phase is not Phase.HERE and move != leaving:
                raise Moved(move.store)
        await self._write({slot: leaving for slot in left if known.get(slot) != leaving})
        residence = self._residence
        while left and (objects := self._objects(left)):
            for partition in objects:
                await self._give(partition, target)
        await self._give_timers(left, target)
        step = Step(b"", b"")
        for partition in residence.in_slots(left, residence.stubs):
            residence.write_stub(step, partition, None)
        for slot in left:
            step.send_to_store(target, message_of(Given(slot, self._moving.leaders.known())))
        await self._write(dict.fromkeys(left, gone), step)
        for partition in residence.in_slots(left, list(residence.stubs)):
            residence.note_stub(partition, None)

    async def _write(self, moves: dict[int, SlotMove], step: Step | None = None) -> None:
        step = step or Step(b"", b"")
        for slot, move in moves.items():
            self._residence.write_slot(step, slot, move)
        group = self._moving.commit(step)
        for slot, move in moves.items():
            self._residence.note_slot(slot, move)
        await durable(self._log.gate, group)

    async def _give(self, partition: bytes, target: bytes) -> None:
        """Give one object, which comes home first if it is elsewhere."""
        try:
            await self._moving.give(partition, target)
        except Moved:
            return  # it has gone by itself meanwhile

    def _objects(self, slots: Collection[int]) -> list[bytes]:
        """The objects of these slots that the new store does not have yet."""
        residence = self._residence
        away = [p for p, stub in residence.stubs.items() if stub.returning or stub.store != self._target(p)]
        here = [p for p in dict.fromkeys(self._all()) if p not in residence.stubs and p not in residence.guests]
        return residence.in_slots(slots, [*away, *here])

    def _target(self, partition: bytes) -> bytes:
        move = self._residence.slots.get(self._residence.slot_of(partition))
        return move.store if move is not None else b""

    def _all(self) -> Iterator[bytes]:
        """Every object that this store has a row of, or that is in use."""
        for kind in _BY_PARTITION:
            yield from self._named(kind)
        for cause in Cause:
            for _, data in self._log.rows(keys.PARKED + bytes([cause])):
                yield Parked.decode(data).partition
        yield from filter(None, self._log.answers.partitions())
        for journal in self._host.open_invocations.all():
            yield journal.row.partition
        yield from list(self._host.prepared)
        for entity in self._host.entities.all():
            if not entity.idle:
                yield partition_of(entity.made.name, entity.key)

    def _named(self, kind: bytes) -> Iterator[bytes]:
        """The objects that have rows of a kind: one look for each, however many rows it has."""
        store, at, end = self._log.store, kind, keys.after(kind)
        while rows := store.scan(at, end, 1):
            partition, _ = keys.split_partition(rows[0][0])
            if partition:
                yield partition
            at = keys.after(keys.partition_key(kind, partition))
        for key, data in self._log.group.rows.items():
            if key[:1] == kind and data is not None and (partition := keys.split_partition(key)[0]):
                yield partition

    def _stay(self, partition: bytes, target: bytes) -> bytes | None:
        """Where an object of a slot that leaves is: what has nothing here begins its life at the new store."""
        entity = self._host.entities.find(address_of(partition))
        departure = self._moving.departure
        if departure.is_here(partition, entity):
            return None
        self._moving.hand_over(self._log.step(partition), target, entity)
        return target

    def _given(self, notice: Given, message: Message) -> None:
        """All of a slot has come: its objects are guests no more. If it had before, it may have gone on since."""
        residence = self._residence
        move = residence.slots.get(notice.slot)
        step = Step(b"", b"")
        step.consume(message)
        self._moving.leaders.learn(step, notice.leaders)
        if move is None or move.phase is not Phase.COMING:
            self._moving.commit(step)
            return
        here = SlotMove(Phase.HERE, move.store)
        residence.write_slot(step, notice.slot, here)
        come = residence.in_slots({notice.slot}, list(residence.guests))
        for partition in come:
            residence.write_guest(step, partition, None)
        self._moving.commit(step)
        residence.note_slot(notice.slot, here)
        for partition in come:
            residence.note_guest(partition, None)

    # timers

    async def _give_timers(self, slots: Collection[int], target: bytes) -> None:
        """Timers whose receivers are in these slots ring there."""
        begin, end = keys.TIMER, keys.after(keys.TIMER)
        while rows := self._log.store.scan(begin, end, _PAGE_ROWS):
            step = Step(b"", b"")
            for key, data in rows:
                timer = Timer.decode(data)
                leaves = self._residence.slot_of(timer.partition) in slots
                if leaves and self._log.timers.is_pending(key, self._log.group):
                    self._give_timer(step, key, timer, target)
            if step.rows:
                self._moving.commit(step)
            begin = rows[-1][0] + b"\x00"
            await asyncio.sleep(0)

    def _give_timer(self, step: Step, key: bytes, timer: Timer, target: bytes) -> None:
        step.set_row(key, None)
        if timer.schedule:
            step.set_row(timer.schedule_key, None)
        lsn = timer.schedule or keys.number_of(key)
        alarm = Alarm(self._residence.own, lsn, keys.due_of(key), timer.encode())
        step.send_to_store(target, message_of(alarm))

    def _set_alarm(self, notice: Alarm, message: Message) -> None:
        timer, lsn = Timer.decode(notice.timer), self._log.take_lsn()
        step = Step(b"", b"")
        step.consume(message)
        origin = timer.origin or origin_of(notice.store, notice.lsn)
        moved = replace(timer, schedule=lsn if timer.schedule else 0, origin=origin)
        self._log.timers.add(step, notice.due_ms, lsn, moved)
        self._moving.commit(step)
