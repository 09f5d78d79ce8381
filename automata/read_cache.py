"""Results of `@readonly(cache=True)` methods, reused while everything that they read is unchanged.

LambdaObjects §4.2.2: what is kept is the result by value, the arguments as part of its name, and the read set as keys
and hashes of values; a range that was read counts with every row in it, so that an added entry is noticed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import msgspec

from automata.context import CURRENT
from automata.deterministic import Deterministic
from automata.entity import load
from automata.reads import ReadSet, Recorder, Rows, merge
from automata.state import READ, Reader
from automata.work import Outcome, ordinary

if TYPE_CHECKING:
    from automata.entity import Entity
    from automata.methods import Method, Packed
    from automata.types import AutomatonType

_encode = msgspec.msgpack.Encoder().encode
_HASH_BYTES = 16
_ENTRY_BYTES = 1000  # about what an entry takes in memory besides the bytes that it holds
_READ_BYTES = 150  # the same of one row or range of its read set

_Name = tuple[bytes, "Method", object]


@dataclass(slots=True)
class Print:
    """A read set without its values, so that it can be told whether they have changed.

    rows: (subkey, print of the value, or None). ranges: (begin, end, how many rows, print of them).
    """

    rows: list[tuple[bytes, bytes | None]]
    ranges: list[tuple[bytes, bytes, int, bytes]]

    def holds(self, log: Reader, prefix: bytes) -> bool:
        """Whether the log gives what was read then."""
        for subkey, seen in self.rows:
            data = log.read(prefix, subkey)
            if (data if data is None else print_of(data)) != seen:
                return False
        for begin, end, count, seen_rows in self.ranges:
            rows = log.scan(prefix, (begin, end), count + 1)  # one more is enough to see that there are others
            if len(rows) != count or print_of_rows(rows) != seen_rows:
                return False
        return True

    def size_bytes(self) -> int:
        """About what it takes in memory."""
        rows = sum(len(subkey) + len(seen or b"") + _READ_BYTES for subkey, seen in self.rows)
        return rows + sum(len(begin) + len(end) + _HASH_BYTES + _READ_BYTES for begin, end, _, _ in self.ranges)


def print_of(data: bytes) -> bytes:
    """A short value itself, else its hash. Only hashes have the length of one, so that no value passes for another."""
    return data if len(data) < _HASH_BYTES else blake2b(data, digest_size=_HASH_BYTES).digest()


def print_of_rows(rows: Rows) -> bytes:
    """The hash of rows in order, keys and values."""
    return blake2b(_encode(rows), digest_size=_HASH_BYTES).digest()  # encoded, so that lengths count too


def print_of_reads(seen: ReadSet) -> Print:
    """The print of a read set."""
    rows, at = sorted(seen.rows.items()), 0
    alone: list[tuple[bytes, bytes | None]] = []
    ranges = []
    for begin, end in merge(seen.ranges):
        inside: Rows = []
        while at < len(rows) and rows[at][0] < end:
            key, data = rows[at]
            at += 1
            if key < begin:
                alone.append((key, data if data is None else print_of(data)))
            elif data is not None:
                inside.append((key, data))
        ranges.append((begin, end, len(inside), print_of_rows(inside)))
    alone += [(key, data if data is None else print_of(data)) for key, data in rows[at:]]
    return Print(alone, ranges)


@dataclass(slots=True)
class _Entry:
    """One result. unchanged: the mark of its object when it was found valid last; made: whose code gave it."""

    value: object
    give: Callable[[Any], object] | None
    read: Print
    made: AutomatonType
    unchanged: object
    size_bytes: int


class ReadCache:
    """The kept results of one host, least recently used first.

    hits, misses: how many calls found a valid result, and how many ran. size_bytes: about what is held.
    """

    def __init__(self, log: Reader, entries_max: int, bytes_max: int) -> None:
        self._log = log
        self._entries_max = entries_max
        self._bytes_max = bytes_max
        self._entries: OrderedDict[_Name, _Entry] = OrderedDict()
        self.hits = 0
        self.misses = 0
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def read(self, entity: Entity, method: Method, packed: Packed) -> Outcome:
        """The result of the method on committed state: the kept one if it is valid, else a new one."""
        name = (entity.prefix, method, packed if method.plain else method.encode_arguments(packed))
        entry = self._entries.get(name)
        if entry is None or not (entry.unchanged is entity.unchanged or self._still_valid(entry, entity)):
            return self._run(entity, method, packed, name)
        self._entries.move_to_end(name)
        self.hits += 1
        return self._answer(entry, entity)

    def _still_valid(self, entry: _Entry, entity: Entity) -> bool:
        """Something of the object has changed since, or it was loaded anew: look at what was read."""
        if entry.made is not entity.made or not entry.read.holds(self._log, entity.prefix):
            return False
        entry.unchanged = _mark(entity)
        return True

    def _run(self, entity: Entity, method: Method, packed: Packed, name: _Name) -> Outcome:
        """Run the method on an instance of its own, so that every read is seen, and keep its result."""
        self.misses += 1
        self._drop(name)
        recorder = Recorder(self._log)
        state, instance = load(entity.made, entity.key, recorder, entity.prefix)
        context = Deterministic(entity, method)
        token = CURRENT.set(context)
        state.begin(READ)
        try:
            kept = method.keep_result(context.run(method.fn(instance, *method.unpack(packed))))
            state.flush()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever a user's method raises is its outcome
            return Outcome(None, ordinary(error, context.name), entity.group)
        finally:
            context.closed = True
            state.end_read()
            CURRENT.reset(token)
        read = print_of_reads(recorder.seen)
        size = kept.size_bytes + read.size_bytes() + len(method.encode_arguments(packed)) + _ENTRY_BYTES
        entry = _Entry(kept.value, kept.give, read, entity.made, _mark(entity), size)
        self._keep(name, entry)
        return self._answer(entry, entity)

    def _answer(self, entry: _Entry, entity: Entity) -> Outcome:
        """One caller's own result, which waits for what it may depend on like any other."""
        return Outcome(entry.value if entry.give is None else entry.give(entry.value), None, entity.group)

    def _keep(self, name: _Name, entry: _Entry) -> None:
        if entry.size_bytes > self._bytes_max:
            return
        self._entries[name] = entry
        self.size_bytes += entry.size_bytes
        while len(self._entries) > self._entries_max or self.size_bytes > self._bytes_max:
            _, oldest = self._entries.popitem(last=False)
            self.size_bytes -= oldest.size_bytes

    def _drop(self, name: _Name) -> None:
        stale = self._entries.pop(name, None)
        if stale is not None:
            self.size_bytes -= stale.size_bytes


def _mark(entity: Entity) -> object:
    """What stands for the object's present state: the next step that changes it takes it away."""
    if entity.unchanged is None:
        entity.unchanged = object()
    return entity.unchanged
