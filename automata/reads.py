"""What a method has read of its object: rows and ranges, as they were before its own changes.

A `Recorder` stands between an object's state and the log and notes what is read; `Replayed` answers from such notes.
Both serve methods that resume after a crash (their journal) and cached results (LambdaObjects §4.2.2: a result may be
reused while everything in its read set is unchanged). Ranges count as read in full, so that an entry added to one is
noticed.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from automata.state import Bounds, Reader
from darq.overlay import Overlay
from darq.overlay import scan as scan_overlays

Rows = list[tuple[bytes, bytes]]


@dataclass(slots=True)
class ReadSet:
    """Rows that were read (None: there was none) and ranges [begin, end) of which every row was seen, as subkeys."""

    rows: dict[bytes, bytes | None] = field(default_factory=dict)
    ranges: list[Bounds] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.rows or self.ranges)

    def size_bytes(self) -> int:
        """About what it takes."""
        size = 0
        for key, data in self.rows.items():
            size += len(key) + len(data) if data is not None else len(key)
        for begin, end in self.ranges:
            size += len(begin) + len(end)
        return size

    def covers(self, begin: bytes, end: bytes) -> bool:
        """Whether every row of [begin, end) was seen."""
        return _covers(merge(self.ranges), begin, end)

    def add_scan(self, bounds: Bounds, limit: int, reverse: bool, rows: Rows) -> None:
        """A scan of `bounds` gave these rows: what of the range was seen depends on where it stopped."""
        if bounds[0] < bounds[1] and limit > 0:
            self.rows.update(rows)
            self.ranges.append(seen_of(bounds, limit, reverse, rows))


def seen_of(bounds: Bounds, limit: int, reverse: bool, rows: Rows) -> Bounds:
    """The part of `bounds` that a scan for `limit` rows, at least one, has looked at, from the rows that it gave."""
    if len(rows) < limit:
        return bounds
    last = rows[-1][0]
    return (last, bounds[1]) if reverse else (bounds[0], last + b"\x00")


def merge(ranges: Sequence[Bounds]) -> list[Bounds]:
    """The same ranges in order, without overlaps."""
    merged: list[Bounds] = []
    for begin, end in sorted(ranges):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((begin, end))
    return merged


def _covers(merged: list[Bounds], begin: bytes, end: bytes) -> bool:
    at = bisect_right(merged, begin, key=_begin_of) - 1
    return begin >= end or (at >= 0 and merged[at][1] >= end)


def _begin_of(bounds: Bounds) -> bytes:
    return bounds[0]


class Recorder:
    """A `Reader` of one object that notes in `seen` what was read below the method's own changes."""

    __slots__ = ("_log", "seen")

    def __init__(self, log: Reader) -> None:
        self._log = log
        self.seen = ReadSet()

    def read(self, prefix: bytes, subkey: bytes, /) -> bytes | None:
        """One value."""
        data = self._log.read(prefix, subkey)
        self.seen.rows[subkey] = data
        return data

    def scan(
        self, prefix: bytes, bounds: Bounds, limit: int, reverse: bool = False, over: Sequence[Overlay] = ()
    ) -> Rows:
        """Rows in order, under the given layers."""
        if not over:
            rows = self._log.scan(prefix, bounds, limit, reverse)
            self.seen.add_scan(bounds, limit, reverse, rows)
            return rows

        def scan_below(lo: bytes, hi: bytes, count: int, backwards: bool) -> Rows:
            rows = self._log.scan(prefix, (lo, hi), count, backwards)
            self.seen.add_scan((lo, hi), count, backwards, rows)
            return rows

        return scan_overlays(_Below(scan_below), b"", over, bounds, limit, reverse)


class Replayed:
    """A `Reader` that answers from a read set, which is complete. missing: makes the error for a read not in it."""

    __slots__ = ("_keys", "_missing", "_ranges", "_seen")

    def __init__(self, seen: ReadSet, missing: Callable[[bytes], BaseException]) -> None:
        self._seen = seen.rows
        self._ranges = merge(seen.ranges)
        self._keys = sorted(key for key, data in seen.rows.items() if data is not None)
        self._missing = missing

    def read(self, prefix: bytes, subkey: bytes, /) -> bytes | None:
        """One value as it was."""
        if subkey in self._seen:
            return self._seen[subkey]
        if _covers(self._ranges, subkey, subkey + b"\x00"):
            return None
        raise self._missing(subkey)

    def scan(
        self, prefix: bytes, bounds: Bounds, limit: int, reverse: bool = False, over: Sequence[Overlay] = ()
    ) -> Rows:
        """Rows as they were, under the given layers."""
        return scan_overlays(_Below(self._scan_below), b"", over, bounds, limit, reverse)

    def _scan_below(self, begin: bytes, end: bytes, limit: int, reverse: bool) -> Rows:
        first, behind = bisect_left(self._keys, begin), bisect_left(self._keys, end)
        keys = self._keys[max(first, behind - limit) : behind][::-1] if reverse else self._keys[first:behind][:limit]
        rows = [(key, data) for key in keys if (data := self._seen[key]) is not None]
        if not _covers(self._ranges, *seen_of((begin, end), limit, reverse, rows)):
            raise self._missing(begin)
        return rows


class _Below:
    """What lies below the layers, as something that can be scanned."""

    __slots__ = ("_scan",)

    def __init__(self, scan: Callable[[bytes, bytes, int, bool], Rows]) -> None:
        self._scan = scan

    def scan(self, begin: bytes, end: bytes, limit: int, reverse: bool = False) -> Rows:
        """Up to `limit` rows of [begin, end)."""
        return self._scan(begin, end, limit, reverse)
