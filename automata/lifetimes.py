"""Types with a time to live: an object that no step has changed for so long is deleted, as a step.

    LIFETIME row    due-ms partition: look at this object then
    directory row   coarse time of the last change (automata.directory)

There is one LIFETIME row an object, set when it is made. When that is due and the object was changed meanwhile, the
row moves on, so that changes themselves cost nothing but a new directory row now and then.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from automata.directory import GRAINS, Header, decode_header
from automata.partitions import address_of
from automata.when import CLOCK_CHECK_SECONDS
from automata.work import Outcome
from darq import keys
from darq.step import Step

if TYPE_CHECKING:
    from automata.host import Host
    from automata.types import AutomatonType

_PAGE_ROWS = 256
_PAUSE_MS_MIN = 1000  # before an object is looked at again that is in use, or cannot be deleted now
_UNDEFINED_PAUSE_MS = 3_600_000  # before one is looked at again whose type nothing here defines
_NEVER_MS = (1 << 64) - 1


class Lifetimes:
    """Deletes the objects of one host whose time is over."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._log = host.log
        data = self._log.store.get(keys.LIFETIME_CURSOR)
        self._cursor_ms = keys.number_of(data) if data is not None else 0
        self._next_ms = _NEVER_MS
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = False

    def start(self) -> None:
        """Look at what is due now, and at the rest when its time comes."""
        self._plan()

    def stop(self) -> None:
        """Delete nothing more; what is due is looked at in the next life."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()

    def arm(self, step: Step, partition: bytes, due_ms: int) -> None:
        """Let `step` note when an object that it makes is to be looked at."""
        step.set_row(keys.numbered(keys.LIFETIME, due_ms) + partition, b"")
        if due_ms < self._cursor_ms:  # the clock was set back
            self._cursor_ms = due_ms
            step.set_row(keys.LIFETIME_CURSOR, keys.number(due_ms))
        if due_ms < self._next_ms:
            self._wake_at(due_ms)

    # inside

    def _now_ms(self) -> int:
        return int(self._host.clock() * 1000)

    def _wake_at(self, due_ms: int) -> None:
        self._next_ms = due_ms
        if self._timer is not None:
            self._timer.cancel()
        seconds = min(CLOCK_CHECK_SECONDS, max(0.0, (due_ms - self._now_ms()) / 1000))
        self._timer = self._host.loop.call_later(seconds, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._stopped or self._log.gate.failure is not None:
            return
        now_ms = self._now_ms()
        due, _ = self._rows(now_ms + 1)
        if due:
            self._settle(due, now_ms)
        self._plan()

    def _plan(self) -> None:
        """Wake up when the next object is due."""
        rows, further = self._rows(_NEVER_MS)
        self._next_ms = _NEVER_MS
        if rows or further:
            self._wake_at(_due_ms(rows[0]) if rows else self._now_ms())

    def _rows(self, end_ms: int) -> tuple[list[bytes], bool]:
        """Rows due before `end_ms`, staged or stored, in order; and whether there may be more."""
        begin, end = keys.numbered(keys.LIFETIME, self._cursor_ms), keys.numbered(keys.LIFETIME, end_ms)
        stored = self._log.store.scan(begin, end, _PAGE_ROWS)
        further = len(stored) == _PAGE_ROWS
        if further:
            end = stored[-1][0] + b"\x00"
        rows: dict[bytes, bytes | None] = dict(stored)
        rows.update((key, data) for key, data in self._log.group.rows.items() if begin <= key < end)
        return sorted(key for key, data in rows.items() if data is not None), further

    def _settle(self, due: list[bytes], now_ms: int) -> None:
        """Delete the objects of these rows, or move the rows on. The rows go after the objects, never before."""
        step = Step(b"", b"")
        unfinished = {journal.row.partition for journal in self._host.open_invocations.all()}
        for key in due:
            partition = key[9:]
            again_ms = self._look_at(step, partition, now_ms, partition in unfinished)
            step.set_row(key, None)
            if again_ms is not None:
                step.set_row(keys.numbered(keys.LIFETIME, again_ms) + partition, b"")
        self._cursor_ms = _due_ms(due[-1])
        step.set_row(keys.LIFETIME_CURSOR, keys.number(self._cursor_ms))
        self._log.commit(step)
        self._host.committer.touch()

    def _look_at(self, step: Step, partition: bytes, now_ms: int, unfinished: bool) -> int | None:
        """Delete one object if its time is over. Returns when to look at it again, None if that is not needed."""
        directory = keys.partition_key(keys.DIRECTORY, partition)
        data = self._log.row(directory)
        if data is None:
            return None
        name, key = address_of(partition)
        made = self._host.options.registry.find(name)
        if made is None:
            return now_ms + _UNDEFINED_PAUSE_MS
        header, life_ms = decode_header(data), made.options.life_ms
        if life_ms is None:
            step.set_row(directory, Header(header.version).encode())  # should it have a time again, that begins anew
            return None
        over_ms = header.over_ms(life_ms)
        if over_ms > now_ms:
            return over_ms
        later_ms = now_ms + max(_PAUSE_MS_MIN, life_ms // GRAINS)
        return later_ms if unfinished or not self._delete(made, key) else None

    def _delete(self, made: AutomatonType, key: str) -> bool:
        """Whether it was deleted: not while somebody uses it, or the disk is full."""
        try:
            entity = self._host.entities.get(made, key)
        except Exception:  # noqa: BLE001 - it cannot be migrated, which whoever calls it is told
            return False
        if not entity.idle:
            return False
        reply = self._host.erase(entity)
        return isinstance(reply, Outcome) and reply.error is None


def _due_ms(row: bytes) -> int:
    return int.from_bytes(row[1:9], "big")
