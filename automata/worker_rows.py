"""The rows of an object as a worker sees them: those that came with the task, the others asked for by ranges."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from automata.state import Bounds
from automata.worker import Rows, Source, Task, Want
from darq import overlay
from darq.overlay import Overlay


class WorkerRows:
    """A `Reader` over one task. It keeps nothing that it has asked for: a page is read once."""

    def __init__(self, task: Task, source: Source) -> None:
        self._prefix = task.prefix
        self._subkeys = [subkey for subkey, _ in task.rows]
        self._values = [value for _, value in task.rows]
        self._known_until = b"\xff" if task.whole else self._subkeys[-1] + b"\0" if task.rows else b""
        self._source = source

    def read(self, prefix: bytes, subkey: bytes, /) -> bytes | None:
        """One value."""
        if subkey < self._known_until:
            at = bisect_left(self._subkeys, subkey)
            return self._values[at] if at < len(self._subkeys) and self._subkeys[at] == subkey else None
        found = self._source.rows(Want(subkey, subkey + b"\0", 1))
        return found[0][1] if found else None

    def scan(
        self, prefix: bytes, bounds: Bounds, limit: int, reverse: bool = False, over: Sequence[Overlay] = ()
    ) -> Rows:
        """Rows in order, under the given layers."""
        return overlay.scan(_Below(self, prefix), prefix, over, bounds, limit, reverse)

    def below(self, want: Want) -> Rows:
        """Rows without any layers."""
        if want.end > self._known_until:
            return self._source.rows(want)
        first, behind = bisect_left(self._subkeys, want.begin), bisect_left(self._subkeys, want.end)
        if want.reverse:
            places = range(behind - 1, max(first, behind - want.limit) - 1, -1)
        else:
            places = range(first, min(behind, first + want.limit))
        return [(self._subkeys[at], self._values[at]) for at in places]


class _Below:
    """The same with whole keys, as layers are laid over."""

    def __init__(self, rows: WorkerRows, prefix: bytes) -> None:
        self._rows = rows
        self._prefix = prefix

    def scan(self, begin: bytes, end: bytes, limit: int, reverse: bool = False) -> Rows:
        skip = len(self._prefix)
        found = self._rows.below(Want(begin[skip:], end[skip:], limit, reverse))
        return [(self._prefix + subkey, value) for subkey, value in found]
