"""A store whose groups are recorded as they are written, so that copies can write the same.

A batch whose last row is the head is a group. What is written besides goes with the group after it.
"""

from collections.abc import Callable

from darq import keys
from darq.errors import AutomataError
from darq.replication.chain import Head, chain_of
from darq.replication.entry import ROTATE, Entry, Operation, encode_operations
from darq.store import Batch, Store


class RecordingBatch:
    """A batch that remembers what it was given."""

    __slots__ = ("delete", "inner", "operations", "put", "size_in_bytes")

    def __init__(self, inner: Batch) -> None:
        self.inner = inner
        self.operations: list[Operation] = []
        put, delete, record = inner.put, inner.delete, self.operations.append

        def recorded_put(key: bytes, value: bytes, /) -> None:
            record((key, value))
            put(key, value)

        def recorded_delete(key: bytes, /) -> None:
            record((key,))
            delete(key)

        self.put, self.delete, self.size_in_bytes = recorded_put, recorded_delete, inner.size_in_bytes

    def delete_range(self, begin: bytes, end: bytes, /) -> None:
        """Drop all keys in [begin, end)."""
        self.operations.append((begin, end, b""))
        self.inner.delete_range(begin, end)


class ReplicatedStore:
    """The `Store` that the log of a primary writes to.

    sealed: called with each group once it is written, and before it is durable. failure: nothing may be written any
    more.
    """

    def __init__(self, inner: Store, epoch: int, sealed: Callable[[Entry], None]) -> None:
        self.inner = inner
        self.head: Head = chain_of(inner)
        self.failure: AutomataError | None = None
        self._epoch = epoch
        self._sealed = sealed
        self._before: list[Operation] = []  # written outside of groups since the last one
        self.get, self.scan, self.flush = inner.get, inner.scan, inner.flush
        self.free_bytes, self.identity = inner.free_bytes, inner.identity
        self.released, self.mark_released, self.close = inner.released, inner.mark_released, inner.close

    def batch(self) -> RecordingBatch:
        """A new empty batch."""
        return RecordingBatch(self.inner.batch())

    def write(self, batch: Batch) -> None:
        """Apply a batch of this store's `batch()`; record it if it is a group."""
        if self.failure is not None:
            raise self.failure
        if not isinstance(batch, RecordingBatch):
            raise TypeError("a batch is written to the kind of store that made it")
        operations = batch.operations
        if not operations or operations[-1][0] != keys.HEAD:
            self.inner.write(batch.inner)
            self._before += operations
            return
        encoded = encode_operations(self._before + operations)
        head = self.head.follow(self._epoch, encoded)
        batch.inner.put(keys.CHAIN, head.encode())
        self.inner.write(batch.inner)
        self._before, self.head = [], head
        self._sealed(Entry(head.epoch, head.group, head.hash, encoded))

    def rotate(self) -> None:
        """Begin a new log file, here and, at the same place, in all copies."""
        self.inner.rotate()
        self._before.append(ROTATE)
