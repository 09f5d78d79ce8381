"""The journal of one method with commit points: what each part has seen, so that the method can be run again to there.

A part reads its object as it was when the part began, and nobody else changes the object meanwhile: so what it read,
the time and chance that it drew, and the outcomes of what it awaited decide all that it did (LambdaObjects §3.1; the
reply of a nested call is a message to the caller's journal). docs/FORMAT.md has the rows:

    part    = msgpack [rows, ranges, draws, fingerprint, kind of await, targets, due, at, digests of arguments]
    answer  = outcome of one of the things awaited, or 02 msgpack [timeouts, requests] if the await was cancelled
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import msgspec

from automata.errors import InvalidArgument
from automata.methods import Anything, Kind
from automata.outcomes import REFUSAL, decode_outcome, encode_outcome
from automata.reads import ReadSet
from automata.work import Outcome

if TYPE_CHECKING:
    from automata.envelope import Envelope, OpenInvocation
    from darq.overlay import Overlay

Drawn = float | int | bool | None
Draw = tuple[str, Drawn]
"""What was drawn ("now", "random", ...) and what it gave."""

CANCELLED = b"\x02"
CANCELLATION = (1 << 32) - 1
"""In place of the index of an answer: the await as a whole was cancelled."""

ANYTHING = Anything()
_NOTHING_KNOWN = b"\x90"  # an empty array
_INT_MAX = (1 << 63) - 1
_PART_BYTES, _DRAW_BYTES, _ANSWER_BYTES = 48, 16, 32  # about what these take besides what varies
_PLAIN = frozenset({int, float, bool, bytes, type(None)})  # what can always be encoded, and cannot change


class JournalMismatch(BaseException):
    """The code does something else than its journal says that it did. No error for methods to catch."""


Digests = list[list[int | None]]
"""For each thing that is awaited, a number for each of its arguments, or None for one that is not to be compared."""


class Asked(Protocol):
    """What is awaited, as long as its arguments are at hand."""

    def digests(self) -> Digests:
        """Numbers that tell whether its arguments are the same."""


@dataclass(slots=True)
class Await:
    """What a part ends with: kind of await (call, gather, effect, sleep, transaction), and what was awaited.

    at: when the part ended, in seconds since the epoch. asked: gives the digests of the arguments, once that is due.
    """

    kind: str
    targets: list[str]
    due: float = 0.0
    at: float = 0.0
    asked: Asked | None = field(default=None, compare=False)
    kept_digests: Digests = field(default_factory=list)

    def digests(self) -> Digests:
        """Of the arguments. Most parts are never saved, so it is not before somebody asks that they are made."""
        if self.asked is not None:
            self.kept_digests, self.asked = self.asked.digests(), None
        return self.kept_digests

    def other_argument(self, then: Await) -> str | None:
        """What differs in the arguments from what was awaited then, for people; None if nothing does."""
        for target, now, before in zip(self.targets, self.digests(), then.digests(), strict=False):
            for number, (one, other) in enumerate(zip(now, before, strict=False), 1):
                if one != other and None not in (one, other):
                    return f"argument {number} of {target}"
        return None

    def __str__(self) -> str:
        return f"{self.kind}({', '.join(self.targets)})"


@dataclass(slots=True)
class Part:
    """What one part has read, drawn, changed (as a fingerprint) and awaited."""

    reads: ReadSet
    draws: list[Draw]
    fingerprint: int
    awaited: Await

    def size_bytes(self) -> int:
        """About what its row takes."""
        size = _PART_BYTES + self.reads.size_bytes() + _DRAW_BYTES * len(self.draws)
        for target in self.awaited.targets:
            size += len(target)
        return size


class _StoredPart(msgspec.Struct, array_like=True):
    rows: list[tuple[bytes, bytes | None]]
    ranges: list[tuple[bytes, bytes]]
    draws: list[tuple[str, Drawn | bytes]]
    fingerprint: int
    kind: str
    targets: list[str]
    due: float
    at: float = 0.0
    digests: Digests = []


class Cancellation(msgspec.Struct, array_like=True, frozen=True):
    """How an await was cut off. expired: numbers of `asyncio.timeout` blocks, as `automata.deadlines` counts them.

    requests: how often the cancellation of the task had been asked for, by them and others.
    """

    expired: list[int] = []
    requests: int = 0

    def encode(self) -> bytes:
        """As the answer that stands for it."""
        return CANCELLED + _encode(self)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_StoredPart).decode
_decode_cancellation = msgspec.msgpack.Decoder(Cancellation).decode


def encode_part(part: Part) -> bytes:
    """A part as a row."""
    draws: list[tuple[str, Drawn | bytes]] = [(what, _wire(value)) for what, value in part.draws]
    reads, awaited = part.reads, part.awaited
    rows = list(reads.rows.items())
    asked = (awaited.kind, awaited.targets, awaited.due, awaited.at, awaited.digests())
    return _encode(_StoredPart(rows, reads.ranges, draws, part.fingerprint, *asked))


def decode_part(data: bytes) -> Part:
    """The part in a row."""
    stored = _decode(data)
    draws = [(what, int.from_bytes(v, "big") if isinstance(v, bytes) else v) for what, v in stored.draws]
    reads = ReadSet(dict(stored.rows), stored.ranges)
    awaited = Await(stored.kind, stored.targets, stored.due, stored.at, None, stored.digests)
    return Part(reads, draws, stored.fingerprint, awaited)


def _wire(value: Drawn) -> Drawn | bytes:
    """A drawn value as MessagePack has it: integers beyond 64 bits as bytes."""
    return value.to_bytes((value.bit_length() + 7) // 8, "big") if type(value) is int and value > _INT_MAX else value


def fingerprint_of(overlay: Overlay | None, sends: Sequence[Envelope]) -> int:
    """A number that tells whether a part run again has changed and sent the same as the first time.

    It covers which rows and whom, not the values: those may differ in what Python leaves open, as the order of a set.
    """
    if overlay is not None and not (sends or overlay.ranges) and len(overlay.writes) == 1:
        return zlib.crc32(next(iter(overlay.writes)))  # as below, and by far the most parts
    names = sorted(b"%b\x00%b\x00%b" % (m.partition, m.method.name.encode(), b"") for m in sends)
    if overlay is not None:
        names += sorted(overlay.writes)
        names += [begin + end for begin, end in sorted(overlay.ranges)]
    return zlib.crc32(b"\x00".join(names)) if names else 0


class Answer:
    """The outcome of one thing that was awaited. Plain values are encoded only if they have to be stored.

    replaced: it could not be kept, and an error that says so stands in its place.
    """

    __slots__ = ("_data", "_kind", "_outcome", "replaced")

    def __init__(self, outcome: Outcome | None, kind: Kind, data: bytes | None = None, replaced: bool = False) -> None:
        self._outcome = outcome
        self._kind = kind
        self._data = data
        self.replaced = replaced

    @staticmethod
    def of(outcome: Outcome, kind: Kind) -> Answer:
        """The answer to keep. What may change, or cannot be written down, is encoded at once."""
        value = outcome.value
        if type(value) in _PLAIN or (type(value) is str and value.isascii()):
            return Answer(outcome, kind)
        try:
            data = encode_outcome(outcome, kind, 0, "")
            return Answer(outcome if kind.immutable else None, kind, data)
        except (InvalidArgument, UnicodeEncodeError) as error:
            fault = InvalidArgument(f"what was awaited has happened, but what it gave cannot be kept: {error}")
            return Answer(Outcome(None, fault, outcome.group), kind, replaced=True)

    def size_bytes(self) -> int:
        """About what its row takes."""
        if self._data is not None:
            return _ANSWER_BYTES + len(self._data)
        value = self._outcome.value if self._outcome is not None else None
        return _ANSWER_BYTES + (len(value) if isinstance(value, str | bytes) else 0)

    @property
    def refusal(self) -> BaseException | None:
        """Why what was awaited has not happened, if it was refused."""
        if self._outcome is not None:
            return self._outcome.error if self._outcome.refused else None
        return decode_outcome(self._data, ANYTHING, 0).error if self._data and self._data[:1] == REFUSAL else None

    def encode(self, bytes_max: int, what: str) -> bytes:
        """The answer as a row."""
        if self._data is None:
            assert self._outcome is not None, "an answer has an outcome or its bytes"
            self._data = encode_outcome(self._outcome, self._kind, bytes_max, what)
        return self._data

    def outcome(self, kind: Kind, group: int) -> Outcome:
        """The outcome for the method that awaits it."""
        if self._outcome is not None:
            return self._outcome
        assert self._data is not None, "an answer has an outcome or its bytes"
        return decode_outcome(self._data, kind, group)


@dataclass(slots=True, eq=False)
class Journal:
    """One unfinished method: what it was asked, its parts that have committed, and the answers that have arrived.

    number: of its rows. saved: the keys of those of its rows that are on disk; unsaved: answers that are not;
    saved_parts: how many parts are; loaded: its rows were read, or it was begun in this life; size_bytes: about what
    parts and answers take; stale: keys of answers that count no more. pack: gives the arguments when they are needed.
    """

    number: int
    row: OpenInvocation
    pack: Callable[[], bytes] | None = None
    parts: list[Part] = field(default_factory=list)
    answers: dict[tuple[int, int], Answer] = field(default_factory=dict)
    saved: dict[bytes, None] = field(default_factory=dict)
    saved_row: bytes = b""
    saved_parts: int = 0
    loaded: bool = False
    size_bytes: int = 0
    unsaved: list[tuple[int, int]] = field(default_factory=list)
    stale: list[bytes] = field(default_factory=list)
    ended: bool = False

    def add_answer(self, part: int, index: int, answer: Answer) -> None:
        """One of the things awaited at the end of a part has an outcome. The first one counts."""
        if (part, index) not in self.answers:
            self.answers[part, index] = answer
            self.size_bytes += answer.size_bytes()
            self.unsaved.append((part, index))

    def drop_refusals(self) -> dict[tuple[int, int], BaseException]:
        """Forget those answers of the last part that are refusals. Returns which they were, and why."""
        last = len(self.parts) - 1
        answers = [(at, answer) for at, answer in self.answers.items() if at[0] == last]
        dropped = {at: answer.refusal for at, answer in answers if answer.refusal is not None}
        for at in dropped:
            self.size_bytes -= self.answers.pop(at).size_bytes()
        self.unsaved = [at for at in self.unsaved if at in self.answers]
        return dropped

    def cancel(self, part: int, cancellation: Cancellation) -> None:
        """The await at the end of a part was cut off: whatever answers come count for nothing."""
        if self.cancellation(part) != cancellation:
            if self.answers.pop((part, CANCELLATION), None) is not None:
                self.unsaved = [at for at in self.unsaved if at != (part, CANCELLATION)]
            self.add_answer(part, CANCELLATION, Answer(None, ANYTHING, cancellation.encode()))

    def cancellation(self, part: int) -> Cancellation | None:
        """How the await at the end of a part was cut off, if it was."""
        answer = self.answers.get((part, CANCELLATION))
        return None if answer is None else _decode_cancellation(answer.encode(0, "")[1:] or _NOTHING_KNOWN)
