"""Changes to one partition's state that lie over the store: of a step, and of the open group.

A layer holds single writes (None = dropped) over dropped ranges. Newer layers lie over older ones, all over the store.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from sortedcontainers import SortedList

from darq.store import Scannable

_UNSORTED_MAX = 16  # below this many writes, looking at each is cheaper than keeping them in order
_PAGE_ROWS_MIN = 16


class Absent:
    """The type of ABSENT: a layer says nothing about a key."""


ABSENT = Absent()


class Overlay:
    """One layer: `writes` win over `ranges` (half-open, of subkeys), which hide all that lies below.

    Keys may be set in `writes` from outside, and are taken out by `drop_range` alone.
    """

    __slots__ = ("_ordered", "ranges", "writes")

    def __init__(self) -> None:
        self.writes: dict[bytes, bytes | None] = {}
        self.ranges: list[tuple[bytes, bytes]] = []
        self._ordered: SortedList[bytes] | None = None  # of the keys in `writes`, as of the last look at many of them

    def find(self, subkey: bytes) -> bytes | Absent | None:
        """The value, None if this layer dropped it, or ABSENT if it says nothing."""
        value = self.writes.get(subkey, ABSENT)
        if value is ABSENT and self.ranges and self.hides(subkey):
            return None
        return value

    def hides(self, subkey: bytes) -> bool:
        """Whether a dropped range hides what lies below."""
        return any(begin <= subkey < end for begin, end in self.ranges)

    def drop_range(self, begin: bytes, end: bytes) -> None:
        """Drop all subkeys of [begin, end), here and below."""
        if begin >= end:
            return
        dropped = list(self.between(begin, end))
        for subkey in dropped:
            del self.writes[subkey]
        if dropped:
            self._ordered = None
        if any(lo <= begin and end <= hi for lo, hi in self.ranges):
            return  # a collection cleared again and again in one group leaves one range
        self.ranges = [(lo, hi) for lo, hi in self.ranges if not (begin <= lo and hi <= end)]
        self.ranges.append((begin, end))

    def absorb(self, newer: "Overlay") -> None:
        """Lay a newer layer over this one."""
        for begin, end in newer.ranges:
            self.drop_range(begin, end)
        self.writes.update(newer.writes)

    def between(self, begin: bytes, end: bytes) -> Iterable[bytes]:
        """The keys of [begin, end) that have a write, in any order."""
        if len(self.writes) <= _UNSORTED_MAX:
            return [key for key in self.writes if begin <= key < end]
        if self._ordered is None:
            self._ordered = SortedList(self.writes)
        elif len(self._ordered) < len(self.writes):
            # a dict keeps the order of first writes, so the keys not seen yet are its last ones
            self._ordered.update(list(islice(reversed(self.writes), len(self.writes) - len(self._ordered))))
        keys: Iterator[bytes] = self._ordered.irange(begin, end, inclusive=(True, False))
        return keys


def scan(
    store: Scannable, prefix: bytes, layers: Sequence[Overlay], bounds: tuple[bytes, bytes], limit: int, reverse: bool
) -> list[tuple[bytes, bytes]]:
    """Up to `limit` live (subkey, value) rows of one partition, with `layers` (newest first) over the store.

    bounds: [begin, end) as subkeys.
    """
    begin, end = bounds
    if begin >= end or limit <= 0:
        return []
    skip = len(prefix)
    if not any(layer.writes or layer.ranges for layer in layers):
        return [(key[skip:], value) for key, value in store.scan(prefix + begin, prefix + end, limit, reverse)]
    found: list[tuple[bytes, bytes]] = []
    page = limit
    for first, behind, hidden in _stretches(layers, begin, end, reverse):
        lo, hi = first, behind
        while lo < hi and len(found) < limit:
            rows = [] if hidden else store.scan(prefix + lo, prefix + hi, page, reverse)
            stored = [(key[skip:], value) for key, value in rows]
            last = stored[-1][0] if len(stored) == page else None
            seen_lo = last if reverse and last is not None else lo
            seen_hi = last + b"\x00" if not reverse and last is not None else hi
            found += _changed(stored, layers, (seen_lo, seen_hi), reverse)
            if last is None:
                break
            lo, hi = (lo, seen_lo) if reverse else (seen_hi, hi)
            page = max(_PAGE_ROWS_MIN, page * 4)  # many dropped rows: let the store skip more of them at a time
    return found[:limit]


def _stretches(
    layers: Sequence[Overlay], begin: bytes, end: bytes, reverse: bool
) -> Sequence[tuple[bytes, bytes, bool]]:
    """[begin, end) cut into (lo, hi, hidden): where a layer hides the store and where none does, in scan order."""
    cut: list[tuple[bytes, bytes, bool]] = []
    at = begin
    for lo, hi in sorted(r for layer in layers for r in layer.ranges):
        first, behind = max(lo, at), min(hi, end)
        if first >= behind:
            continue
        if at < first:
            cut.append((at, first, False))
        cut.append((first, behind, True))
        at = behind
    if at < end:
        cut.append((at, end, False))
    return cut[::-1] if reverse else cut


def _changed(
    stored: list[tuple[bytes, bytes]], layers: Sequence[Overlay], bounds: tuple[bytes, bytes], reverse: bool
) -> list[tuple[bytes, bytes]]:
    """The live rows within bounds: the stored ones as the layers changed them."""
    changes: dict[bytes, bytes | None] = {}
    for depth, layer in enumerate(layers):
        for key in layer.between(*bounds):
            if key not in changes and not any(newer.hides(key) for newer in layers[:depth]):
                changes[key] = layer.writes[key]
    if not changes:
        return stored
    merged = dict(stored) | changes
    return sorted(((key, value) for key, value in merged.items() if value is not None), reverse=reverse)
