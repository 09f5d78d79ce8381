"""The disk of a simulated machine, and the view that one life of the engine has of it.

A life ends at a moment that its `Fate` chooses: from then on that life reads and writes nothing any more, whatever
its code still tries, while the disk holds what a crash leaves.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Protocol

from automata.testing.audit import Audit
from automata.testing.groups import is_group
from darq.errors import StoreClosed
from darq.memory import MemoryBatch, MemoryStore
from darq.store import Batch


class Died(Exception):
    """The simulated process has died, or its disk has failed it."""


class Fate(Protocol):
    """What happens to commit groups on their way to the disk. Each may raise Died, at most once in a life."""

    def before_write(self, batch: MemoryBatch) -> None:
        """A group is about to be written. If this raises, it is lost."""

    def after_write(self, flush: Callable[[], None]) -> None:
        """A group is written, and may survive without a flush."""

    def before_flush(self) -> None:
        """A group is about to be flushed."""

    def before_release(self) -> None:
        """A group is durable, and nobody was told."""

    def stop(self) -> None:
        """The app closes: let nothing happen any more."""


class Disk(MemoryStore):
    """The rows of one simulated machine. audit: checks all that becomes durable."""

    def __init__(self, random_source: random.Random, kept_ms: int) -> None:
        super().__init__(random_source)
        self.audit = Audit()
        self._kept_ms = kept_ms

    def durable(self, key: bytes) -> bytes | None:
        """A row as a crash now would leave it at worst."""
        value: bytes | None = self._durable.get(key)
        return value

    def _harden(self, batch: MemoryBatch) -> None:
        self.audit.hardened(batch, self.durable, self._kept_ms)
        super()._harden(batch)


class Life:
    """A `Store`: the disk as one life of the engine sees it. died: is called at the moment in which trouble ends it.

    full: whether somebody else takes all space just now.
    """

    def __init__(self, disk: Disk, fate: Fate, died: Callable[[], None], full: Callable[[], bool]) -> None:
        self._disk = disk
        self._full = full
        self._fate = fate
        self._died = died
        self._over = False
        self._in_group = False

    def get(self, key: bytes) -> bytes | None:
        """One row."""
        return self._alive().get(key)

    def scan(self, begin: bytes, end: bytes, limit: int, reverse: bool = False) -> Sequence[tuple[bytes, bytes]]:
        """Up to `limit` rows of [begin, end)."""
        return self._alive().scan(begin, end, limit, reverse)

    def batch(self) -> MemoryBatch:
        """A new empty batch."""
        return self._alive().batch()

    def write(self, batch: Batch) -> None:
        """Apply a batch; if it is a commit group, trouble may come before or after."""
        disk = self._alive()
        if not isinstance(batch, MemoryBatch):
            raise TypeError("a batch is written to the kind of store that made it")
        self._in_group = is_group(batch)
        if self._in_group:
            self._risk(lambda: self._fate.before_write(batch))
        disk.write(batch)
        if self._in_group:
            self._risk(lambda: self._fate.after_write(disk.flush))

    def flush(self) -> None:
        """Make every written batch durable."""
        disk = self._alive()
        if self._in_group:
            self._risk(self._fate.before_flush)
        disk.flush()

    def rotate(self) -> None:
        """Nothing to do: there is no log file."""

    def free_bytes(self) -> int:
        """The space that a test has set on the disk, unless a fault takes it."""
        disk = self._alive()
        return 0 if self._full() else disk.free_bytes()

    def released(self) -> int:
        """The highest group number noted."""
        return self._alive().released()

    def mark_released(self, group: int) -> None:
        """Note that group `group` was acknowledged, unless trouble comes before."""
        disk = self._alive()
        self._risk(self._fate.before_release)
        disk.mark_released(group)

    def identity(self) -> bytes:
        """The name of this store in lanes."""
        return self._disk.identity()

    def close(self) -> None:
        """This life is over."""
        self._over = True

    def _alive(self) -> Disk:
        if self._over:
            raise StoreClosed("this life of the simulated process is over")
        return self._disk

    def _risk(self, pass_through: Callable[[], None]) -> None:
        try:
            pass_through()
        except Died:
            self._over = True
            self._died()
            raise
