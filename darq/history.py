"""What the steps of the last groups did, for people: one row a group, bounded in bytes.

The bound is kept to a sixteenth: rows are dropped in stretches of that size, each with one range deletion.
"""

from collections import deque
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import msgspec

from darq import keys
from darq.store import Batch, Store

STRETCHES = 16
_PAGE_ROWS = 256


class History:
    """Trims the history rows of a store.

    start: the first group that may still have a row. size: the bytes of all rows from there on. Both stand in the
    head, so that many short lives of a store stay within the bound as one long life does.
    """

    def __init__(self, start: int, size: int, next_group: int, bytes_max: int) -> None:
        self.start = start
        self.size = size
        self._bytes_max = bytes_max
        self._stretch_bytes = max(1, bytes_max // STRETCHES)
        self._stretches = _cut(start, next_group, size, self._stretch_bytes)  # (first group behind, bytes), closed
        self._open_bytes = 0

    def added(self, group: int, size: int, batch: Batch) -> None:
        """The row of `group` takes `size` bytes; drop the oldest stretches with `batch` if that is too much."""
        self.size += size
        self._open_bytes += size
        if self._open_bytes >= self._stretch_bytes:
            self._stretches.append((group + 1, self._open_bytes))
            self._open_bytes = 0
        first = self.start
        while self.size > self._bytes_max and self._stretches and self._stretches[0][0] <= group:
            self.start, dropped = self._stretches.popleft()
            self.size -= dropped
        if self.start > first:
            batch.delete_range(keys.numbered(keys.HISTORY, first), keys.numbered(keys.HISTORY, self.start))


def _cut(start: int, end: int, size: int, stretch_bytes: int) -> deque[tuple[int, int]]:
    """The groups of an earlier life as stretches of about equal size; where their borders were is not stored."""
    groups = end - start
    pieces = min(size // stretch_bytes + 1, groups)
    ends = [start + groups * n // pieces for n in range(pieces + 1)] if pieces else [start]
    return deque((behind, size * (behind - first) // groups) for first, behind in pairwise(ends))


def notes(store: Store, start: int) -> Iterator[tuple[int, list[Any]]]:
    """(group, note) of every step that the history still holds, oldest first."""
    while rows := store.scan(keys.numbered(keys.HISTORY, start), keys.after(keys.HISTORY), _PAGE_ROWS):
        for key, data in rows:
            for note in msgspec.msgpack.decode(data):
                yield keys.number_of(key), note
        start = keys.number_of(rows[-1][0]) + 1
