"""What the log needs of a store: ordered bytes, atomic batches, and a flush that makes them durable.

Two implementations: `darq.rocks.RocksStore` for use and `darq.memory.MemoryStore` for tests, under one contract suite.
A batch becomes visible with `write` and durable with the next `flush`; a crash keeps a prefix of the written batches
that contains at least every flushed one.
"""

from collections.abc import Sequence
from typing import Protocol


class Batch(Protocol):
    """Changes that are written together or not at all, in the order given."""

    def put(self, key: bytes, value: bytes, /) -> None:
        """Set one key."""

    def delete(self, key: bytes, /) -> None:
        """Drop one key; dropping a missing one is no error."""

    def delete_range(self, begin: bytes, end: bytes, /) -> None:
        """Drop all keys in [begin, end)."""

    def size_in_bytes(self) -> int:
        """About how much it adds to the log."""


class Scannable(Protocol):
    """Ordered rows."""

    def scan(self, begin: bytes, end: bytes, limit: int, reverse: bool = False) -> Sequence[tuple[bytes, bytes]]:
        """Up to `limit` rows of [begin, end) in key order, or from the end backwards."""


class Store(Scannable, Protocol):
    """One ordered map of bytes to bytes with atomic, durable batches."""

    def get(self, key: bytes) -> bytes | None:
        """The value of `key`, or None. Raises StoreDamaged where the bytes on disk fail their checksum."""

    def batch(self) -> Batch:
        """A new empty batch for `write`."""

    def write(self, batch: Batch) -> None:
        """Apply a batch atomically: visible at once, durable at the next flush. Consumes the batch."""

    def flush(self) -> None:
        """Make every written batch durable. May be called on another thread than `write`."""

    def rotate(self) -> None:
        """Begin a new log file and let the old one be turned into sorted tables in the background."""

    def free_bytes(self) -> int:
        """Free space where the store lives."""

    def released(self) -> int:
        """The highest group number given to `mark_released`, from a file beside the data; 0 for a new store."""

    def mark_released(self, group: int) -> None:
        """Note that group `group` was acknowledged. Cheap and not synced: it only ever makes a refusal stricter."""

    def identity(self) -> bytes:
        """16 random bytes given at creation: the name of this store in lanes."""

    def close(self) -> None:
        """Release files and locks. Closing twice is allowed."""
