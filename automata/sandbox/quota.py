"""What one uploader's modules may use together, over time and at once."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable

from automata.errors import LimitExceeded, Overloaded
from automata.sandbox.limits import SandboxLimits

WAITING_MAX = 10_000
"""Runs that may wait for those before them."""

_BURST_SECONDS = 5.0
"""So much of its rate an uploader may have saved up, and may be overdrawn by one run."""


class Quota:
    """Of one uploader. limits: his newest; clock: seconds, of the host."""

    def __init__(self, name: str, limits: SandboxLimits, clock: Callable[[], float]) -> None:
        self.limits = limits
        self._name = name
        self._clock = clock
        self._running = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._fuel = _Saved(clock(), limits.fuel_per_second)
        self._messages = _Saved(clock(), limits.messages_per_second)

    def admit(self) -> None:
        """Raise Overloaded while his runs have used more fuel than they may."""
        rate = self.limits.fuel_per_second
        if rate and self._fuel.at(self._clock(), rate) <= 0:
            raise Overloaded(
                f"the modules of {self._name} have used {rate} units of fuel a second (limit: fuel_per_second): call "
                "again a little later"
            )

    def enter(self, loop: asyncio.AbstractEventLoop) -> asyncio.Future[None] | None:
        """A run wants to take place beside the event loop: what it has to wait for, if too many do already.

        Raises Overloaded if too many wait. Whoever has entered leaves.
        """
        if self._running < self.limits.runs_at_once:
            self._running += 1
            return None
        if len(self._waiting) >= WAITING_MAX:
            raise Overloaded(f"{WAITING_MAX} methods of modules of {self._name} wait to run: call again a little later")
        waiting = loop.create_future()
        self._waiting.append(waiting)
        return waiting

    def leave(self, waiting: asyncio.Future[None] | None) -> None:
        """A run has ended, or waits no more: its place is that of who waits longest."""
        if waiting is not None and (waiting.cancelled() or not waiting.done()):
            with contextlib.suppress(ValueError):
                self._waiting.remove(waiting)
            return
        while self._waiting:
            following = self._waiting.popleft()
            if not following.done():
                following.set_result(None)
                return
        self._running -= 1

    def charge(self, fuel: int) -> None:
        """A run has used fuel."""
        if self.limits.fuel_per_second:
            self._fuel.amount -= fuel

    def send(self, count: int) -> None:
        """A part of a method sends so many messages. Raises LimitExceeded while his have sent more than they may.

        So those that send more of their own, and these still more, come to an end before they starve everybody else.
        """
        rate = self.limits.messages_per_second
        if not rate or not count:
            return
        if self._messages.at(self._clock(), rate) <= 0:
            raise LimitExceeded(
                "messages_per_second", f"the modules of {self._name} have sent more than {rate} messages a second"
            )
        self._messages.amount -= count


class _Saved:
    """What is left of a rate: what has come in since it was last looked at, and not more than some seconds' worth."""

    def __init__(self, now: float, rate: int) -> None:
        self.amount = rate * _BURST_SECONDS
        self._counted = now

    def at(self, now: float, rate: int) -> float:
        """What is left now."""
        self.amount = min(rate * _BURST_SECONDS, self.amount + rate * max(0.0, now - self._counted))
        self._counted = now
        return self.amount
