"""An event loop on a thread of its own, for apps opened by synchronous code."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import Any, TypeVar

from darq.errors import StoreClosed

T = TypeVar("T")

_CANCEL_SECONDS_MAX = 1.0  # what ignores its cancellation for longer is left behind
_CLOSED = "the app was closed before this came to its end: open it again"


class LoopThread:
    """Runs coroutines for other threads, and at its end leaves none of them waiting."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._lock = threading.Lock()
        self._pending: set[Future[Any]] = set()
        self._ending = self._stopped = False
        self._thread = threading.Thread(target=self._serve, name="ssms", daemon=True)
        self._thread.start()

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Start a coroutine on the loop. Raises StoreClosed if the loop ends."""
        with self._lock:
            if self._ending:
                coroutine.close()
                raise StoreClosed(_CLOSED)
            future = asyncio.run_coroutine_threadsafe(self._answer(coroutine), self.loop)
            self._pending.add(future)
        future.add_done_callback(self._forget)
        return future

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Wait for a coroutine. Raises StoreClosed if the loop ends before it does."""
        return self.submit(coroutine).result()

    def stop(self) -> None:
        """Cancel what is left, tell those who wait for it, and end the thread."""
        with self._lock:
            self._ending = True
        self.loop.call_soon_threadsafe(self._stop)
        self._thread.join()

    async def _answer(self, coroutine: Coroutine[Any, Any, T]) -> T:
        try:
            return await coroutine
        except asyncio.CancelledError:
            if self._ending:
                raise StoreClosed(_CLOSED) from None
            raise

    def _stop(self) -> None:
        self._stopped = True
        self.loop.stop()

    def _serve(self) -> None:
        while not self._stopped:
            with suppress(SystemExit, KeyboardInterrupt):  # who waits for the task that raised it gets it
                self.loop.run_forever()
        try:
            self.loop.run_until_complete(self._clean_up())
        finally:
            self.loop.close()

    async def _clean_up(self) -> None:
        for _ in range(2):  # what was submitted last becomes a task, and begins, so that it can answer
            await asyncio.sleep(0)
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_CANCEL_SECONDS_MAX)
        await asyncio.sleep(0)  # what ended just now tells so itself
        with self._lock:
            pending = list(self._pending)
        for future in pending:
            with suppress(InvalidStateError):
                future.set_exception(StoreClosed(_CLOSED))
        await self.loop.shutdown_asyncgens()
        await self.loop.shutdown_default_executor()

    def _forget(self, future: Future[Any]) -> None:
        with self._lock:
            self._pending.discard(future)
