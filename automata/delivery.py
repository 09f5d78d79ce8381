"""Delivering stored messages: each until a step has consumed it, retried with backoff, then a dead letter.

A message that cannot be delivered now is parked beside the inbox, by a step, so that nothing waits behind it and the
inbox cursor can pass it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from automata import failure, letters
from automata.absent_types import AbsentTypes
from automata.alarms import Alarms
from automata.envelope import Envelope, Payload, decode_payload, encode_payload
from automata.errors import DeclarationError, StateError, StorageFull
from automata.parking import Parking, as_message
from automata.partitions import address_of
from automata.quarantine import TRIES_MAX as QUARANTINE_TRIES_MAX
from automata.quarantine import Quarantine
from automata.reference import ObjectRef, make_ref
from automata.work import Outcome, Reply, Work
from darq import keys
from darq.codec import Cause, Parked
from darq.errors import InvalidStep
from darq.step import Message, Step

if TYPE_CHECKING:
    from automata.host import Host
    from automata.types import AutomatonType

TRIES_MAX = 5
BACKOFF_FIRST_SECONDS = 0.05
_FULL_PAUSE_SECONDS = 0.25
_UNRESOLVED_PAUSE_SECONDS = 0.25  # a module that is being imported names what it defines further down
_SURVIVED_SECONDS = 1.0  # a method that still waits after this long has not killed the process by itself
_CLOCK_EVERY = 16  # messages between looks at the clock
_CLIENT = b""  # the partition of steps that belong to no object


@dataclass(frozen=True)
class Letter:
    """A message or method that needs a person: what it was for, and what went wrong.

    id: what retry(id) and discard(id) take; ref and method: what was invoked; error: the last error in one line;
    traceback: where it was raised.
    """

    id: str
    ref: ObjectRef
    method: str
    error: str
    traceback: str


class Delivery:
    """Takes messages off one host's inbox to their objects."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._log = host.log
        self._stopped = False
        self._quarantine = Quarantine(self._log)
        self._parking = Parking(self._log, host.clock)
        self._absent = AbsentTypes(self._parking, self._log.inbox)
        self.alarms = Alarms(host)
        self._resolving: set[str] = set()  # types that are looked at again in a while
        self._running = 0
        self._running_max = self._log.limits.deliveries_running_max

    def start(self) -> None:
        """Deliver what earlier lives have left: due retries, and messages whose type is defined again."""
        self._log.inbox.on_ready = self._host.committer.touch
        self._host.committer.touch()
        for key, parked in self.parked(Cause.RETRY):
            self._quarantine.expect(keys.number_of(key))
            self._at(max(0.0, parked.due_ms / 1000 - self._host.clock()), key)
        for name in self._absent.load():
            self.type_defined(name)
        self.alarms.start()

    def stop(self) -> None:
        """Deliver no more; what is stored goes on in the next life."""
        self._stopped = True
        self.alarms.stop()

    def run(self, seconds: float) -> bool:
        """Deliver for at most `seconds`; whether something is left that can be delivered now."""
        host, log = self._host, self._log
        deadline = host.loop.time() + seconds
        count = 0
        self._absent.recall()
        while not self._stopped and log.gate.failure is None and not self._quarantine.blocked:
            if self._running >= self._running_max and not (host.order and count < _CLOCK_EVERY):
                return bool(host.order)  # calls of what runs wait for messages, so some go on in spite of the bound
            message = log.inbox.next(log.group)
            if message is None:
                if self._absent.recall():
                    return True
                if self.alarms.more:
                    return self.alarms.ring()
                self._quarantine.finish()
                return False
            try:
                host.admit()
                self._take(message)
            except StorageFull:
                self._put_back(message)
                return False
            except BaseException:  # the store's fault, or an interrupt of the process in the middle of the step
                log.inbox.put_back(message)
                raise
            count += 1
            if count % _CLOCK_EVERY == 0 and host.loop.time() > deadline:
                return True
        return False

    def _take(self, message: Message) -> None:
        """Do what is to be done now about the next message."""
        try:
            if self._absent.waiting and self._absent.before(message) and self._wait_behind(message):
                return
            if not self._quarantine.covers(message):
                self._deliver(message)
            elif self._quarantine.holds(message):
                self._mark(message)
            else:
                self._deliver_marked(message)
        except InvalidStep:
            self._quarantine.survived(message)
        except Exception as error:  # noqa: BLE001 - whatever it is, the message needs a person, and the next one its turn
            self._refuse(message, error)

    def failed(self, work: Work, error: BaseException) -> None:
        """The step of a message has raised: try again later, or give it to a person. Raises nothing."""
        message = work.message
        if isinstance(error, InvalidStep):
            return  # it was handed over a second time, and refused
        if message is not None and isinstance(error, StorageFull):
            self._put_back(message)  # a refusal is no failed try
            return
        try:
            assert message is not None, "a method that has committed a part has a journal"
            attempts = message.attempts + 1
            payload = encode_payload(Payload(work.method.name, work.method.encode_arguments(message.packed), attempts))
            self._park(message, payload, attempts, error)
        except Exception as fault:  # noqa: BLE001 - it shows and writes down what users have made
            self._bury(message, work.entity.partition, work.method.name, error, fault)

    def type_defined(self, name: str) -> None:
        """A type is defined (again): its waiting messages can be delivered, once its annotations can be resolved."""
        made = self._host.options.registry.find(name)
        if made is None or self._stopped or self._log.gate.failure is not None or not self._absent.waits(name):
            return
        try:
            made.resolve()
        except DeclarationError:
            self._resolve_later(name)
            return
        self._absent.back(name)
        self._host.committer.touch()

    def parked(self, cause: Cause) -> Iterator[tuple[bytes, Parked]]:
        """(row key, message) of everything parked for one cause, staged or stored."""
        return self._parking.rows(cause)

    def dead_letters(self) -> list[Letter]:
        """What has raised too often."""
        return [_letter(key, parked) for key, parked in self.parked(Cause.DEAD)]

    def retry(self, letter_id: str) -> None:
        """Deliver a dead letter again, with all its tries. StateError if there is none of this id."""
        key = letters.row_of(letter_id)
        parked = self._find(key, letter_id)
        payload = letters.check_retry(letter_id, decode_payload(parked.payload))
        self._unpark(key, parked, payload)

    def discard(self, letter_id: str) -> None:
        """Drop a dead letter. StateError if there is none of this id."""
        key = letters.row_of(letter_id)
        self._find(key, letter_id)
        step = Step(_CLIENT, b"")
        step.set_row(key, None)
        self._commit(step)

    # inside

    def _refuse(self, message: Message, error: Exception) -> None:
        """A message did not even come to its object: it needs a person."""
        self._quarantine.survived(message)
        try:
            payload = message.payload()
            self._park(message, payload, TRIES_MAX + decode_payload(payload).attempts, error)
        except Exception as fault:  # noqa: BLE001 - its content cannot be read, or not be written down
            self._bury(message, message.partition, letters.method_of(message), error, fault)

    def _bury(
        self, message: Message | None, partition: bytes, method: str, error: BaseException, fault: BaseException
    ) -> None:
        """A letter could not be written as it should be, because of `fault`: write one that says no more than that."""
        if self._log.gate.failure is not None:
            return
        step = Step(_CLIENT, b"")
        try:
            if message is not None:
                step.consume(message)
                self._absent.handed_over(message)
            parked = letters.short_letter(partition, method, error, fault)
            self._parking.add(step, parked, failure.name_of(error))
            self._commit(step)
        except Exception as last:  # noqa: BLE001 - goes to the loop's handler; the message is there when the app opens again
            context = {"message": f"a letter about {method} could not be written", "exception": last}
            self._host.loop.call_exception_handler(context)

    def _wait_behind(self, message: Message) -> bool:
        """Messages of its type are parked that come before this one. Returns whether it waits for them now."""
        if self._absent.window:
            return False  # it was taken before them, and put back
        if self._absent.is_back(message):
            self._log.inbox.put_back(message)
            self._absent.recall()
            return True
        self._park_unknown(message)
        return True

    def _mark(self, message: Message) -> None:
        """What an earlier, killed life has left is delivered under a mark: it may have been what killed it."""
        if self._quarantine.guilty(message):
            payload = decode_payload(message.payload())
            died = StateError(f"the process died {QUARANTINE_TRIES_MAX} times while {payload.method} ran")
            self._park(message, message.payload(), TRIES_MAX, died)
            return
        self._log.inbox.put_back(message)
        # on a turn of the loop of its own: the gate may open inside another object's step
        self._quarantine.mark(message, self._host.committer.touch)
        self._host.committer.touch()

    def _deliver_marked(self, message: Message) -> None:
        self._quarantine.begin(message)
        reply = self._deliver(message)
        if isinstance(reply, asyncio.Future):
            reply.add_done_callback(lambda done: self._survived(message))
            self._host.loop.call_later(_SURVIVED_SECONDS, self._survived, message)
        else:
            self._survived(message)

    def _survived(self, message: Message) -> None:
        if not self._stopped and self._log.gate.failure is None:
            self._quarantine.survived(message)
            self._host.committer.touch()

    def _put_back(self, message: Message) -> None:
        """The disk is full: the message stays first, and is tried again in a while."""
        self._log.inbox.put_back(message)
        self._host.loop.call_later(_FULL_PAUSE_SECONDS, self._host.committer.touch)

    def _deliver(self, message: Message) -> Reply | None:
        registry = self._host.options.registry
        type_name, key = message.address if isinstance(message, Envelope) else address_of(message.partition)
        made = registry.find(type_name)
        if made is None:
            self._park_unknown(message)
            return None
        try:
            envelope = self._envelope(made, message)
        except DeclarationError:
            self._park_unknown(message)
            return None
        entity = self._host.entities.get(made, key)
        if self._absent.window:
            self._absent.handed_over(message)
        reply = self._host.start(Work(entity, envelope.method, envelope.packed, envelope, one_way=True))
        if isinstance(reply, asyncio.Future):
            self._running += 1
            reply.add_done_callback(self._ended)
        return reply

    def _ended(self, done: asyncio.Future[Outcome]) -> None:
        self._running -= 1
        if self._running == self._running_max - 1 and not self._stopped:
            self._host.committer.touch()

    def _envelope(self, made: AutomatonType, message: Message) -> Envelope:
        if isinstance(message, Envelope) and made.methods.get(message.method.name) is message.method:
            return message
        payload = decode_payload(message.payload())
        method = made.method(payload.method)
        envelope = Envelope(
            address_of(message.partition), method, method.decode_arguments(payload.arguments), payload.attempts
        )
        envelope.lsn, envelope.stored = message.lsn, message.stored
        if not message.stored:
            self._log.group.born[message.lsn] = envelope
        return envelope

    def _park(self, message: Message, payload: bytes, attempts: int, error: BaseException) -> None:
        dead = attempts >= TRIES_MAX
        delay = BACKOFF_FIRST_SECONDS * 2 ** (attempts - 1)
        reason = letters.encode_reason(error)
        parked = Parked(
            Cause.DEAD if dead else Cause.RETRY,
            int((self._host.clock() + delay) * 1000),
            attempts,
            reason,
            message.partition,
            payload,
        )
        key = self._park_row(message, parked, failure.name_of(error))
        if not dead:
            self._at(delay, key)

    def _park_unknown(self, message: Message) -> None:
        """Nothing can deliver it now: it is parked behind the others of its type, or stays where it is parked."""
        name, _ = address_of(message.partition)
        if self._host.options.registry.find(name) is not None:
            self._resolve_later(name)
        if self._absent.gone_again(message):
            return
        parked = Parked(Cause.UNKNOWN_TYPE, 0, 0, b"", message.partition, message.payload())
        self._park_row(message, parked, "UnknownType")
        self._absent.parked(message.partition)

    def _resolve_later(self, name: str) -> None:
        if name not in self._resolving:
            self._resolving.add(name)
            self._host.loop.call_later(_UNRESOLVED_PAUSE_SECONDS, self._resolve_again, name)

    def _resolve_again(self, name: str) -> None:
        self._resolving.discard(name)
        self.type_defined(name)

    def _park_row(self, message: Message, parked: Parked, error: str) -> bytes:
        step = Step(_CLIENT, b"")
        step.consume(message)
        key = self._parking.add(step, parked, error)
        self._commit(step)
        self._absent.handed_over(message)
        return key

    def _at(self, seconds: float, key: bytes) -> None:
        self._host.loop.call_later(seconds, self._due, key)

    def _due(self, key: bytes) -> None:
        if self._stopped or self._log.gate.failure is not None:
            return
        inbox = self._log.inbox
        if len(inbox.ready) >= self._log.limits.inbox_window_messages_max:
            self._at(_FULL_PAUSE_SECONDS, key)
            return
        parked = self._parking.find(key)
        if parked is not None:
            inbox.recall(as_message(key, parked), key)

    def _unpark(self, key: bytes, parked: Parked, payload: Payload) -> None:
        step = Step(_CLIENT, b"")
        step.set_row(key, None)
        step.send(Message(parked.partition, encode_payload(payload)))
        self._commit(step)

    def _find(self, key: bytes, letter_id: str) -> Parked:
        parked = self._parking.find(key)
        if parked is None:
            raise StateError(f"there is no dead letter {letter_id!r}: it was retried or discarded before")
        return parked

    def _commit(self, step: Step) -> None:
        self._log.commit(step)
        self._host.committer.touch()


def _letter(key: bytes, parked: Parked) -> Letter:
    error, trace = letters.decode_reason(parked.reason)
    payload = decode_payload(parked.payload)
    return Letter(str(keys.number_of(key)), make_ref(*address_of(parked.partition)), payload.method, error, trace)
