"""Work that may have killed the process: after an unclean start it is tried under a mark, and parked in the end.

A message whose method crashes the interpreter or never returns would otherwise kill host after host. What an earlier
life has left is delivered in batches, each behind a durable mark that says which messages are being tried. If the
process dies under a mark, the next life tries that batch's messages one by one, each alone, and one that was alone at
three deaths is parked: innocent ones share a batch with it, or with kills from outside. A message that was parked
keeps its row, and so its number, until a step consumes it: it is tried the same way.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from darq import keys
from darq.log import Log
from darq.step import Message, Step
from darq.timers import Ringing

TRIES_MAX = 3
BATCH_LSNS = 256

_mark = struct.Struct(">QQQ")  # the first and the last LSN under the mark, and how often they were tried


class Quarantine:
    """Decides how the messages that were stored before this life began are delivered.

    blocked: nothing may be delivered now, because a mark is not durable yet or a suspect has not come back.
    """

    def __init__(self, log: Log) -> None:
        self.blocked = False
        self._log = log
        self._before = log.next_lsn if log.was_killed else 0
        self._opened_ms = int(log.clock() * 1000)
        data = log.store.get(keys.SUSPECT)
        self._first, self._last, self._tries = _mark.unpack(data) if data is not None else (0, 0, 0)
        self._marked_from, self._marked_to = 0, -1
        self._expected: set[int] = set()
        self._alone = False
        self._running: set[int] = set()
        self._has_mark = data is not None

    def covers(self, message: Message) -> bool:
        """Whether a message was left by an earlier life that was killed, which may have been its doing.

        A timer that was not due yet cannot have done anything.
        """
        if message.lsn >= self._before:
            return False
        return not (isinstance(message, Ringing) and message.due_ms > self._opened_ms)

    def holds(self, message: Message) -> bool:
        """Whether a covered message has to wait for a mark that is not there yet."""
        return not self._marked_from <= message.lsn <= self._marked_to

    def expect(self, lsn: int) -> None:
        """A message that is parked will be tried later: if it is a suspect, what is known of it is kept until then."""
        if lsn < self._before and self._first <= lsn <= self._last:
            self._expected.add(lsn)

    def guilty(self, message: Message) -> bool:
        """Whether the process has died too often while this message alone was tried."""
        return bool(self._first == self._last == message.lsn and self._tries >= TRIES_MAX)

    def mark(self, message: Message, marked: Callable[[], object]) -> None:
        """Make the mark for `message`, and those behind it if it is no suspect; `marked` is called once it is durable.

        While messages under the last mark still run, nothing happens but that deliveries stop until they have ended.
        """
        self.blocked = True
        if self._running:
            return
        lsn = message.lsn
        self._expected.discard(lsn)
        suspect = self._first <= lsn <= self._last
        end = lsn if suspect else lsn + BATCH_LSNS - 1
        if lsn < self._first <= end:
            end = self._first - 1
        tries = self._tries + 1 if suspect else 0  # only what was alone can be told to be guilty
        self._set(_mark.pack(lsn, end, tries), lambda: self._marked((lsn, end), suspect, marked))

    def begin(self, message: Message) -> None:
        """A message under the mark is about to be run."""
        self._expected.discard(message.lsn)
        self._running.add(message.lsn)
        self.blocked = self._alone

    def survived(self, message: Message) -> None:
        """A message under the mark did not kill the process."""
        self._running.discard(message.lsn)
        if not self._running:
            self.blocked = False

    def finish(self) -> None:
        """The inbox is empty: no mark is needed until a message comes back that an earlier life has parked."""
        if self._running or self._expected:
            return
        if self._has_mark:
            self._set(None, _nothing)
            self._has_mark = False
            self._marked_from, self._marked_to = 0, -1

    def _marked(self, lsns: tuple[int, int], alone: bool, marked: Callable[[], object]) -> None:
        self.blocked = False
        self._marked_from, self._marked_to = lsns
        self._alone = alone
        marked()

    def _set(self, value: bytes | None, durable: Callable[[], object]) -> None:
        step = Step(b"", b"")
        step.set_row(keys.SUSPECT, value)
        self._has_mark = True

        def settled(error: BaseException | None) -> None:
            if error is None:
                durable()

        self._log.gate.release(self._log.commit(step), settled)


def _nothing() -> None:
    """Nobody waits for the mark to be gone."""
