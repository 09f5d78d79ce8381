"""Virtual time: an event loop whose clock jumps to the next timer as soon as nothing else is left to do.

Three days of timers pass in milliseconds, and every run of the same code takes the same way: what would go to a thread
runs in place.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Awaitable, Callable, Coroutine, Generator
from concurrent.futures import Executor
from typing import Any, TypeVar

from automata.errors import AutomataError, StateError

T = TypeVar("T")

_OWN_FILES = 1  # the loop's own pipe, by which other threads and signals wake it
_TASKS_SHOWN_MAX = 5


class Stalled(AutomataError):
    """The test's fault, or that of the code under test: somebody waits, and nothing is left that could happen.

    The message says who waits where. In virtual time there are no other threads, and no network, to wait for.
    """


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time, which begins at 0.0 seconds. Raises Stalled rather than wait for ever."""

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_Jumping(self._nothing_ready))
        # asyncio runs timers that are due within this: a real clock's nanosecond is lost in floats of years
        self._clock_resolution = 1e-7

    def time(self) -> float:
        """Seconds of virtual time since the loop was made."""
        return self._now

    def run_until_complete(self, future: Generator[Any, Any, T] | Awaitable[T]) -> T:
        """As in any loop. What waits when the loop stalls is cancelled, and Stalled is raised."""
        waiting: asyncio.Future[T] = asyncio.ensure_future(future, loop=self)  # type: ignore[arg-type]
        try:
            return super().run_until_complete(waiting)
        except Stalled:
            waiting.cancel()
            super().run_until_complete(asyncio.wait([waiting]))
            raise

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Run `func` here and now: threads would make each run another one."""
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - whatever it raises is its outcome
            future.set_exception(error)
        return future

    def _nothing_ready(self, seconds: float | None) -> None:
        """Nothing can run before `seconds` have passed; None: nothing ever will."""
        if seconds is None:
            raise Stalled(f"nothing is left to happen, and these wait for it: {_who_waits(self)}")
        self._now += seconds


class _Jumping(selectors.DefaultSelector):
    """A selector that passes over waiting times, unless it waits for files of others than the loop."""

    def __init__(self, nothing_ready: Callable[[float | None], None]) -> None:
        super().__init__()
        self._nothing_ready = nothing_ready

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None and len(self.get_map()) > _OWN_FILES:
            return super().select(None)
        self._nothing_ready(timeout)
        return []


def run_virtually(scenario: Coroutine[Any, Any, T]) -> T:
    """As `asyncio.run`, in virtual time. Raises StateError inside of a running loop."""
    check_no_loop("a loop in virtual time", scenario)
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(scenario)


def check_no_loop(what: str, scenario: Coroutine[Any, Any, object] | None = None) -> None:
    """Raise StateError, and close the scenario, if this thread runs an event loop already."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    if scenario is not None:
        scenario.close()
    raise StateError(f"{what} cannot begin inside a running event loop: call it from a plain function")


def _who_waits(loop: VirtualLoop) -> str:
    tasks = sorted(asyncio.all_tasks(loop), key=lambda task: task.get_name())
    shown = [_where(task) for task in tasks[:_TASKS_SHOWN_MAX]]
    more = len(tasks) - len(shown)
    return "; ".join([*shown, *([f"and {more} more"] if more else [])]) or "nobody"


def _where(task: asyncio.Task[Any]) -> str:
    stack = task.get_stack()
    coroutine = getattr(task.get_coro(), "__qualname__", repr(task.get_coro()))
    if not stack:
        return coroutine
    frame = stack[-1]
    return f"{coroutine} at {frame.f_code.co_filename}:{frame.f_lineno}"
