"""Versioned bytes <-> records of the log. docs/FORMAT.md shows the same, byte by byte, with its reasons.

    head    = group:u64 next-lsn:u64 inbox-cursor:u64 expiry-cursor:u64 history-start:u64 history-bytes:u64
              generation:u64 timer-cursor:u64 crc32:u32                           (format 1: no timer-cursor)
    message = partition-length:u16 partition payload
    parked  = cause:u8 due-ms:u64 attempts:u32 reason-length:u32 reason message
    request = due-ms:u64 fingerprint:16 outcome
    timer   = schedule:u64 rule-length:u16 rule message

RocksDB checks the bytes of its own files; the checksum of the head is for its copies outside of them.
"""

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from darq import keys
from darq.errors import StoreDamaged

FORMAT_VERSION = 2
PARTITION_BYTES_MAX = 0xFFFF  # its length has two bytes in a message row

_head = struct.Struct(">QQQQQQQQ")
_head_1 = struct.Struct(">QQQQQQQ")  # of format 1
_crc = struct.Struct(">I")
_parked = struct.Struct(">BQII")
_due = struct.Struct(">Q")
_timer = struct.Struct(">QH")
_CAME, _STORE_BYTES, _ORIGIN_BYTES = 0x8000, 4, 12  # the highest bit of the rule's length: the origin comes before it


@dataclass(slots=True)
class Head:
    """The store's counters as of one group: written with each group, read when the store opens."""

    group: int = 0
    next_lsn: int = 1
    inbox_cursor: int = 1
    expiry_cursor_ms: int = 0
    history_start: int = 1
    history_bytes: int = 0
    generation: int = 0
    timer_cursor_ms: int = 0

    def encode(self) -> bytes:
        """The head row."""
        body = _head.pack(
            self.group,
            self.next_lsn,
            self.inbox_cursor,
            self.expiry_cursor_ms,
            self.history_start,
            self.history_bytes,
            self.generation,
            self.timer_cursor_ms,
        )
        return body + _crc.pack(zlib.crc32(body))

    @staticmethod
    def decode(data: bytes) -> "Head":
        """The head in `data`; StoreDamaged when its checksum does not match."""
        form = _head_1 if len(data) == _head_1.size + _crc.size else _head
        body = data[: form.size]
        if len(data) != form.size + _crc.size or _crc.pack(zlib.crc32(body)) != data[form.size :]:
            raise StoreDamaged("the head row of the store is damaged: restore the store from a backup")
        return Head(*form.unpack(body))


length: Callable[[int], bytes] = struct.Struct(">H").pack
"""The length of a partition's name, as it stands before it in a message row."""


def encode_message(partition: bytes, payload: bytes) -> bytes:
    """One message as a row."""
    return length(len(partition)) + partition + payload


def decode_message(data: bytes) -> tuple[bytes, bytes]:
    """(partition, payload) of a message row."""
    end = 2 + int.from_bytes(data[:2], "big")
    if len(data) < max(2, end):
        raise StoreDamaged("a message row is cut short: restore the store from a backup")
    return data[2:end], data[end:]


class Cause(IntEnum):
    """Why a message is parked beside the inbox."""

    RETRY = 1  # its step raised; it is due again later
    UNKNOWN_TYPE = 2  # nothing here defines its type; it is due when something does
    DEAD = 3  # it raised too often; a person decides


@dataclass(frozen=True, slots=True)
class Parked:
    """A message that cannot be delivered now, kept beside the inbox so that the inbox cursor can pass it."""

    cause: Cause
    due_ms: int
    attempts: int
    reason: bytes
    partition: bytes
    payload: bytes

    def encode(self) -> bytes:
        """The parked row."""
        head = _parked.pack(self.cause, self.due_ms, self.attempts, len(self.reason))
        return head + self.reason + encode_message(self.partition, self.payload)

    @staticmethod
    def decode(data: bytes) -> "Parked":
        """The parked message in `data`; StoreDamaged when it is none."""
        try:
            cause, due_ms, attempts, reason_bytes = _parked.unpack_from(data)
            known = Cause(cause)
        except (struct.error, ValueError) as error:
            raise StoreDamaged("a parked row is damaged: restore the store from a backup") from error
        end = _parked.size + reason_bytes
        return Parked(known, due_ms, attempts, data[_parked.size : end], *decode_message(data[end:]))


@dataclass(frozen=True, slots=True)
class Timer:
    """A message that is due later.

    schedule: the number of what repeats, if this is its pending occurrence, else 0; rule: how it repeats, in its
    owner's form; origin: of one that has come from another store, the number that it was set under: the first 4 bytes
    of that store's identity, and the number.
    """

    schedule: int
    rule: bytes
    partition: bytes
    payload: bytes
    origin: bytes = b""

    @property
    def schedule_key(self) -> bytes:
        """The key of the row that leads to the pending occurrence of what repeats."""
        return keys.SCHEDULE + self.origin if self.origin else keys.numbered(keys.SCHEDULE, self.schedule)

    def encode(self) -> bytes:
        """The timer row."""
        head = _timer.pack(self.schedule, len(self.rule) | (_CAME if self.origin else 0))
        return head + self.origin + self.rule + encode_message(self.partition, self.payload)

    @staticmethod
    def decode(data: bytes) -> "Timer":
        """The timer in `data`; StoreDamaged when it is cut short."""
        try:
            schedule, rule_bytes = _timer.unpack_from(data)
        except struct.error as error:
            raise StoreDamaged("a timer row is cut short: restore the store from a backup") from error
        begin = _timer.size + (_ORIGIN_BYTES if rule_bytes & _CAME else 0)
        end = begin + (rule_bytes & ~_CAME)
        return Timer(schedule, data[begin:end], *decode_message(data[end:]), origin=data[_timer.size : begin])


def origin_of(store: bytes, number: int) -> bytes:
    """The origin of a timer that was set under this number in the store of this identity."""
    return store[:_STORE_BYTES] + keys.number(number)


@dataclass(frozen=True, slots=True)
class Recorded:
    """The outcome of a request, kept until `due_ms` so that asking again gives it again."""

    due_ms: int
    fingerprint: bytes
    outcome: bytes

    def encode(self) -> bytes:
        """The request row."""
        return _due.pack(self.due_ms) + self.fingerprint + self.outcome

    @staticmethod
    def decode(data: bytes) -> "Recorded":
        """The recorded outcome in `data`; StoreDamaged when it is cut short."""
        if len(data) < 24:
            raise StoreDamaged("a request row is cut short: restore the store from a backup")
        return Recorded(_due.unpack_from(data)[0], data[8:24], data[24:])
