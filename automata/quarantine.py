"""Work that may have killed the process: after an unclean start it is tried one by one, and parked after three deaths.

A message whose method crashes the interpreter or never returns would otherwise kill host after host. Before one that
an earlier life has left is delivered, a durable mark says which it is and how often it was tried (ENGINE, decision 15).
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from darq import keys
from darq.log import Log
from darq.step import Message, Step

TRIES_MAX = 3

_mark = struct.Struct(">QQ")


class Quarantine:
    """Decides how the messages that were stored before this life began are delivered."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._before = log.next_lsn if log.was_killed else 0
        data = log.store.get(keys.SUSPECT)
        self._suspect, self._tries = _mark.unpack(data) if data is not None else (0, 0)
        self.trying = False

    def holds(self, message: Message) -> bool:
        """Whether a message has to be tried under a mark."""
        return message.lsn < self._before

    def guilty(self, message: Message) -> bool:
        """Whether the process has died with this message too often."""
        return bool(message.lsn == self._suspect and self._tries >= TRIES_MAX)

    def try_under_mark(self, message: Message, deliver: Callable[[], object]) -> None:
        """Call `deliver` once the mark is durable. `done` ends the try."""
        self.trying = True
        self._tries = self._tries + 1 if message.lsn == self._suspect else 1
        self._suspect = message.lsn
        step = Step(b"", b"")
        step.set_row(keys.SUSPECT, _mark.pack(self._suspect, self._tries))

        def marked(error: BaseException | None) -> None:
            if error is None:
                deliver()

        self._log.gate.release(self._log.commit(step), marked)

    def done(self, message: Message) -> None:
        """The message that is tried did not kill the process. A second time, or for another one, nothing happens."""
        if not self.trying or message.lsn != self._suspect:
            return
        self.trying = False
        step = Step(b"", b"")
        step.set_row(keys.SUSPECT, None)
        self._log.commit(step)
        self._suspect = self._tries = 0
