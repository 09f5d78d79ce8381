"""What is under way for one object: methods that have not finished, messages that are parked, timers."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from automata.envelope import decode_open, decode_payload
from automata.letters import decode_reason
from automata.partitions import partition_of
from darq import keys
from darq.codec import Cause, Parked, Timer
from ssms.cli.address import Address
from ssms.cli.reading import Reader, rows_of

_PART_BYTES = 4
_CAUSES = {
    Cause.RETRY: "is tried again",
    Cause.UNKNOWN_TYPE: "waits for its type to be defined",
    Cause.DEAD: "is a dead letter",
}


@dataclass(frozen=True)
class Unfinished:
    """A method between two of its parts. parts: how many have committed; waits_for_person: it cannot go on by
    itself."""

    number: int
    method: str
    parts: int
    waits_for_person: bool
    error: str

    def __str__(self) -> str:
        state = "waits for a person (ssms dead)" if self.waits_for_person else "goes on while the store is open"
        done = "1 part is" if self.parts == 1 else f"{self.parts} parts are"
        return f"method {self.method} ({self.number}): {done} done; it {state}{_because(self.error)}"


@dataclass(frozen=True)
class ParkedMessage:
    """A message beside the inbox. cause: retry, unknown_type or dead."""

    number: int
    method: str
    cause: str
    attempts: int
    error: str

    def __str__(self) -> str:
        state = _CAUSES[Cause[self.cause.upper()]]
        return f"message {self.method} ({self.number}) {state} after {self.attempts} tries{_because(self.error)}"


@dataclass(frozen=True)
class PendingTimers:
    """Messages that are due later, or were and are on their way. next_due_ms: of the first, since the epoch."""

    count: int = 0
    next_due_ms: int | None = None


@dataclass(frozen=True)
class Pending:
    """What is under way for one object."""

    unfinished: list[Unfinished] = field(default_factory=list)
    parked: list[ParkedMessage] = field(default_factory=list)
    timers: PendingTimers = field(default_factory=PendingTimers)

    def __bool__(self) -> bool:
        return bool(self.unfinished or self.parked or self.timers.count)


def pending_of(reader: Reader, address: Address) -> Pending:
    """What is under way for one object. It reads all that is under way in the store: that is in no order of objects."""
    partition = partition_of(address.type_name, address.key)
    return Pending(list(_unfinished(reader, partition)), list(_parked(reader, partition)), _timers(reader, partition))


def _unfinished(reader: Reader, partition: bytes) -> Iterator[Unfinished]:
    for key, data in rows_of(reader.store, keys.INVOCATION, keys.after(keys.INVOCATION)):
        row = decode_open(data)
        if row.partition == partition:
            number = keys.number_of(key)
            yield Unfinished(number, row.method, _parts(reader, number), bool(row.trouble), row.error)


def _parts(reader: Reader, number: int) -> int:
    begin, end = keys.numbered(keys.JOURNAL, number), keys.numbered(keys.JOURNAL, number + 1)
    return sum(len(key) == len(begin) + _PART_BYTES for key, _ in rows_of(reader.store, begin, end))


def _parked(reader: Reader, partition: bytes) -> Iterator[ParkedMessage]:
    for key, data in rows_of(reader.store, keys.PARKED, keys.after(keys.PARKED)):
        parked = Parked.decode(data)
        if parked.partition == partition:
            method, error = decode_payload(parked.payload).method, _error(parked)
            yield ParkedMessage(keys.number_of(key), method, parked.cause.name.lower(), parked.attempts, error)


def _error(parked: Parked) -> str:
    return decode_reason(parked.reason)[0] if parked.reason else ""


def _timers(reader: Reader, partition: bytes) -> PendingTimers:
    begin = keys.timed(keys.TIMER, reader.head.timer_cursor_ms, 0)
    rows = rows_of(reader.store, begin, keys.after(keys.TIMER))
    due = [keys.due_of(key) for key, data in rows if Timer.decode(data).partition == partition]
    return PendingTimers(len(due), due[0] if due else None)


def _because(error: str) -> str:
    return f": {error}" if error else ""
