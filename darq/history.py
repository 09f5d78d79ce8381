"""What the steps of the last groups did, for people: one row a group, bounded in bytes.

The bound is kept to a sixteenth: rows are dropped in stretches of that size, each with one range deletion.
"""

from collections import deque
from collections.abc import Iterator
from typing import Any

import msgspec

from darq import keys
from darq.store import Batch, Store

STRETCHES = 16
_PAGE_ROWS = 256


class History:
    """Trims the history rows of a store. start: the first group that may still have a row."""

    def __init__(self, start: int, next_group: int, bytes_max: int) -> None:
        self.start = start
        self._stretch_bytes = max(1, bytes_max // STRETCHES)
        # what an earlier life left counts as full stretches, so that restarts cannot make it grow
        self._ends: deque[int] = deque([next_group] if next_group > start else [])
        self._bytes = 0

    def added(self, group: int, size: int, batch: Batch) -> None:
        """The row of `group` takes `size` bytes; drop the oldest stretch with `batch` if that is one too many."""
        self._bytes += size
        if self._bytes < self._stretch_bytes:
            return
        self._ends.append(group + 1)
        self._bytes = 0
        if len(self._ends) > STRETCHES:
            end = self._ends.popleft()
            batch.delete_range(keys.numbered(keys.HISTORY, self.start), keys.numbered(keys.HISTORY, end))
            self.start = end


def notes(store: Store, start: int) -> Iterator[tuple[int, list[Any]]]:
    """(group, note) of every step that the history still holds, oldest first."""
    while rows := store.scan(keys.numbered(keys.HISTORY, start), keys.after(keys.HISTORY), _PAGE_ROWS):
        for key, data in rows:
            for note in msgspec.msgpack.decode(data):
                yield keys.number_of(key), note
        start = keys.number_of(rows[-1][0]) + 1
