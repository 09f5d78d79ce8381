"""Renews the leases of a copy that leads from a thread of its own: user code that keeps the event loop busy costs none.

    every PERIOD:  what Server.beat says is due -> each backup -> Server.beaten
                   alive                        -> the coordinator

An event loop that does not turn at all for long is stuck in a method for good: then the process leaves, and its next
life parks what has done that (`automata.quarantine`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Protocol

PERIOD_SECONDS = 0.0625
"""A quarter of the time between two heartbeats."""
ALIVE_SECONDS = 0.5
STUCK_SECONDS_MAX = 60.0
STEP_SECONDS_MAX = 0.5
UNANSWERED_SECONDS_MAX = 1.0
"""After so long without an answer, a backup is sent a heartbeat again."""


class Beating(Protocol):
    """The copy whose leases are renewed; all of it may be called from any thread."""

    @property
    def placed(self) -> bool:
        """Whether the coordinator has told it what to be."""

    @property
    def backups(self) -> Sequence[str]:
        """The copies whose leases it needs; none, if it does not lead."""

    def beat(self, copy: str) -> bytes | None:
        """What to send to a backup; None if nothing is due."""

    def beaten(self, copy: str, sent_at: float, reply: bytes) -> None:
        """What the backup has answered."""


@dataclass(frozen=True)
class Ways:
    """How the thread reaches others, and what it knows of its own process.

    ship: sends a message to a backup; its future has the reply, or an error. alive: tells the coordinator, without
    waiting. clock: that of the copy. turn: has a function called in a turn of the event loop, soon. stuck: ends the
    process.
    """

    ship: Callable[[str, bytes], Future[bytes]]
    alive: Callable[[], None]
    clock: Callable[[], float]
    turn: Callable[[Callable[[], None]], object]
    stuck: Callable[[], None]


class Renewal:
    """The thread's work. `start` runs it until `stop`."""

    def __init__(self, server: Beating, ways: Ways) -> None:
        self._server = server
        self._ways = ways
        self._under_way: dict[str, float] = {}
        self._told_at = float("-inf")
        self._looked_at = ways.clock()
        self._stuck_seconds = 0.0  # since the loop has turned
        self._asked_to_turn = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ssms-renewal", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for that."""
        self._stopping.set()
        self._thread.join()

    def look(self) -> None:
        """Do what is due now."""
        now = self._ways.clock()
        # where the whole process stood still, that is not the loop's doing
        self._stuck_seconds += min(now - self._looked_at, STEP_SECONDS_MAX)
        self._looked_at = now
        if self._stuck_seconds > STUCK_SECONDS_MAX:
            self._ways.stuck()
            return
        if not self._asked_to_turn:
            self._asked_to_turn = True
            self._ways.turn(self._turned)
        for copy in self._server.backups:
            if now - self._under_way.get(copy, float("-inf")) > UNANSWERED_SECONDS_MAX:
                self._beat(copy)
        if now - self._told_at >= ALIVE_SECONDS and self._server.placed:
            self._told_at = now
            self._ways.alive()

    def _run(self) -> None:
        while not self._stopping.wait(PERIOD_SECONDS):
            self.look()

    def _beat(self, copy: str) -> None:
        data = self._server.beat(copy)
        if data is None:
            return
        sent_at = self._under_way[copy] = self._ways.clock()
        self._ways.ship(copy, data).add_done_callback(partial(self._answered, copy, sent_at))

    def _answered(self, copy: str, sent_at: float, answer: Future[bytes]) -> None:
        if self._under_way.get(copy) == sent_at:
            del self._under_way[copy]
        if not answer.cancelled() and answer.exception() is None:
            self._server.beaten(copy, sent_at, answer.result())

    def _turned(self) -> None:
        self._stuck_seconds = 0.0
        self._asked_to_turn = False
