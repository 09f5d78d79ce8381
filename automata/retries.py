"""What becomes of a message whose step raised: it is parked, tried again after a pause, and at last a dead letter.

It is parked beside the inbox, by a step, so that the inbox cursor can pass it. Nothing waits behind it, unless its
type asks for strict order (`automata.strict_order`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from automata import failure, full_disk, letters
from automata.absent_types import AbsentTypes
from automata.envelope import Envelope, Payload, decode_payload, encode_payload
from automata.parking import Parking, as_message, row_key
from automata.partitions import address_of
from automata.strict_order import StrictOrder
from automata.work import Outcome, Work
from darq import keys
from darq.codec import Cause, Parked
from darq.errors import InvalidStep
from darq.step import Message, Step

if TYPE_CHECKING:
    from automata.host import Host
    from automata.retry import Retry
    from automata.types import AutomatonType

_CLIENT = b""  # the partition of steps that belong to no object


class Retries:
    """The failed messages of one host."""

    def __init__(self, host: Host, parking: Parking, absent: AbsentTypes, strict: StrictOrder) -> None:
        self._host = host
        self._log = host.log
        self._parking = parking
        self._absent = absent
        self._strict = strict
        self._undefined: dict[str, list[tuple[bytes, Parked]]] = {}  # what earlier lives have left, by type
        self.stopped = False

    def load(self) -> list[int]:
        """Take over what earlier lives have left. Returns the numbers of those messages."""
        numbers = []
        for key, parked in self._parking.rows(Cause.RETRY):
            numbers.append(keys.number_of(key))
            self.take_over(key, parked)
        return numbers

    def take_over(self, key: bytes, parked: Parked) -> None:
        """A message that is tried again has come with its object from another store."""
        name, _ = address_of(parked.partition)
        made = self._host.options.registry.find(name)
        if made is None:
            self._undefined.setdefault(name, []).append((key, parked))
        else:
            self._resume(made, key, parked)

    def type_defined(self, made: AutomatonType) -> None:
        """A type is there now: its messages go on."""
        for key, parked in self._undefined.pop(made.name, ()):
            self._resume(made, key, parked)

    def failed(self, work: Work, outcome: Outcome) -> None:
        """The step of a message has raised: try again later, or give it to a person. Raises nothing."""
        error = outcome.error
        if isinstance(error, InvalidStep):
            return  # it was handed over a second time, and refused
        assert work.message is not None, "a method that has committed a part has a journal"
        assert error is not None, "it has raised"
        if outcome.refused:
            self.put_back(work.message)  # no failed try
        else:
            self.failed_try(work.message, work.entity.made.options.retry, error)

    def failed_try(self, message: Envelope, retry: Retry, error: BaseException) -> None:
        """A message has failed: it is parked. Raises nothing."""
        method, attempts = message.method, message.attempts + 1
        try:
            payload = encode_payload(Payload(method.name, method.encode_arguments(message.packed), attempts))
            if attempts >= retry.tries:
                self._park(message, self._parked(Cause.DEAD, message, payload, error), error)
            else:
                self._park_for_retry(message, payload, retry.pause_seconds(attempts), error)
        except Exception as fault:  # noqa: BLE001 - it shows and writes down what users have made
            self._bury(message, method.name, error, fault)

    def refuse(self, message: Message, error: BaseException) -> None:
        """A message did not even come to its object, or must not: it needs a person. Raises nothing."""
        try:
            payload = message.payload()
            self._park(message, self._parked(Cause.DEAD, message, payload, error), error)
        except Exception as fault:  # noqa: BLE001 - its content cannot be read, or not be written down
            self._bury(message, letters.method_of(message), error, fault)

    def put_back(self, message: Message) -> None:
        """The disk is full: the message stays first, and is tried again in a while."""
        if self._strict and self._strict.leads(message):
            self._strict.tried_again_later(message)
            self._host.loop.call_later(full_disk.PAUSE_SECONDS, self._lead_again, message)
            return
        self._log.inbox.put_back(message)
        self._host.loop.call_later(full_disk.PAUSE_SECONDS, self._host.committer.touch)

    def stay(self, message: Message, seconds: float) -> bool:
        """Nothing can deliver the first of a line now: it stays in the row that it is retried from, if it has one."""
        row = self._log.inbox.recalled(message.lsn)
        if row is None or not row.startswith(row_key(Cause.RETRY, 0)[:2]) or not self._strict.leads(message):
            return False
        self._log.inbox.dismiss(message)
        self._strict.tried_again_later(message)
        self._at(seconds, row)
        return True

    def park(self, message: Message, parked: Parked, error: str) -> None:
        """Take a message off the inbox, or from where it was parked, and park it under a new number."""
        step = Step(_CLIENT, b"")
        step.consume(message)
        self._parking.add(step, parked, error)
        self._commit(step)
        self._absent.handed_over(message)

    # inside

    def _resume(self, made: AutomatonType, key: bytes, parked: Parked) -> None:
        if made.options.strict_order:
            self._strict.block(parked.partition, keys.number_of(key))
        self._at(max(0.0, parked.due_ms / 1000 - self._host.clock()), key)

    def _park(self, message: Message, parked: Parked, error: BaseException) -> None:
        self.park(message, parked, failure.name_of(error))

    def _park_for_retry(self, message: Message, payload: bytes, seconds: float, error: BaseException) -> None:
        parked = self._parked(Cause.RETRY, message, payload, error, int((self._host.clock() + seconds) * 1000))
        leads = bool(self._strict) and self._strict.leads(message)
        step = Step(_CLIENT, b"")
        step.consume(message)
        key = self._parking.add(step, parked, failure.name_of(error), message.lsn if leads else 0)
        self._commit(step)
        self._absent.handed_over(message)
        if leads:
            self._strict.tried_again_later(message)
        self._at(seconds, key)

    def _parked(
        self, cause: Cause, message: Message, payload: bytes, error: BaseException, due_ms: int | None = None
    ) -> Parked:
        due = int(self._host.clock() * 1000) if due_ms is None else due_ms
        attempts = max(0, decode_payload(payload).attempts)
        return Parked(cause, due, attempts, letters.encode_reason(error), message.partition, payload)

    def _bury(self, message: Message, method: str, error: BaseException, fault: BaseException) -> None:
        """A letter could not be written as it should be, because of `fault`: write one that says no more than that."""
        if self._log.gate.failure is not None:
            return
        step = Step(_CLIENT, b"")
        try:
            step.consume(message)
            self._absent.handed_over(message)
            parked = letters.short_letter(message.partition, method, error, fault)
            self._parking.add(step, parked, failure.name_of(error))
            self._commit(step)
        except Exception as last:  # noqa: BLE001 - goes to the loop's handler; the message is there when the app opens again
            context = {"message": f"a letter about {method} could not be written", "exception": last}
            self._host.loop.call_exception_handler(context)

    def _at(self, seconds: float, key: bytes) -> None:
        self._host.loop.call_later(seconds, self._due, key)

    def _due(self, key: bytes) -> None:
        if self.stopped or self._log.gate.failure is not None:
            return
        parked = self._parking.find(key)
        if parked is None:  # it has left with its object
            return
        inbox, message = self._log.inbox, as_message(key, parked)
        if self._strict and self._strict.leads(message):
            inbox.claim(message, key)
            self._lead_again(message)
        elif len(inbox.ready) >= self._log.limits.inbox_window_messages_max:
            self._at(full_disk.PAUSE_SECONDS, key)
        else:
            inbox.recall(message, key)

    def _lead_again(self, message: Message) -> None:
        if not self.stopped and self._log.gate.failure is None:
            self._strict.due(message)

    def _commit(self, step: Step) -> None:
        self._log.commit(step)
        self._host.committer.touch()
