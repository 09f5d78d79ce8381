"""Changes to one partition's state that lie over the store: of a step, and of the open group.

A layer holds single writes (None = dropped) over dropped ranges. Newer layers lie over older ones, all over the store.
"""

from collections.abc import Sequence

from darq.store import Store


class Absent:
    """The type of ABSENT: a layer says nothing about a key."""


ABSENT = Absent()


class Overlay:
    """One layer: `writes` win over `ranges` (half-open, of subkeys), which hide all that lies below."""

    __slots__ = ("ranges", "writes")

    def __init__(self) -> None:
        self.writes: dict[bytes, bytes | None] = {}
        self.ranges: list[tuple[bytes, bytes]] = []

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
        for subkey in [k for k in self.writes if begin <= k < end]:
            del self.writes[subkey]
        self.ranges.append((begin, end))

    def absorb(self, newer: "Overlay") -> None:
        """Lay a newer layer over this one."""
        for begin, end in newer.ranges:
            self.drop_range(begin, end)
        self.writes.update(newer.writes)


def scan(
    store: Store, prefix: bytes, layers: Sequence[Overlay], bounds: tuple[bytes, bytes], limit: int, reverse: bool
) -> list[tuple[bytes, bytes]]:
    """Up to `limit` live (subkey, value) rows of one partition, with `layers` (newest first) over the store.

    bounds: [begin, end) as subkeys.
    """
    begin, end = bounds
    skip = len(prefix)
    changes = _changes(layers, begin, end)
    ranges = [r for layer in layers for r in layer.ranges]
    if not changes and not ranges:
        return [(key[skip:], value) for key, value in store.scan(prefix + begin, prefix + end, limit, reverse)]
    found: list[tuple[bytes, bytes]] = []
    fresh = sorted(((k, v) for k, v in changes.items() if v is not None), reverse=reverse)
    while len(found) < limit:
        rows = store.scan(prefix + begin, prefix + end, limit, reverse)
        last = rows[-1][0][skip:] if len(rows) == limit else None
        live = [(k, v) for k, v in ((key[skip:], value) for key, value in rows) if k not in changes]
        live = [row for row in live if not any(lo <= row[0] < hi for lo, hi in ranges)]
        ready = fresh if last is None else [row for row in fresh if (row[0] >= last if reverse else row[0] <= last)]
        found += sorted(live + ready, reverse=reverse)
        if last is None:
            break
        fresh = fresh[len(ready) :]
        begin, end = (begin, last) if reverse else (last + b"\x00", end)
    return found[:limit]


def _changes(layers: Sequence[Overlay], begin: bytes, end: bytes) -> dict[bytes, bytes | None]:
    """What the layers say of the keys in [begin, end), newest first wins, minus what newer ranges hide."""
    changes: dict[bytes, bytes | None] = {}
    for depth, layer in enumerate(layers):
        for key, value in layer.writes.items():
            if begin <= key < end and key not in changes and not any(newer.hides(key) for newer in layers[:depth]):
                changes[key] = value
    return changes
