"""Delivering stored messages: each is taken off the inbox, and handed to its object, until a step has consumed it.

What cannot be delivered now is parked beside the inbox: `retries` for what has failed, `absent_types` for what nothing
here defines. Then nothing waits behind it, unless its type asks for `strict_order`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from automata import full_disk
from automata.absent_types import AbsentTypes
from automata.alarms import Alarms
from automata.envelope import Envelope, decode_payload
from automata.errors import DeclarationError, StateError, StorageFull
from automata.letter_box import LetterBox
from automata.parking import Parking
from automata.partitions import address_of
from automata.quarantine import TRIES_MAX, Quarantine
from automata.retries import Retries
from automata.strict_order import StrictOrder
from automata.unresolved import UNRESOLVED_PAUSE_SECONDS, Unresolved
from automata.work import Outcome, Refusal, Reply, Work
from darq.codec import Cause, Parked
from darq.errors import InvalidStep
from darq.step import Message

if TYPE_CHECKING:
    from automata.host import Host
    from automata.types import AutomatonType

_SURVIVED_SECONDS = 0.1  # what still waits then has not killed the process; any longer, and kills from outside count
_CLOCK_EVERY = 16  # messages between looks at the clock


class Delivery:
    """Takes messages off one host's inbox to their objects.

    letters: those that were given up. strict: which wait behind others. relay: takes what is for other stores, and what
    other stores say, if there are any; whether a message was that. unknown: wants to know of messages of unknown types.
    """

    unknown: Callable[[], object] | None = None

    def __init__(self, host: Host) -> None:
        self._host = host
        self._log = host.log
        self.relay: Callable[[Message], bool] | None = None
        self._stopped = False
        self._quarantine = Quarantine(self._log)
        self.parking = Parking(self._log, host.clock)
        self._absent = AbsentTypes(self.parking, self._log.inbox)
        self.strict = StrictOrder(self._log.limits.inbox_window_messages_max, host.committer.touch)
        self._retries = Retries(host, self.parking, self._absent, self.strict)
        self.failed = self._retries.failed
        self.letters = LetterBox(self._log, self.parking)
        self.alarms = Alarms(host)
        self._unresolved = Unresolved(host.loop, self.type_defined)
        self._running: set[int] = set()
        self._running_max = self._log.limits.deliveries_running_max

    def start(self) -> None:
        """Deliver what earlier lives have left: due retries, and messages whose type is defined again."""
        self._log.inbox.on_ready = self._host.committer.touch
        self._host.committer.touch()
        for number in self._retries.load():
            self._quarantine.expect(number)
        names, brought = self._absent.load()
        for name in names:
            self.type_defined(name)
        for partition, number in brought.items():
            self._keep_behind(partition, number)
        self.alarms.start()

    def stop(self) -> None:
        """Deliver no more; what is stored goes on in the next life."""
        self._stopped = self._retries.stopped = True
        self.alarms.stop()

    def run(self, seconds: float) -> bool:
        """Deliver for at most `seconds`; whether something is left that can be delivered now."""
        host, log = self._host, self._log
        deadline = host.loop.time() + seconds
        count = 0
        self._absent.recall()
        while not self._stopped and log.gate.failure is None and not self._quarantine.blocked:
            # calls of what runs wait for messages, so some go on in spite of the bounds
            bounded = not (host.order and count < _CLOCK_EVERY)
            if bounded and len(self._running) >= self._running_max:
                return bool(host.order)
            message = self._next(bounded)
            if message is None:
                if bounded and self.strict.full:
                    return bool(host.order)
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
                self._retries.put_back(message)
                return False
            except BaseException:  # the store's fault, or an interrupt of the process in the middle of the step
                self._first_again(message)
                raise
            count += 1
            if count % _CLOCK_EVERY == 0 and host.loop.time() > deadline:
                return True
        return False

    def _next(self, bounded: bool) -> Message | None:
        """The next message to take: one whose object has waited for it first."""
        strict = self.strict
        if strict.ready:
            return strict.ready.popleft()
        if bounded and strict.full:
            return None
        return self._log.inbox.next(self._log.group)

    def _take(self, message: Message) -> None:
        """Do what is to be done now about the next message."""
        strict = self.strict
        try:
            if self.relay is not None and self.relay(message):
                self._passed_on(message)
                return
            leads = bool(strict) and strict.leads(message)
            if self._absent.waiting and not leads and self._absent.before(message) and self._wait_behind(message):
                return
            if strict and strict.blocks(message):
                self._hold(message)
            elif not self._quarantine.covers(message):
                self._deliver(message)
            elif self._quarantine.holds(message):
                self._mark(message)
            else:
                self._deliver_marked(message)
        except InvalidStep:
            self._quarantine.survived(message)
            self.strict.ended(message)
        except Exception as error:  # noqa: BLE001 - whatever it is, the message needs a person, and the next one its turn
            self._refuse(message, error)

    def type_defined(self, name: str) -> None:
        """A type is defined (again): its waiting messages can be delivered, once its annotations can be resolved."""
        made = self._host.options.registry.find(name)
        if made is None or self._stopped or self._log.gate.failure is not None:
            return
        self._retries.type_defined(made)
        if not self._absent.waits(name):
            return
        try:
            made.resolve()
        except DeclarationError:
            self._unresolved.look_later(name)
            return
        self._absent.back(name)
        self._host.committer.touch()

    def suspended(self, message: Message) -> None:
        """The first part of a message's method has consumed it: what is left has a journal, and takes no place here."""
        self._ended(message.lsn)

    # objects that come and go

    def leave(self, partition: bytes) -> tuple[list[Message], list[Message]]:
        """An object leaves this store. Returns the messages in memory that were not handed over: they leave with it.

        Those before and those behind what is parked because its type is not defined.
        """
        window = self._log.inbox.take(partition)
        before = self.strict.dissolve(partition)
        before += [message for message in window if message.lsn in self._absent.window]
        behind = [message for message in window if message.lsn not in self._absent.window]
        for message in [*before, *behind]:
            self._absent.handed_over(message)
            self._quarantine.survived(message)
        return before, behind

    def unparked(self, partition: bytes) -> None:
        """A message of a type that was not defined here leaves with its object."""
        self._absent.left(partition)

    def adopt(self, retried: Iterable[tuple[bytes, Parked]], waiting: list[int], partition: bytes) -> None:
        """An object has come. retried: its failed messages; waiting: the rows of others, which come before all later
        messages, and before all calls, whose senders may have sent them.
        """
        for key, parked in retried:
            self._retries.take_over(key, parked)
        for _ in waiting:
            self._absent.parked(partition)
        if waiting:
            self.type_defined(address_of(partition)[0])
            self._keep_behind(partition, waiting[-1])

    def _keep_behind(self, partition: bytes, number: int) -> None:
        """Calls of an object wait for this message, which it has brought along, and all before."""
        if self._absent.returns(address_of(partition)[0]):
            self._log.inbox.brought[partition] = number

    def _passed_on(self, message: Message) -> None:
        self._absent.handed_over(message)
        self._quarantine.survived(message)
        self.strict.ended(message)

    # inside

    def _refuse(self, message: Message, error: Exception) -> None:
        """A message did not even come to its object: it needs a person."""
        self._quarantine.survived(message)
        self._retries.refuse(message, error)
        self.strict.ended(message)

    def _hold(self, message: Message) -> None:
        """Another message to its object is being tried: it waits behind that, in the row that it has."""
        self._absent.handed_over(message)
        self._quarantine.expect(message.lsn)
        self.strict.hold(message)

    def _first_again(self, message: Message) -> None:
        if self.strict and self.strict.leads(message):
            self.strict.ready.appendleft(message)
        else:
            self._log.inbox.put_back(message)

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
            died = StateError(f"the process died {TRIES_MAX} times while {payload.method} ran")
            self._retries.refuse(message, died)
            self.strict.ended(message)
            return
        self._first_again(message)
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
        if self._absent.window:
            self._absent.handed_over(message)
        strict = self.strict
        if made.options.strict_order:
            strict.begin(envelope)
        reply = self._hand_over(made, key, envelope)
        if isinstance(reply, asyncio.Future):
            self._running.add(envelope.lsn)
            reply.add_done_callback(lambda done: self._ended(envelope.lsn))
        if strict and strict.leads(envelope):
            strict.follow(envelope, reply)
        return reply

    def _hand_over(self, made: AutomatonType, key: str, envelope: Envelope) -> Reply:
        try:
            entity = self._host.entities.get(made, key)
        except Exception as error:  # noqa: BLE001 - its migration has failed, which is a failed try of the message
            if full_disk.refused(error, self._log):
                self._retries.put_back(envelope)
                return Refusal(error)
            self._retries.failed_try(envelope, made.options.retry, error)
            return Outcome(None, error, 0)
        return self._host.start(Work(entity, envelope.method, envelope.packed, envelope, one_way=True))

    def _ended(self, lsn: int) -> None:
        full = len(self._running) >= self._running_max
        self._running.discard(lsn)
        if full and len(self._running) < self._running_max and not self._stopped:
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
        if message.lsn in self._log.group.born:  # else it is stored, or was consumed before
            self._log.group.born[message.lsn] = envelope
        return envelope

    def _park_unknown(self, message: Message) -> None:
        """Nothing can deliver it now: it is parked behind the others of its type, or stays where it is parked."""
        name, _ = address_of(message.partition)
        if self._host.options.registry.find(name) is not None:
            self._unresolved.look_later(name)
        elif self.unknown is not None:
            self.unknown()
        if self._retries.stay(message, UNRESOLVED_PAUSE_SECONDS):
            return
        if not self._absent.gone_again(message):
            parked = Parked(Cause.UNKNOWN_TYPE, 0, 0, b"", message.partition, message.payload())
            self._retries.park(message, parked, "UnknownType")
            self._absent.parked(message.partition)
        self.strict.ended(message)
