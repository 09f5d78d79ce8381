"""An application over one store, in one process: what `ssms.open(path)` gives, and the testing kit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar, cast, overload

from automata import looking, refs
from automata.context import RunningMethod
from automata.engine import Engine, start, stop
from automata.errors import InvalidArgument, StateError, UnknownType
from automata.letter_box import Letter
from automata.loop_thread import LoopThread
from automata.options import Options
from automata.reference import ObjectRef
from automata.router import OPEN, Router
from automata.turn import Turn
from darq.errors import StoreClosed
from darq.limits import Limits
from darq.store import Store

T = TypeVar("T")

NODE = "local"
"""The id of the one node of an embedded app."""


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


class App:
    """An application over one store, as an async or a plain context manager.

    Its objects are invoked through refs (`automata.ref`, or `app.ref` when several apps are open), from any thread
    or event loop. Opening raises StoreLocked, StorePathError, NewerFormat, StoreDamaged or DeclarationError.
    """

    def __init__(self, open_store: Callable[[], Store], limits: Limits, options: Options) -> None:
        self._open_store = open_store
        self._limits = limits
        self._options = options
        self._engine: Engine | None = None
        self._thread: LoopThread | None = None

    async def __aenter__(self) -> Self:
        self._start(asyncio.get_running_loop())
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

    # invoking

    @property
    def router(self) -> Router:
        """Where invocations through this app's refs go."""
        return self._opened().router

    def runs(self, method: RunningMethod) -> bool:
        """Whether a method that runs now runs in this app."""
        return self._engine is not None and isinstance(method, Turn) and method.host is self._engine.host

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
        if self._engine is None and asyncio.iscoroutine(work):
            work.close()  # it was tried: no warning that it never ran is due
        _refuse_on(self._opened().host.loop)
        if isinstance(work, AsyncIterator):
            return self._each(work)
        return self._submit(_await(work)).result()

    # types

    async def deploy(self, *classes: type) -> None:
        """Make types known to the app. Embedded, decorating has done so already; this checks them."""
        for cls in classes:
            made = getattr(cls, "__automaton__", None)
            if made is None:
                raise UnknownType(f"{cls!r} is no object type: decorate it with @object_type")
            made.resolve()
            if self._options.registry.find(made.name) is not made:
                self._options.registry.add(made)

    # looking

    async def objects(self, cls: type | str, *, prefix: str = "", after: str = "") -> AsyncIterator[str]:
        """Keys of the objects of a type that exist, in order, from behind `after`, beginning with `prefix`."""
        async for key in self._iterate(lambda e: looking.keys_of(e, looking.type_name(cls), prefix, after)):
            yield key

    async def exists(self, ref: object) -> bool:
        """Whether the object has been written to (and not been deleted since)."""
        return await self._here(lambda engine: looking.exists(engine, _object(ref)))

    async def delete(self, ref: object) -> None:
        """Delete an object with everything it holds, as one step."""
        await self._here(lambda engine: looking.delete(engine, _object(ref)))

    async def inspect(self, ref: object) -> dict[str, Any]:
        """The object's fields as plain Python: values, lists, dicts and sets."""
        return await self._here(lambda engine: looking.inspect(engine, _object(ref)))

    async def dead_letters(self) -> AsyncIterator[Letter]:
        """Messages that have raised too often, oldest first."""
        async for letter in self._iterate(looking.dead_letters):
            yield letter

    async def interrupted(self) -> AsyncIterator[Letter]:
        """Methods that stopped between two parts and cannot go on by themselves: their error says why."""
        async for letter in self._iterate(looking.interrupted):
            yield letter

    async def retry(self, letter_id: str) -> None:
        """Deliver a dead letter again, or resume an interrupted method. StateError if there is none of this id."""
        await self._here(lambda engine: looking.retry(engine, letter_id))

    async def restart(self, letter_id: str) -> None:
        """Run an interrupted method anew from its beginning. What its parts have done stays, and is done again."""
        await self._here(lambda engine: looking.restart(engine, letter_id))

    async def discard(self, letter_id: str) -> None:
        """Drop a dead letter or an interrupted method. StateError if there is none of this id."""
        await self._here(lambda engine: looking.discard(engine, letter_id))

    async def nodes(self) -> AsyncIterator[Node]:
        """The machines of the app: here, one."""
        self._opened()
        yield Node(NODE, alive=True, is_head=True)

    async def move(self, ref: object, node_id: str) -> None:
        """Move an object to a node. An embedded app has no other: anything else raises InvalidArgument."""
        _object(ref)
        if node_id != NODE:
            raise InvalidArgument(f"an embedded app has the one node {NODE!r}: objects move on a cluster")

    async def explain(self, ref: object) -> Explanation:
        """Where an object lives, and why."""
        return Explanation(NODE, f"{_object(ref)!r} lives in this process: an embedded app has one node")

    async def stats(self) -> dict[str, int]:
        """Counters of the engine; their names say their units."""
        return await self._here(looking.stats)

    # inside

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._engine is not None:
            raise StateError("this app is open already: call ssms.open() again for another one")
        self._engine = start(self._open_store(), loop, self._limits, self._options)
        OPEN.add(self.router)

    async def _stop(self) -> None:
        if self._engine is not None:
            OPEN.remove(self.router)
            engine, self._engine = self._engine, None
            await stop(engine)

    def _opened(self) -> Engine:
        if self._engine is None:
            raise StoreClosed("the app is not open: use it inside `async with ssms.open(path) as app:`")
        return self._engine

    def _end_thread(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.stop()

    def _submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Start a coroutine on the engine's loop, from another thread."""
        if self._thread is not None:
            return self._thread.submit(coroutine)
        return asyncio.run_coroutine_threadsafe(coroutine, self._opened().host.loop)

    def _each(self, items: AsyncIterator[T]) -> Iterator[T]:
        while True:
            item = self._submit(_next(items)).result()
            if item is _END:
                return
            yield cast("T", item)

    async def _here(self, look: Callable[[Engine], Coroutine[Any, Any, T]]) -> T:
        """Run on the engine's own loop, wherever the caller is."""
        engine = self._opened()
        if asyncio.get_running_loop() is engine.host.loop:
            return await look(engine)
        return await asyncio.wrap_future(self._submit(look(engine)))

    async def _iterate(self, look: Callable[[Engine], AsyncIterator[T]]) -> AsyncIterator[T]:
        engine = self._opened()
        if asyncio.get_running_loop() is engine.host.loop:
            async for item in look(engine):
                yield item
            return
        items = look(engine)
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


def _object(ref: object) -> ObjectRef:
    if isinstance(ref, ObjectRef):
        return ref
    raise InvalidArgument(f"expected a ref, as in ref(User, 'alice'), not {ref!r}")
