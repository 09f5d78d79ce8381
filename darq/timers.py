"""Messages that are due later: rows in the order of their time, from which one store's inbox takes those that are due.

A timer that is due goes through the inbox in its own row, which the step that consumes it drops: ringing writes no
more. Nothing is kept in memory of those that are not due, and rows are looked for from a stored cursor, never from the
first key of the kind.
"""

from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush

from darq import keys
from darq.codec import Timer, origin_of
from darq.group import Group
from darq.inbox import Inbox
from darq.step import Message, Step
from darq.store import Store

TIME_MAX_MS = (1 << 63) - 1
_PAGE_ROWS = 256
_TIME_BYTES = 9  # of a key: its kind, and when it is due
_NEVER = keys.timed(keys.TIMER, (1 << 64) - 1, (1 << 64) - 1)  # behind all rows

_Row = tuple[bytes, bytes]


class Ringing(Message):
    """The message of a timer that was due. due_ms: since when."""

    __slots__ = ("due_ms",)

    def __init__(self, key: bytes, timer: Timer) -> None:
        super().__init__(timer.partition, timer.payload, keys.number_of(key), stored=True)
        self.due_ms = keys.due_of(key)


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at the timers has found.

    due: (row key, timer) of those to be rung now; more: further ones may be due; next_ms: when the first of all others
    is due, or None if there is none or `more` says to look again first.
    """

    due: list[tuple[bytes, Timer]]
    more: bool
    next_ms: int | None


class Timers:
    """The timers of one store. on_earlier: told the time of a new one that is due before all others, in ms."""

    def __init__(self, store: Store, inbox: Inbox, cursor_ms: int) -> None:
        self.on_earlier: Callable[[int], None] = _nothing
        self._store = store
        self._inbox = inbox
        # no row lies before this key but those on their way, and those that are held
        self._from = keys.timed(keys.TIMER, cursor_ms, 0)
        self._ringing: list[tuple[int, int]] = []  # a heap of (due, lsn); those that were consumed go when they come up
        self._held: set[bytes] = set()

    # setting and cancelling

    def add(self, step: Step, due_ms: int, lsn: int, timer: Timer) -> None:
        """Let `step` set a timer under the number `lsn`, which no other row has."""
        key = keys.timed(keys.TIMER, due_ms, lsn)
        step.set_row(key, timer.encode())
        if timer.schedule:
            step.set_row(timer.schedule_key, key[1:])
        self._look_from(key)

    def repeat(self, step: Step, ticking: tuple[bytes, Timer], next_ms: int | None, lsn: int) -> Timer:
        """Let `step` turn the occurrence that is due into a timer by itself, and set the next one, if there is one.

        ticking: the row key and the occurrence. Returns the timer by itself.
        """
        key, timer = ticking
        once = Timer(0, b"", timer.partition, timer.payload)
        step.set_row(key, once.encode())
        if next_ms is None:
            step.set_row(timer.schedule_key, None)
        else:
            self.add(step, next_ms, lsn, timer)
        return once

    def find(self, origin: bytes, due_ms: int | None, group: Group) -> tuple[bytes, bytes | None] | None:
        """The row of a timer by where, and under which number, it was set (`darq.codec.origin_of`).

        due_ms: of one that comes once; None for what repeats. Returns the row's key, and that of the SCHEDULE row.
        """
        number = keys.number_of(origin)
        own = origin == origin_of(self._store.identity(), number)
        if due_ms is not None:
            key = keys.timed(keys.TIMER, due_ms, number)
            found = key if own and self._row(key, group) is not None else self._come_from(origin, due_ms, group)
            return None if found is None else (found, None)
        for row in [keys.numbered(keys.SCHEDULE, number)] * own + [keys.SCHEDULE + origin]:
            place = self._row(row, group)
            if place is not None:
                return keys.TIMER + place, row
        return None

    def is_pending(self, key: bytes, group: Group) -> bool:
        """Whether a timer is neither on its way nor held by somebody who cancels it."""
        if key in self._held or self._inbox.recalled(keys.number_of(key)) is not None:
            return False
        return self._row(key, group) is not None

    def hold(self, key: bytes) -> None:
        """Do not ring a timer that somebody is about to cancel."""
        self._held.add(key)

    def release(self, key: bytes) -> None:
        """A timer that was held has been dropped, or rings after all."""
        if key in self._held:
            self._held.remove(key)
            self._look_from(key)

    # ringing

    def look(self, group: Group, now_ms: int, limit: int = _PAGE_ROWS) -> Look:
        """Up to `limit` timers that are due and not on their way yet. The caller rings each of them."""
        end = keys.timed(keys.TIMER, now_ms + 1, 0)
        further: bytes | None = None
        due: list[tuple[bytes, Timer]] = []
        if self._from < end:
            rows, further = self._page(group, self._from, end, limit)
            for key, data in rows:
                if key not in self._held and self._inbox.recalled(keys.number_of(key)) is None:
                    due.append((key, Timer.decode(data)))
        self._from = further if further is not None else self._first(group, max(self._from, end))
        return Look(due, further is not None, self.next_ms if further is None else None)

    def ring(self, key: bytes, timer: Timer) -> None:
        """Hand a timer that is due to the inbox; the step that consumes its message drops its row."""
        heappush(self._ringing, (keys.due_of(key), keys.number_of(key)))
        self._inbox.recall(Ringing(key, timer), key)

    @property
    def next_ms(self) -> int | None:
        """When the first timer that is not on its way may be due, in ms; None if there is none."""
        return None if self._from == _NEVER else keys.due_of(self._from)

    def on_their_way(self) -> int:
        """How many have been rung, and not consumed by a step."""
        return sum(self._inbox.recalled(lsn) is not None for _, lsn in self._ringing)

    def cursor_ms(self) -> int:
        """No row is due before this time."""
        cursor = keys.due_of(self._from)
        ringing = self._ringing
        while ringing and self._inbox.recalled(ringing[0][1]) is None:
            heappop(ringing)
        if ringing:
            cursor = min(cursor, ringing[0][0])
        if self._held:
            cursor = min(cursor, keys.due_of(min(self._held)))
        return cursor

    # inside

    def noticed(self, key: bytes) -> None:
        """A step has set this row, which was made earlier."""
        self._look_from(key)

    def _come_from(self, origin: bytes, due_ms: int, group: Group) -> bytes | None:
        """The row key of a timer that comes once, and has come from another store: one of those of its time."""
        begin = keys.timed(keys.TIMER, due_ms, 0)
        further: bytes | None = begin
        while further is not None:
            rows, further = self._page(group, further, keys.after(begin[:_TIME_BYTES]), _PAGE_ROWS)
            for key, data in rows:
                timer = Timer.decode(data)
                if timer.origin == origin and not timer.schedule:
                    return key
        return None

    def _look_from(self, key: bytes) -> None:
        if key < self._from:
            self._from = key
            self.on_earlier(keys.due_of(key))

    def _row(self, key: bytes, group: Group) -> bytes | None:
        return group.rows[key] if key in group.rows else self._store.get(key)

    def _first(self, group: Group, begin: bytes) -> bytes:
        """The first row from `begin` on: all between is passed for good, rows that are gone among it."""
        further: bytes | None = begin
        limit = 1
        while further is not None:
            rows, further = self._page(group, further, _NEVER, limit)
            if rows:
                return rows[0][0]
            limit = _PAGE_ROWS
        return _NEVER

    def _page(self, group: Group, begin: bytes, end: bytes, limit: int) -> tuple[list[_Row], bytes | None]:
        """Some rows in [begin, end), staged or stored, and where to go on: None behind the last."""
        if begin >= end:
            return [], None
        found = self._store.scan(begin, end, limit)
        further = None
        if len(found) == limit:
            further = end = found[-1][0] + b"\x00"
        merged: dict[bytes, bytes | None] = dict(found)
        merged.update((key, data) for key, data in group.rows.items() if begin <= key < end)
        return [(key, data) for key, data in sorted(merged.items()) if data is not None], further


def _nothing(due_ms: int) -> None:
    """Nobody rings the timers yet."""
