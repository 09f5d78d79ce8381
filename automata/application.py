"""What all apps have in common: how they are opened and closed, and how code of other threads and loops uses them.

An app lives on one event loop: of the code that opened it with `async with`, or of a thread of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar, cast, overload

from automata import refs
from automata.errors import InvalidArgument, StateError
from automata.loop_thread import LoopThread
from automata.reference import ObjectRef

T = TypeVar("T")


@dataclass(frozen=True)
class Node:
    """One machine of an app. An embedded app has one, which is its head."""

    id: str
    alive: bool
    is_head: bool


@dataclass(frozen=True)
class Explanation:
    """Why an object is where it is. node: the id of the node that it lives on; reason: a sentence."""

    node: str
    reason: str


class Application:
    """An app, as an async or a plain context manager."""

    def __init__(self) -> None:
        self._thread: LoopThread | None = None

    async def __aenter__(self) -> Self:
        await self._open(asyncio.get_running_loop())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        await self._stop()

    def __enter__(self) -> Self:
        self._thread = LoopThread()
        try:
            self._thread.run(self.__aenter__())
        except BaseException:
            self._end_thread()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        if self._thread is not None:
            try:
                self._thread.run(self._stop())
            finally:
                self._end_thread()

    @overload
    def ref(self, target: type[T], key: str, /) -> T: ...
    @overload
    def ref(self, target: str, key: str, /) -> ObjectRef: ...
    def ref(self, target: object, key: str, /) -> object:
        """As `automata.ref`, bound to this app."""
        return refs.bound_ref(self, target, key)

    @overload
    def run(self, work: AsyncIterator[T], /) -> Iterator[T]: ...
    @overload
    def run(self, work: Awaitable[T], /) -> T: ...
    def run(self, work: Awaitable[T] | AsyncIterator[T], /) -> T | Iterator[T]:
        """Wait for an awaitable of this app, or iterate an async iterator of it, from synchronous code in any thread.

        Raises StateError on the app's own event loop, where `await` belongs, and StoreClosed if the app is closed
        meanwhile, in a plain `with`.
        """
        if not self._is_open() and asyncio.iscoroutine(work):
            work.close()  # it was tried: no warning that it never ran is due
        _refuse_on(self._loop())
        if isinstance(work, AsyncIterator):
            return self._each(work)
        return self._submit(_await(work)).result()

    # of each kind of app

    async def _open(self, loop: asyncio.AbstractEventLoop) -> None:
        """Open it on this loop."""
        raise NotImplementedError

    async def _stop(self) -> None:
        """Close it, if it is open."""
        raise NotImplementedError

    def _is_open(self) -> bool:
        raise NotImplementedError

    def _loop(self) -> asyncio.AbstractEventLoop:
        """The loop that it lives on. Raises StoreClosed if it is not open."""
        raise NotImplementedError

    # for them

    def _end_thread(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.stop()

    def _submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Start a coroutine on the app's loop, from another thread."""
        if self._thread is not None:
            return self._thread.submit(coroutine)
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop())

    def _each(self, items: AsyncIterator[T]) -> Iterator[T]:
        while True:
            item = self._submit(_next(items)).result()
            if item is _END:
                return
            yield cast("T", item)

    async def _on_loop(self, look: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run on the app's own loop, wherever the caller is."""
        if asyncio.get_running_loop() is self._loop():
            return await look()
        return await asyncio.wrap_future(self._submit(look()))

    async def _iterate_on_loop(self, look: Callable[[], AsyncIterator[T]]) -> AsyncIterator[T]:
        """Iterate on the app's own loop, wherever the caller is."""
        if asyncio.get_running_loop() is self._loop():
            async for item in look():
                yield item
            return
        items = look()
        while True:
            found = await asyncio.wrap_future(self._submit(_next(items)))
            if found is _END:
                return
            yield cast("T", found)


_END = object()


async def _next(items: AsyncIterator[T]) -> T | object:
    return await anext(items, _END)


async def _await(work: Awaitable[T]) -> T:
    return await work


def _refuse_on(loop: asyncio.AbstractEventLoop) -> None:
    try:
        running = asyncio.get_running_loop()
    except RuntimeError:
        return
    if running is loop:
        raise StateError("app.run() would block its own event loop: await instead")


def object_ref(ref: object) -> ObjectRef:
    """`ref` if it is one, else InvalidArgument."""
    if isinstance(ref, ObjectRef):
        return ref
    raise InvalidArgument(f"expected a ref, as in ref(User, 'alice'), not {ref!r}")
