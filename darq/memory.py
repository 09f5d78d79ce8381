"""A store in memory that can crash: what was not flushed is lost, as it would be with the machine's power."""

import random
import threading

from sortedcontainers import SortedDict

from darq.errors import StoreClosed
from darq.store import Batch

_Change = tuple[bytes, bytes | None] | tuple[bytes, bytes, None]


class MemoryBatch:
    """The changes of one batch, in order."""

    def __init__(self) -> None:
        self.changes: list[_Change] = []

    def put(self, key: bytes, value: bytes) -> None:
        """Set one key."""
        self.changes.append((key, value))

    def delete(self, key: bytes) -> None:
        """Drop one key."""
        self.changes.append((key, None))

    def delete_range(self, begin: bytes, end: bytes) -> None:
        """Drop all keys in [begin, end)."""
        self.changes.append((begin, end, None))

    def size_in_bytes(self) -> int:
        """About how much it holds."""
        return sum(len(change[0]) + len(change[1] or b"") for change in self.changes)


class MemoryStore:
    """A `Store` in memory with `crash()`, failing writes and a settable amount of free space.

    After `crash()` the same object is the disk that the next life opens. `random_source` decides how many of the
    unflushed batches a crash keeps (a real disk may have got to some of them); without it, none. identity: of the store
    that this is a copy of.
    """

    def __init__(self, random_source: random.Random | None = None, identity: bytes | None = None) -> None:
        self.free = 1 << 40
        self.fail_next_write: Exception | None = None
        self.fail_next_flush: Exception | None = None
        self.flushes = 0
        self._random = random_source
        self._identity = identity or (random_source or random.Random()).randbytes(16)
        self._rows: SortedDict[bytes, bytes] = SortedDict()
        self._durable: SortedDict[bytes, bytes] = SortedDict()
        self._unflushed: list[MemoryBatch] = []
        self._released = 0
        self._lock = threading.Lock()  # a flush may run on another thread than the next write
        self._open = True

    def crash(self) -> None:
        """Lose what was not flushed, but for a prefix of the batches chosen by the random source."""
        kept = self._random.randint(0, len(self._unflushed)) if self._random else 0
        for batch in self._unflushed[:kept]:
            self._harden(batch)
        self._unflushed = []
        self._rows = self._durable.copy()
        self._open = True
        self.fail_next_write = self.fail_next_flush = None

    def get(self, key: bytes) -> bytes | None:
        """The value of `key`, or None."""
        self._check_open()
        value: bytes | None = self._rows.get(key)
        return value

    def scan(self, begin: bytes, end: bytes, limit: int, reverse: bool = False) -> list[tuple[bytes, bytes]]:
        """Up to `limit` rows of [begin, end)."""
        self._check_open()
        found: list[tuple[bytes, bytes]] = []
        for key in self._rows.irange(begin, end, inclusive=(True, False), reverse=reverse):
            if len(found) >= limit:
                break
            found.append((key, self._rows[key]))
        return found

    def batch(self) -> MemoryBatch:
        """A new empty batch."""
        return MemoryBatch()

    def write(self, batch: Batch) -> None:
        """Apply a batch of this store's `batch()`: visible at once, durable at the next flush."""
        self._check_open()
        if not isinstance(batch, MemoryBatch):
            raise TypeError("a batch is written to the kind of store that made it")
        if self.fail_next_write is not None:
            raise self.fail_next_write
        with self._lock:
            _apply(self._rows, batch)
            self._unflushed.append(batch)

    def flush(self) -> None:
        """Make every written batch durable."""
        self._check_open()
        if self.fail_next_flush is not None:
            raise self.fail_next_flush
        with self._lock:
            for batch in self._unflushed:
                self._harden(batch)
            self._unflushed = []
            self.flushes += 1

    def rotate(self) -> None:
        """Nothing to do: there is no log file."""

    def free_bytes(self) -> int:
        """The space that a test has set."""
        return self.free

    def released(self) -> int:
        """The highest group number noted; it survives a crash, as an unsynced file survives a killed process."""
        return self._released

    def mark_released(self, group: int) -> None:
        """Note that group `group` was acknowledged."""
        self._released = max(self._released, group)

    def identity(self) -> bytes:
        """The name of this store in lanes."""
        return self._identity

    def close(self) -> None:
        """Nothing is flushed by closing; opening again finds what a crash would leave plus what was written."""
        self._open = False

    def reopen(self) -> "MemoryStore":
        """The same rows for a next life in the same process, as after a clean close."""
        self._open = True
        return self

    def _harden(self, batch: MemoryBatch) -> None:
        """A batch becomes durable."""
        _apply(self._durable, batch)

    def _check_open(self) -> None:
        if not self._open:
            raise StoreClosed("the in-memory store is closed")


def _apply(rows: "SortedDict[bytes, bytes]", batch: MemoryBatch) -> None:
    for change in batch.changes:
        if len(change) == 3:
            for key in list(rows.irange(change[0], change[1], inclusive=(True, False))):
                del rows[key]
        elif change[1] is None:
            rows.pop(change[0], None)
        else:
            rows[change[0]] = change[1]
