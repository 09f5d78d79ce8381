"""The rows of the object whose method runs: those that came with the task, others asked for and kept for the part."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Protocol

from automata.sandbox.passing import PART_BYTES
from automata.state import Bounds
from darq import overlay
from darq.overlay import Overlay

Rows = list[tuple[bytes, bytes]]

_LIMIT_MAX = (1 << 32) - 1


class AsksForRows(Protocol):
    """The host, as far as rows go."""

    def page(self, begin: bytes, end: bytes, limit: int, backwards: bool) -> Rows:
        """Up to limit rows of [begin, end), from the end backwards if backwards; fewer once they have PART_BYTES."""


class GuestRows:
    """A `Reader` whose prefix is empty: keys are the object's subkeys. whole: `rows` are all that there are."""

    def __init__(self, rows: Sequence[Sequence[bytes]], whole: bool, host: AsksForRows) -> None:
        self._host = host
        self._known: dict[bytes, bytes | None] = dict(rows)  # type: ignore[arg-type]
        self._subkeys = [subkey for subkey, _ in rows]
        self._known_until = b"\xff" if whole else self._subkeys[-1] + b"\0" if rows else b""

    def begin_part(self) -> None:
        """What was known may be otherwise by now."""
        self._known, self._subkeys, self._known_until = {}, [], b""

    def read(self, prefix: bytes, subkey: bytes, /) -> bytes | None:
        """One value."""
        known = self._known
        if subkey in known:
            return known[subkey]
        if subkey < self._known_until:
            return None
        found = self._host.page(subkey, subkey + b"\0", 1, False)
        value = known[subkey] = found[0][1] if found else None
        return value

    def scan(
        self, prefix: bytes, bounds: Bounds, limit: int, reverse: bool = False, over: Sequence[Overlay] = ()
    ) -> Rows:
        """Rows in order, under the given layers."""
        return overlay.scan(_Below(self), prefix, over, bounds, limit, reverse)

    def below(self, begin: bytes, end: bytes, limit: int, reverse: bool) -> Rows:
        """Rows without any layers."""
        if end > self._known_until:
            return self._asked(begin, end, min(limit, _LIMIT_MAX), reverse)
        subkeys, first, behind = self._subkeys, bisect_left(self._subkeys, begin), bisect_left(self._subkeys, end)
        if reverse:
            chosen = subkeys[max(first, behind - limit) : behind][::-1]
        else:
            chosen = subkeys[first : min(behind, first + limit)]
        return [(subkey, value) for subkey in chosen if (value := self._known[subkey]) is not None]

    def _asked(self, begin: bytes, end: bytes, limit: int, reverse: bool) -> Rows:
        """From the host, page by page."""
        rows: Rows = []
        while True:
            found = self._host.page(begin, end, limit - len(rows), reverse)
            self._known.update(found)
            rows += found
            if len(rows) >= limit or sum(len(key) + len(value) for key, value in found) < PART_BYTES:
                return rows
            begin, end = (begin, found[-1][0]) if reverse else (found[-1][0] + b"\0", end)


class _Below:
    """The same as a store, which layers are laid over."""

    def __init__(self, rows: GuestRows) -> None:
        self._rows = rows

    def scan(self, begin: bytes, end: bytes, limit: int, reverse: bool = False) -> Rows:
        return self._rows.below(begin, end, limit, reverse)
