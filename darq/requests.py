"""Outcomes of requests, kept for a bounded time, so that asking again gives the same answer and no second run.

A request key belongs to its partition. Rows are dropped in order of their due time, from a stored cursor.
"""

from darq import keys
from darq.codec import Recorded
from darq.group import Group
from darq.step import Step
from darq.store import Store

EXPIRE_MS = 1000  # how often due rows are looked for
_EXPIRE_ROWS_MIN = 256
_NEVER = (1 << 64) - 1


class Requests:
    """The recorded outcomes of one store. kept_ms: how long each is kept."""

    def __init__(self, store: Store, kept_ms: int, cursor_ms: int) -> None:
        self.cursor_ms = cursor_ms
        self._store = store
        self._kept_ms = kept_ms
        self._first_unwritten_ms = _NEVER  # the earliest due time recorded since the cursor was last moved

    def find(self, partition: bytes, request: bytes, now_ms: int, group: Group) -> Recorded | None:
        """The outcome recorded under this key, unless its time is over."""
        row = keys.partition_key(keys.REQUEST, partition) + request
        data = group.rows[row] if row in group.rows else self._store.get(row)
        if data is None:
            return None
        recorded = Recorded.decode(data)
        return recorded if recorded.due_ms > now_ms else None

    def record(
        self, step: Step, request: bytes, fingerprint: bytes, outcome: bytes, now_ms: int, kept_ms: int | None = None
    ) -> None:
        """Let `step` record the outcome of the request that it answers.

        fingerprint: 16 bytes of what was asked; kept_ms: how long this outcome is kept, if not as long as others.
        """
        due_ms = now_ms + (self._kept_ms if kept_ms is None else kept_ms)
        # a clock that was set back must not leave rows behind the cursor
        self.cursor_ms = min(self.cursor_ms, due_ms)
        self._first_unwritten_ms = min(self._first_unwritten_ms, due_ms)
        row = keys.partition_key(keys.REQUEST, step.partition) + request
        expiry = keys.numbered(keys.EXPIRY, due_ms) + row
        step.set_row(row, Recorded(due_ms, fingerprint, outcome).encode())
        step.set_row(expiry, b"")

    def adopt(self, step: Step, request: bytes, data: bytes) -> None:
        """Let `step` keep an outcome that was recorded in another store, as long as it was to be kept there."""
        row = keys.partition_key(keys.REQUEST, step.partition) + request
        due_ms = Recorded.decode(data).due_ms
        self.cursor_ms = min(self.cursor_ms, due_ms)
        self._first_unwritten_ms = min(self._first_unwritten_ms, due_ms)
        step.set_row(row, data)
        step.set_row(keys.numbered(keys.EXPIRY, due_ms) + row, b"")

    def expire(self, group: Group, now_ms: int) -> None:
        """Drop outcomes whose time is over with the open group, more of them than a group of this size records."""
        if now_ms - self.cursor_ms < EXPIRE_MS:
            return
        limit = max(_EXPIRE_ROWS_MIN, 2 * group.steps)
        begin, end = keys.numbered(keys.EXPIRY, self.cursor_ms), keys.numbered(keys.EXPIRY, now_ms)
        rows = self._store.scan(begin, end, limit)
        for key, _ in rows:
            group.rows[key] = None
            if key[9:] not in group.rows and self._is_due(key[9:], now_ms):
                group.rows[key[9:]] = None
        seen_ms = int.from_bytes(rows[-1][0][1:9], "big") if len(rows) == limit else now_ms
        self.cursor_ms = min(seen_ms, self._first_unwritten_ms)
        self._first_unwritten_ms = _NEVER

    def _is_due(self, row: bytes, now_ms: int) -> bool:
        data = self._store.get(row)
        return data is not None and Recorded.decode(data).due_ms <= now_ms
