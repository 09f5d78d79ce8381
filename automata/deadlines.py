"""The `asyncio.timeout` blocks that one method is in: which of them cut an await off, so that the same do when it is
run again over its journal.

asyncio measures them on the clock of its loop, which knows nothing of earlier lives. So each has a number, in the order
in which the code enters them; the journal has the numbers of those that had expired when an await was cut off, and at
what time of day each part has ended. A timeout that is armed while a method is run again moves with that clock, and so
has as much time left as it would have without the crash.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from automata.work import Outcome

if TYPE_CHECKING:
    from automata.journal import Cancellation


class MethodTask(asyncio.Task[Outcome]):
    """The task of a method. entered: is told of each `asyncio.timeout` that the method enters."""

    entered: Callable[[asyncio.Timeout], None] | None = None

    def cancelling(self) -> int:
        """How often its cancellation was asked for.

        A timeout asks that of its task when it is entered, and leaves no other trace that could be found.
        """
        frame = inspect.currentframe() if self.entered is not None else None
        if self.entered is not None and frame is not None and frame.f_back is not None:
            asking = frame.f_back.f_locals.get("self")
            if isinstance(asking, asyncio.Timeout):
                self.entered(asking)
        return super().cancelling()


class Deadlines:
    """The timeouts of one method. clock: the time of day that they stand at, in seconds since the epoch."""

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: float) -> None:
        self._loop = loop
        self._clock = clock
        self._entered = 0
        self._numbers: WeakKeyDictionary[asyncio.Timeout, int] = WeakKeyDictionary()
        self._noted: WeakKeyDictionary[asyncio.Timeout, None] = WeakKeyDictionary()
        self._paused: list[tuple[asyncio.Timeout, float]] = []

    def add(self, timeout: asyncio.Timeout) -> None:
        """The method enters one."""
        if timeout not in self._numbers:
            self._numbers[timeout] = self._entered
            self._entered += 1

    def take_expired(self) -> list[int]:
        """The numbers of those that have expired since this was asked before."""
        expired = [timeout for timeout in self._numbers if timeout.expired() and timeout not in self._noted]
        for timeout in expired:
            self._noted[timeout] = None
        return sorted(self._numbers[timeout] for timeout in expired)

    def can_expire(self, numbers: Sequence[int]) -> bool:
        """Whether the method is in all of these, and none of them has expired."""
        active = {number for timeout, number in self._numbers.items() if _move(timeout, timeout.when())}
        return active.issuperset(numbers)

    def cancel_again(self, cancellation: Cancellation, task: asyncio.Task[Outcome]) -> asyncio.Future[None]:
        """Let the timeouts expire, and the task be cancelled, that have cut an await off; no others meanwhile.

        Returns what to await in place of what was awaited then.
        """
        awaited: asyncio.Future[None] = self._loop.create_future()

        def cancel_rest() -> None:
            for _ in range(cancellation.requests - task.cancelling()):
                task.cancel()
            awaited.cancel()  # if nothing has yet: the request was made before

        for timeout, number in list(self._numbers.items()):
            when = timeout.when()
            if number in cancellation.expired:
                _move(timeout, self._loop.time())
            elif when is not None and _move(timeout, None):
                self._paused.append((timeout, when))
        self._loop.call_soon(cancel_rest)  # behind those timeouts, and behind what the code has called soon itself
        return awaited

    def go_on(self) -> None:
        """The await was cut off again: the other timeouts are armed as they were."""
        for timeout, when in self._paused:
            _move(timeout, when)
        self._paused.clear()

    def advance(self, clock: float) -> None:
        """It is later now, as the timeouts are to see it."""
        seconds, self._clock = clock - self._clock, max(clock, self._clock)
        if seconds <= 0:
            return
        for timeout in list(self._numbers):
            when = timeout.when()
            if when is not None:
                _move(timeout, when - seconds)


def _move(timeout: asyncio.Timeout, when: float | None) -> bool:
    """Arm it for another time; whether it could be: the method is in it, and it has not expired."""
    with suppress(RuntimeError):
        timeout.reschedule(when)
        return True
    return False
