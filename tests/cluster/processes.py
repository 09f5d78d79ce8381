"""Processes on one event loop, in virtual time: each can be paused, and killed between any two of its steps.

What a process does is known by its context: all that its code schedules inherits it. A process that is stopped is
run no further: its callbacks are held, until it wakes if it was paused, for ever if it was killed.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import random
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar

from automata.testing.loop import VirtualLoop
from darq.errors import StoreClosed

T = TypeVar("T")

PROCESS: contextvars.ContextVar[Process | None] = contextvars.ContextVar("PROCESS", default=None)
"""Whose code runs; None: the test's own, which is also all clients'."""


class Dead(StoreClosed):
    """A process that is no more has used its disk."""


class Process:
    """One life of a process. over: done when it has ended."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.stopped = self.dead = False
        self.held: list[asyncio.Handle] = []
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.context = contextvars.copy_context()
        self.context.run(PROCESS.set, self)

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run a coroutine in this process."""
        return asyncio.get_running_loop().create_task(work, context=self.context)

    def pause(self) -> None:
        """Let it stand still: SIGSTOP."""
        self.stopped = True

    def wake(self) -> None:
        """Let it go on where it stood: time has passed meanwhile."""
        if not self.dead:
            self.stopped = False
            self._release()

    def kill(self) -> None:
        """End it: SIGKILL."""
        self.stopped = self.dead = True
        if not self.over.done():
            self.over.set_result(None)

    def bury(self) -> None:
        """At the end of a test: let what it held run out, as nothing that it does has any effect."""
        self.stopped = False
        self._release()

    def _release(self) -> None:
        held, self.held = self.held, []
        ready = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]
        ready.extend(handle for handle in held if not handle.cancelled())


class ProcessLoop(VirtualLoop):
    """A loop in virtual time whose callbacks belong to processes.

    disk_seconds_max: what is done on a thread, as flushing a slow disk is, takes up to so long.
    """

    def __init__(self, seed: int = 0) -> None:
        self.random = random.Random(seed)
        self.disk_seconds_max = 0.0
        super().__init__()

    def _call_soon(self, callback: Any, args: Any, context: contextvars.Context | None) -> Any:
        guarded = _guard(callback, context)
        handle = super()._call_soon(guarded, args, context)  # type: ignore[misc]
        if guarded is not callback:
            guarded.handle = handle
        return handle

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        guarded = _guard(callback, context)
        handle = super().call_at(when, guarded, *args, context=context)
        if guarded is not callback:
            guarded.handle = handle
        return handle

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """What a buried process raises as it runs out is nobody's concern."""
        if not isinstance(context.get("exception"), Dead):
            super().call_exception_handler(context)

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Run `func` on this thread, and a little later if disks are slow."""
        if not self.disk_seconds_max:
            return super().run_in_executor(executor, func, *args)
        future: asyncio.Future[T] = self.create_future()
        self.call_later(self.random.random() * self.disk_seconds_max, _settle, future, functools.partial(func, *args))
        return future


class _Guarded:
    """A callback of a process."""

    __slots__ = ("callback", "handle", "process")
    handle: asyncio.Handle

    def __init__(self, process: Process, callback: Callable[..., object]) -> None:
        self.process = process
        self.callback = callback

    def __call__(self, *args: object) -> None:
        if self.process.stopped:
            self.process.held.append(self.handle)
        else:
            self.callback(*args)


def _guard(callback: Any, context: contextvars.Context | None) -> Any:
    process = PROCESS.get() if context is None else context.get(PROCESS)
    return callback if process is None else _Guarded(process, callback)


def _settle(future: asyncio.Future[T], func: Callable[[], T]) -> None:
    if future.done():
        return
    try:
        future.set_result(func())
    except Exception as error:  # noqa: BLE001 - whatever it raises is its outcome
        future.set_exception(error)


def virtually(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Let an async test function run in a loop of processes, in virtual time."""

    @functools.wraps(test)
    def run(*args: object, **kwargs: object) -> None:
        run_processes(test(*args, **kwargs))

    return run


def run_processes(scenario: Coroutine[Any, Any, T], seed: int = 0) -> T:
    """As `asyncio.run`, in a loop of processes."""
    with asyncio.Runner(loop_factory=lambda: ProcessLoop(seed)) as runner:
        return runner.run(scenario)
