"""Taking one object out of its store: all that is there of it, as a bundle, and dropped by one step (SSMS §4.2)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from automata.bundle import Bundle, Suspended
from automata.delivery import Delivery
from automata.entity import Entity
from automata.envelope import encode_open
from automata.journal import Journal, encode_part
from automata.leaders import Leaders
from automata.request_ids import NO_FINGERPRINT
from automata.resuming import Resuming
from automata.waiting import Gone, QueuedWork
from automata.work import Outcome, Request, Work
from darq import keys
from darq.codec import Cause, Parked
from darq.overlay import Overlay
from darq.step import Step

if TYPE_CHECKING:
    from automata.host import Host

Called = tuple[Work, asyncio.Future[Outcome]]


class Departure:
    """Takes objects out of one store."""

    def __init__(self, host: Host, delivery: Delivery, resuming: Resuming, leaders: Leaders) -> None:
        self._host = host
        self._leaders = leaders
        self._log = host.log
        self._delivery = delivery
        self._resuming = resuming
        self._opened = host.open_invocations

    def is_here(self, partition: bytes, entity: Entity | None) -> bool:
        """Whether the store has anything of an object, or something runs on it."""
        if (entity is not None and not entity.idle) or partition in self._host.prepared:
            return True
        log = self._log
        if log.row(keys.partition_key(keys.DIRECTORY, partition)) is not None or self._opened.of(partition):
            return True
        state = log.scan(keys.partition_key(keys.STATE, partition), (b"", b"\xff"), 1)
        return bool(state or log.answers.of(partition) or log.rows(keys.partition_key(keys.REQUEST, partition)))

    def take(self, step: Step, entity: Entity | None) -> tuple[Bundle, list[Journal]]:
        """Let `step` drop all that its object has here. entity: the object, held, if it is in memory.

        Returns what it has, and its methods that go on elsewhere, which have no journal here any more.
        """
        journals = self._opened.of(step.partition)
        bundle = Bundle(
            self._header(step),
            self._state(step),
            self._records(step),
            self._requests(step),
            self._answers(step),
            self._parked(step, (Cause.RETRY, Cause.DEAD)),
            self._messages(step, entity),
            [self._suspended(journal) for journal in journals],
            self._leaders.known(),
        )
        for journal in journals:  # before the step is in the log, since that may close the group
            self._opened.end(journal)
        return bundle, journals

    def end(self, journals: list[Journal], entity: Entity | None, store: bytes) -> None:
        """The step is in the log: nothing of the object may run here any more, and who waits for it asks there."""
        for journal in journals:
            self._resuming.left(journal, store)
        if entity is None:
            return
        entity.moved, entity.busy = store, True
        self._host.entities.drop((entity.made.name, entity.key))
        self._host.tasks.cut(entity, store)
        waiting, entity.queue = entity.queue, Gone(store)
        for waiter in waiting:
            waiter.refuse(store)

    # rows

    def _header(self, step: Step) -> bytes | None:
        row = keys.partition_key(keys.DIRECTORY, step.partition)
        step.set_row(row, None)
        return self._log.row(row)

    def _state(self, step: Step) -> list[tuple[bytes, bytes]]:
        step.overlay = Overlay()
        step.overlay.drop_range(b"", b"\xff")
        return self._log.scan(step.prefix, (b"", b"\xff"), keys.ALL)

    def _records(self, step: Step) -> list[bytes]:
        records = [payload for _, payload in self._log.replay(step.partition)]
        if records:
            self._log.trim_records(step, self._log.next_lsn - 1)
        return records

    def _requests(self, step: Step) -> list[tuple[bytes, bytes]]:
        prefix = keys.partition_key(keys.REQUEST, step.partition)
        rows = self._log.rows(prefix)
        for key, data in rows:
            step.set_row(key, None)
            step.set_row(keys.numbered(keys.EXPIRY, keys.number_of(data[:8])) + key, None)
        return [(key[len(prefix) :], data) for key, data in rows]

    def _answers(self, step: Step) -> list[tuple[bytes, bytes]]:
        answers = self._log.answers.of(step.partition)
        for answer in answers:
            self._log.answers.forget(answer.request)
        return [(answer.request, answer.outcome) for answer in answers]

    # messages

    def _parked(self, step: Step, causes: tuple[Cause, ...]) -> list[tuple[int, bytes]]:
        """Those that wait in their rows. What is on its way to the object just now is passed on when it comes there."""
        found = []
        for cause in causes:
            for key, parked in self._delivery.parking.rows(cause):
                if parked.partition == step.partition and self._log.inbox.recalled(keys.number_of(key)) is None:
                    step.set_row(key, None)
                    found.append((int(cause), parked.encode()))
        return found

    def _messages(self, step: Step, entity: Entity | None) -> list[bytes]:
        """What has not begun, in order: behind the object, in its line, of a type not known so far, in the window."""
        queue = entity.queue if entity is not None else ()
        queued = [waiter.work.message for waiter in queue if isinstance(waiter, QueuedWork)]
        before, behind = self._delivery.leave(step.partition)
        unknown = [payload for _, payload in self._parked(step, (Cause.UNKNOWN_TYPE,))]
        for _ in unknown:
            self._delivery.unparked(step.partition)
        first = [message for message in [*queued, *before] if message is not None]
        for message in [*first, *behind]:
            step.consume(message)
        payloads = [message.payload() for message in first]
        return [*payloads, *map(_payload, unknown), *(message.payload() for message in behind)]

    # methods that wait at a commit point

    def _suspended(self, journal: Journal) -> Suspended:
        if not journal.loaded:
            self._opened.load(journal)
        self._part_from_called(journal)
        self._opened.detach(journal)
        row = journal.row
        if journal.pack is not None:
            row.arguments, journal.pack = journal.pack(), None
        origin = row.origin or (self._log.store.identity(), journal.number)
        invocation = msgspec.structs.replace(row, origin=origin, deaths=0, alone=False)
        limit, what = self._log.limits.message_bytes_max, f"what {row.method} awaits"
        answers = [(part, index, a.encode(limit, what)) for (part, index), a in journal.answers.items()]
        return Suspended(encode_open(invocation), [encode_part(part) for part in journal.parts], answers)

    def _part_from_called(self, journal: Journal) -> None:
        """What this method has called here, and waits for, is recorded: it is asked for again from where it goes on."""
        for work, reply in self._called_by(journal.number):
            assert work.caller is not None, "the method has called it"
            if work.request is None:
                work.request = Request(self._opened.request_of(work.caller.address), NO_FINGERPRINT)
                self._host.keyed.join(work.entity.partition, work.request, reply)
            work.caller = None
        for called in self._opened.called_by(journal.number):
            self._opened.detach(called)
            waiting = self._resuming.reply_of(called)
            if waiting is not None:
                row = called.row
                self._host.keyed.join(row.partition, Request(row.request, row.fingerprint), waiting)

    def _called_by(self, number: int) -> list[Called]:
        host = self._host
        found = [*host.tasks.called_by(number), *host.order.called_by(number)]
        for entity in host.entities.all():
            waiters = [waiter for waiter in entity.queue if isinstance(waiter, QueuedWork)]
            found += [(waiter.work, waiter.reply) for waiter in waiters if waiter.serves(number)]
        return found


def _payload(parked: bytes) -> bytes:
    return Parked.decode(parked).payload
