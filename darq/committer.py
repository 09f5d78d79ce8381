"""Group commit on an event loop: run what can run, then write and flush once for all of it, then release.

A group closes when nothing is left to run, or at its bounds. The next group runs while this one flushes on a thread;
a disk that flushes faster than a hop to a thread and back is flushed in place instead.
"""

import asyncio
import time
from collections.abc import Callable, Sized
from concurrent.futures import ThreadPoolExecutor

from darq.log import Log

_WEIGHT_OF_LAST = 0.2  # of the last flush in the moving average


class Committer:
    """Seals, flushes and settles the groups of one log.

    run: does pending work for at most the given time in seconds, and says whether some is left. It is not called
    while a full group waits for the one before it to be flushed, so that a slow disk slows the work down.
    """

    def __init__(self, log: Log, loop: asyncio.AbstractEventLoop, run: Callable[[float], bool]) -> None:
        self._log = log
        self._loop = loop
        self._run = run
        self._scheduled = False
        self._in_flight: asyncio.Future[float] | None = None
        self._flush_seconds = 0.0
        self._room: asyncio.Future[None] | None = None  # somebody waits until the copies lag no more
        self._thread: ThreadPoolExecutor | None = None
        # What asyncio runs next. It is no public name; a loop without it only loses the short cut for lone callers.
        self._ready: Sized | None = getattr(loop, "_ready", None)
        if log.copies is not None:
            log.copies.bind(self._settle, log.fail, self._made_room)

    def touch(self) -> None:
        """A step was staged or a message became ready: run and close the group once the loop has had its turn."""
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._tick)

    def close_if_idle(self) -> None:
        """If nothing else is ready to run on the loop, close the group now rather than after two turns of the loop."""
        if self._scheduled and self._in_flight is None and self._ready is not None and len(self._ready) <= 1:
            self._work()

    def close_full_group(self) -> None:
        """The group is at its bound: close it now, unless one is in flight (its end closes this one)."""
        if not self._held() and self._log.gate.failure is None:
            self._close_group()

    async def settle(self) -> None:
        """Wait until everything staged so far is durable or the log has failed."""
        log = self._log
        target = log.group.number if log.group.dirty else log.group.number - 1
        while log.gate.failure is None and log.gate.durable < target:
            if self._in_flight is not None:
                await asyncio.wait([self._in_flight])
            elif log.group.number > target:
                await self._released(target)
            elif self._held():
                self._room = self._loop.create_future()
                await self._released(target, self._room)
            else:
                self._close_group()

    def stop(self) -> None:
        """Let go of the flush thread, after the flush that it is in. `Log.close` releases what that made durable."""
        if self._thread is not None:
            self._thread.shutdown(wait=True)
            self._thread = None

    async def _released(self, group: int, waiting: asyncio.Future[None] | None = None) -> None:
        """Wait for the copies: until `group` is released, the log has failed, or `waiting` is done by others."""
        future = waiting or self._loop.create_future()
        self._log.gate.release(group, lambda _: None if future.done() else future.set_result(None))
        await future

    def _made_room(self) -> None:
        """The copies do not lag any more: go on with the open group."""
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        self.touch()

    def _held(self) -> bool:
        """Whether the open group stays open: one is being flushed, or the copies lag too far behind."""
        return self._in_flight is not None or (self._log.copies is not None and self._log.copies.full)

    def _tick(self) -> None:
        self._scheduled = False
        self._work()

    def _work(self) -> None:
        log = self._log
        if log.gate.failure is not None or (log.full and self._held()):
            return
        more = True
        try:
            more = self._run(log.limits.group_work_seconds_max)
        finally:  # an interrupt of the process goes up, but what was staged before it does not wait for ever
            if log.group.dirty and not self._held():
                self._close_group()
            if more:
                self.touch()

    def _close_group(self) -> None:
        log = self._log
        try:
            group = log.seal()
            if self._flush_seconds > log.limits.inline_flush_seconds_max:
                self._flush_on_thread(group)
            else:
                self._flushed(group, self._flush())
        except Exception as error:  # noqa: BLE001 - goes to the loop's handler
            log.fail(error)

    def _flush(self) -> float:
        """Flush, and say how many seconds the disk took (without the way to a thread and back)."""
        begun = time.perf_counter()
        self._log.flush()
        return time.perf_counter() - begun

    def _flush_on_thread(self, group: int) -> None:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="darq-flush")
        self._in_flight = flight = self._loop.run_in_executor(self._thread, self._flush)

        def landed(done: asyncio.Future[float]) -> None:
            self._in_flight = None
            error = done.exception()
            if error is not None:
                self._log.fail(error)
                return
            self._flushed(group, done.result())
            if self._log.group.dirty:
                self.touch()

        flight.add_done_callback(landed)

    def _flushed(self, group: int, seconds: float) -> None:
        self._flush_seconds += _WEIGHT_OF_LAST * (seconds - self._flush_seconds)
        if self._log.copies is None:
            self._settle(group)
        else:
            self._log.copies.flushed(group)

    def _settle(self, group: int) -> None:
        try:
            self._log.settle(group)
        except Exception as error:  # noqa: BLE001 - goes to the loop's handler
            if self._log.gate.failure is None:  # an action raised: its owner's fault, while the group is durable
                context = {"message": "an action that waited for a durable group raised", "exception": error}
                self._loop.call_exception_handler(context)
