"""Ringing the timers of one store when they are due: their messages go through the inbox as all others do.

Only the earliest due time is armed on the loop; those that are due are handed over page by page.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from automata import full_disk
from automata.errors import StorageFull
from automata.when import CLOCK_CHECK_SECONDS, next_due_ms
from darq import keys
from darq.codec import Timer
from darq.step import Step

if TYPE_CHECKING:
    from automata.host import Host

PAGE_TIMERS = 256
_PAGE_PAUSE_SECONDS = 0.02  # between pages while there are other messages, which are delivered in turn
_CLIENT = b""  # the partition of steps that belong to no object


class Alarms:
    """Rings the timers of one host. more: further ones may be due than the window of the inbox has been given."""

    def __init__(self, host: Host) -> None:
        self.more = False
        self._host = host
        self._log = host.log
        self._armed: asyncio.TimerHandle | None = None
        self._armed_ms = 0
        self._stopped = False

    def start(self) -> None:
        """Ring what was due while the store was closed, and arm the first of the rest."""
        self._log.timers.on_earlier = self._earlier
        self.ring()

    def stop(self) -> None:
        """Ring no more; what is stored goes on in the next life."""
        self._stopped = True
        self._disarm()

    def ring(self) -> bool:
        """Hand a page of what is due to the inbox, and arm what comes next. Returns whether there was any."""
        self._disarm()
        log = self._log
        if self._stopped or log.gate.failure is not None:
            return False
        room = log.limits.inbox_window_messages_max - len(log.inbox.ready)
        if room <= 0 or self._disk_is_full():
            self._arm(full_disk.PAUSE_SECONDS)
            return False
        now = self._host.clock()
        look = log.timers.look(log.group, int(now * 1000), min(room, PAGE_TIMERS))
        self.more = look.more
        for key, timer in look.due:
            log.timers.ring(key, self._repeat(key, timer, int(now * 1000)) if timer.schedule else timer)
        if look.more:
            self._arm(_PAGE_PAUSE_SECONDS)
        elif log.timers.next_ms is not None:  # what repeats may be due before all others
            self._arm_at(log.timers.next_ms)
        return bool(look.due)

    def _repeat(self, key: bytes, timer: Timer, now_ms: int) -> Timer:
        """One step makes the occurrence that is due a timer by itself, and sets the next one."""
        step = Step(_CLIENT, b"")
        next_ms = next_due_ms(timer.rule, keys.due_of(key), now_ms)
        once = self._log.timers.repeat(step, (key, timer), next_ms, self._log.take_lsn())
        self._log.commit(step)
        self._host.committer.touch()
        return once

    def _disk_is_full(self) -> bool:
        try:
            self._host.admit()
        except StorageFull:
            return True
        return False

    def _earlier(self, due_ms: int) -> None:
        if self._armed is None or due_ms < self._armed_ms:
            self._arm_at(due_ms)

    def _arm_at(self, due_ms: int) -> None:
        self._arm(min(max(0.0, due_ms / 1000 - self._host.clock()), CLOCK_CHECK_SECONDS))
        self._armed_ms = due_ms

    def _arm(self, seconds: float) -> None:
        self._disarm()
        if not self._stopped:
            self._armed = self._host.loop.call_later(seconds, self.ring)
            self._armed_ms = 0

    def _disarm(self) -> None:
        if self._armed is not None:
            self._armed.cancel()
            self._armed = None
