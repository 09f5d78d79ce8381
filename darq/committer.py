"""Group commit on an event loop: run what can run, then write and flush once for all of it, then release.

A group closes when nothing is left to run, or at its bounds. The next group runs while this one flushes on a thread;
a disk that flushes faster than a hop to a thread and back is flushed in place instead.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from darq.log import Log

_WEIGHT_OF_LAST = 0.2  # of the last flush in the moving average


class Committer:
    """Seals, flushes and settles the groups of one log.

    run: does pending work for at most the given time in seconds, and says whether some is left.
    """

    def __init__(self, log: Log, loop: asyncio.AbstractEventLoop, run: Callable[[float], bool]) -> None:
        self._log = log
        self._loop = loop
        self._run = run
        self._scheduled = False
        self._in_flight: asyncio.Future[None] | None = None
        self._flush_seconds = 0.0
        self._thread: ThreadPoolExecutor | None = None

    def touch(self) -> None:
        """A step was staged or a message became ready: run and close the group once the loop has had its turn."""
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._tick)

    def close_full_group(self) -> None:
        """The group is at its bound: close it now, unless one is in flight (its end closes this one)."""
        if self._in_flight is None:
            self._close_group()

    async def settle(self) -> None:
        """Wait until everything staged so far is durable or the log has failed."""
        while self._log.gate.failure is None and (self._log.group.dirty or self._in_flight is not None):
            if self._in_flight is not None:
                await asyncio.wait([self._in_flight])
            else:
                self._close_group()

    def stop(self) -> None:
        """Let go of the flush thread."""
        if self._thread is not None:
            self._thread.shutdown(wait=True)

    def _tick(self) -> None:
        self._scheduled = False
        if self._log.gate.failure is not None:
            return
        more = self._run(self._log.limits.group_work_seconds_max)
        if self._in_flight is None and self._log.group.dirty:
            self._close_group()
        if more:
            self.touch()

    def _close_group(self) -> None:
        log = self._log
        try:
            group = log.seal()
        except Exception as error:
            log.fail(error)
            return
        if self._flush_seconds > log.limits.inline_flush_seconds_max:
            self._flush_on_thread(group)
            return
        begun = time.perf_counter()
        try:
            log.flush()
        except Exception as error:
            log.fail(error)
            return
        self._flushed(group, time.perf_counter() - begun)

    def _flush_on_thread(self, group: int) -> None:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="darq-flush")
        begun = time.perf_counter()
        self._in_flight = flight = self._loop.run_in_executor(self._thread, self._log.flush)

        def landed(done: asyncio.Future[None]) -> None:
            self._in_flight = None
            error = done.exception()
            if error is not None:
                self._log.fail(error)
            else:
                self._flushed(group, time.perf_counter() - begun)
                if self._log.group.dirty:
                    self.touch()

        flight.add_done_callback(landed)

    def _flushed(self, group: int, seconds: float) -> None:
        self._flush_seconds += _WEIGHT_OF_LAST * (seconds - self._flush_seconds)
        try:
            self._log.settle(group)
        except Exception as error:
            self._log.fail(error)
