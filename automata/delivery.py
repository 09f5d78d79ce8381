"""Delivering stored messages: each until a step has consumed it, retried with backoff, then a dead letter.

A message that cannot be delivered now is parked beside the inbox, by a step, so that nothing waits behind it and the
inbox cursor can pass it (ENGINE, decisions 15 and 24).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from automata import failure
from automata.envelope import Envelope, Payload, decode_payload, encode_payload
from automata.errors import DeclarationError, StateError, StorageFull
from automata.partitions import address_of
from automata.quarantine import TRIES_MAX as QUARANTINE_TRIES_MAX
from automata.quarantine import Quarantine
from automata.reference import ObjectRef, make_ref
from automata.work import Reply, Work
from darq import keys
from darq.codec import Cause, Parked
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
_ID_DIGITS_MAX = 20
_PARTLY_DONE = -1  # in place of the number of tries: the message was consumed by a part that has committed
_CLIENT = b""  # the partition of steps that belong to no object

_encode_reason = msgspec.msgpack.Encoder().encode
_decode_reason = msgspec.msgpack.Decoder(tuple[str, str]).decode


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

    def start(self) -> None:
        """Deliver what earlier lives have left: due retries, and messages whose type is defined again."""
        self._log.inbox.on_ready = self._host.committer.touch
        self._host.committer.touch()
        for key, parked in self.parked(Cause.RETRY):
            self._at(max(0.0, parked.due_ms / 1000 - self._host.clock()), key)
        for name in self._host.options.registry.names():
            self.type_defined(name)

    def stop(self) -> None:
        """Deliver no more; what is stored goes on in the next life."""
        self._stopped = True

    def run(self, seconds: float) -> bool:
        """Deliver for at most `seconds`; whether something is left."""
        host, log = self._host, self._log
        deadline = host.loop.time() + seconds
        count = 0
        while not self._stopped and log.gate.failure is None and not self._quarantine.blocked:
            message = log.inbox.next(log.group)
            if message is None:
                self._quarantine.finish()
                return False
            try:
                host.admit()
            except StorageFull:
                self._put_back(message)
                return False
            try:
                if not self._quarantine.covers(message):
                    self._deliver(message)
                elif self._quarantine.holds(message):
                    self._mark(message)
                else:
                    self._deliver_marked(message)
            except BaseException:  # an interrupt of the process, in the middle of the step
                log.inbox.ready.appendleft(message)
                raise
            count += 1
            if count % _CLOCK_EVERY == 0 and host.loop.time() > deadline:
                return True
        return False

    def failed(self, work: Work, error: BaseException) -> None:
        """The step of a message has raised: try again later, or give it to a person."""
        message = work.message
        if message is None:
            self._give_up(work, error)
            return
        if isinstance(error, StorageFull):
            self._put_back(message)  # a refusal is no failed try
            return
        attempts = message.attempts + 1
        payload = encode_payload(Payload(work.method.name, work.method.encode_arguments(message.packed), attempts))
        self._park(message, payload, attempts, error)

    def type_defined(self, name: str) -> None:
        """A type is defined (again): its waiting messages can be delivered, once its annotations can be resolved."""
        made = self._host.options.registry.find(name)
        if made is None or self._stopped or self._log.gate.failure is not None:
            return
        prefix = name.encode() + b"\x00"
        waiting = [row for row in self.parked(Cause.UNKNOWN_TYPE) if row[1].partition.startswith(prefix)]
        if not waiting:
            return
        try:
            made.resolve()
        except DeclarationError:
            self._resolve_later(name)
            return
        for key, parked in waiting:
            self._unpark(key, parked, decode_payload(parked.payload))

    def _resolve_later(self, name: str) -> None:
        self._host.loop.call_later(_UNRESOLVED_PAUSE_SECONDS, self.type_defined, name)

    def parked(self, cause: Cause) -> Iterator[tuple[bytes, Parked]]:
        """(row key, message) of everything parked for one cause, staged or stored."""
        prefix = keys.PARKED + bytes([cause])
        stored = dict(self._log.store.scan(prefix, keys.after(prefix), keys.ALL))
        staged = {k: v for k, v in self._log.group.rows.items() if k.startswith(prefix)}
        for key, data in sorted((stored | staged).items()):
            if data is not None:
                yield key, Parked.decode(data)

    def dead_letters(self) -> list[Letter]:
        """What has raised too often."""
        return [_letter(key, parked) for key, parked in self.parked(Cause.DEAD)]

    def retry(self, letter_id: str) -> None:
        """Deliver a dead letter again, with all its tries. StateError if there is none of this id."""
        key = _row(Cause.DEAD, letter_id)
        parked = self._find(key, letter_id)
        payload = decode_payload(parked.payload)
        if payload.attempts == _PARTLY_DONE:
            raise StateError(
                f"{payload.method} had committed a part before it failed, which a retry would do again: see to what is "
                f"missing, then discard({letter_id!r})"
            )
        self._unpark(key, parked, Payload(payload.method, payload.arguments, 0))

    def discard(self, letter_id: str) -> None:
        """Drop a dead letter. StateError if there is none of this id."""
        key = _row(Cause.DEAD, letter_id)
        self._find(key, letter_id)
        step = Step(_CLIENT, b"")
        step.set_row(key, None)
        self._commit(step)

    # inside

    def _give_up(self, work: Work, error: BaseException) -> None:
        """A one-way method has raised after it had committed a part, which consumed its message: a person decides."""
        method, partition = work.method, work.entity.partition
        payload = encode_payload(Payload(method.name, method.encode_arguments(work.packed), _PARTLY_DONE))
        reason = _encode_reason((f"{type(error).__name__}: {error}", failure.trace(error)))
        step = Step(_CLIENT, b"")
        self._add_parked(step, Parked(Cause.DEAD, 0, 1, reason, partition, payload), type(error).__name__)
        self._commit(step)

    def _mark(self, message: Message) -> None:
        """What an earlier, killed life has left is delivered under a mark: it may have been what killed it."""
        if self._quarantine.guilty(message):
            payload = decode_payload(message.payload())
            died = StateError(f"the process died {QUARANTINE_TRIES_MAX} times while {payload.method} ran")
            self._park(message, message.payload(), TRIES_MAX, died)
            return
        self._log.inbox.ready.appendleft(message)
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
        self._log.inbox.ready.appendleft(message)
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
            self._resolve_later(type_name)
            return None
        except Exception as error:  # noqa: BLE001 - whatever it is, the message needs a person, and the next one its turn
            payload = decode_payload(message.payload())
            self._park(message, message.payload(), TRIES_MAX + payload.attempts, error)
            return None
        entity = self._host.entities.get(made, key)
        return self._host.start(Work(entity, envelope.method, envelope.packed, envelope, one_way=True))

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
        reason = _encode_reason((f"{type(error).__name__}: {error}", failure.trace(error)))
        parked = Parked(
            Cause.DEAD if dead else Cause.RETRY,
            int((self._host.clock() + delay) * 1000),
            attempts,
            reason,
            message.partition,
            payload,
        )
        key = self._park_row(message, parked, f"{type(error).__name__}")
        if not dead:
            self._at(delay, key)

    def _park_unknown(self, message: Message) -> None:
        parked = Parked(Cause.UNKNOWN_TYPE, 0, 0, b"", message.partition, message.payload())
        self._park_row(message, parked, "UnknownType")

    def _park_row(self, message: Message, parked: Parked, error: str) -> bytes:
        step = Step(_CLIENT, b"")
        step.consume(message)
        key = self._add_parked(step, parked, error)
        self._commit(step)
        return key

    def _add_parked(self, step: Step, parked: Parked, error: str) -> bytes:
        key = keys.PARKED + bytes([parked.cause]) + self._log.take_lsn().to_bytes(8, "big")
        step.set_row(key, parked.encode())
        method = decode_payload(parked.payload).method
        step.note = (int(self._host.clock() * 1000), parked.partition, method, 0, 0, error)
        return key

    def _at(self, seconds: float, key: bytes) -> None:
        self._host.loop.call_later(seconds, self._due, key)

    def _due(self, key: bytes) -> None:
        if self._stopped or self._log.gate.failure is not None:
            return
        data = self._log.row(key)
        if data is None:
            return
        try:
            self._log.admit()
        except StorageFull:
            self._at(_FULL_PAUSE_SECONDS, key)
            return
        parked = Parked.decode(data)
        self._unpark(key, parked, decode_payload(parked.payload))

    def _unpark(self, key: bytes, parked: Parked, payload: Payload) -> None:
        step = Step(_CLIENT, b"")
        step.set_row(key, None)
        step.send(Message(parked.partition, encode_payload(payload)))
        self._commit(step)

    def _find(self, key: bytes, letter_id: str) -> Parked:
        data = self._log.row(key)
        if data is None:
            raise StateError(f"there is no dead letter {letter_id!r}: it was retried or discarded before")
        return Parked.decode(data)

    def _commit(self, step: Step) -> None:
        self._log.commit(step)
        self._host.committer.touch()


def _letter(key: bytes, parked: Parked) -> Letter:
    error, trace = _decode_reason(parked.reason)
    payload = decode_payload(parked.payload)
    return Letter(str(keys.number_of(key)), make_ref(*address_of(parked.partition)), payload.method, error, trace)


def _row(cause: Cause, letter_id: str) -> bytes:
    if not letter_id.isdecimal() or len(letter_id) > _ID_DIGITS_MAX or int(letter_id) >= 1 << 64:
        raise StateError(f"{letter_id!r} is no id of a dead letter: ids are numbers, as app.dead_letters() gives them")
    return keys.PARKED + bytes([cause]) + int(letter_id).to_bytes(8, "big")
