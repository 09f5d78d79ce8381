"""An application over one store, in one process: what `ssms.open(path)` gives, and the testing kit."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from automata import looking
from automata.application import Application, Explanation, Node, object_ref
from automata.context import RunningMethod
from automata.engine import Engine, start, stop
from automata.errors import InvalidArgument, StateError, UnknownType
from automata.letter_box import Letter
from automata.options import Options
from automata.router import OPEN, Router
from automata.turn import Turn
from darq.errors import StoreClosed
from darq.limits import Limits
from darq.store import Store

if TYPE_CHECKING:
    from automata.sandbox.upload import Upload

T = TypeVar("T")

NODE = "local"
"""The id of the one node of an embedded app."""


class App(Application):
    """An application over one store, as an async or a plain context manager.

    Its objects are invoked through refs (`automata.ref`, or `app.ref` when several apps are open), from any thread
    or event loop. Opening raises StoreLocked, StorePathError, NewerFormat, StoreDamaged or DeclarationError.
    """

    def __init__(self, open_store: Callable[[], Store], limits: Limits, options: Options) -> None:
        super().__init__()
        self._open_store = open_store
        self._limits = limits
        self._options = options
        self._engine: Engine | None = None

    # invoking

    @property
    def router(self) -> Router:
        """Where invocations through this app's refs go."""
        return self._opened().router

    def runs(self, method: RunningMethod) -> bool:
        """Whether a method that runs now runs in this app."""
        return self._engine is not None and isinstance(method, Turn) and method.host is self._engine.host

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

    # uploads

    async def upload(
        self,
        path: str | os.PathLike[str],
        *,
        name: str | None = None,
        uploader: str = "",
        limits: Mapping[str, int | float] | None = None,
    ) -> Upload:
        """Take in a WebAssembly module, whose types run in a sandbox (LambdaObjects §4.2; docs/SANDBOX.md).

        name: of the upload, if not the file's; the same name again is its next version, and objects keep their state.
        uploader: whose quotas it counts towards. limits: lower bounds of what it may use, by the names in
        `automata.sandbox.limits.SandboxLimits`. Raises ModuleRefused.
        """
        file = Path(path)
        data = await asyncio.to_thread(file.read_bytes)
        chosen = file.stem if name is None else name
        return await self._here(
            lambda engine: engine.uploads.uploads().upload(data, chosen, uploader or "anybody", limits or {})
        )

    async def uploads(self) -> AsyncIterator[Upload]:
        """What was uploaded, by name, with what it and its uploader have used."""
        async for upload in self._iterate(looking.uploads):
            yield upload

    async def roll_back_upload(self, name: str, version: int | None = None) -> Upload:
        """Run an earlier version of an upload again; the one before, if none is named. Objects keep their state."""
        return await self._here(lambda engine: engine.uploads.uploads().roll_back(name, version))

    async def remove_upload(self, name: str) -> None:
        """Forget an upload with all its versions. Its objects keep their state; calling them raises UnknownType."""
        await self._here(lambda engine: engine.uploads.uploads().remove(name))

    # looking

    async def objects(self, cls: type | str, *, prefix: str = "", after: str = "") -> AsyncIterator[str]:
        """Keys of the objects of a type that exist, in order, from behind `after`, beginning with `prefix`."""
        async for key in self._iterate(lambda e: looking.keys_of(e, looking.type_name(cls), prefix, after)):
            yield key

    async def exists(self, ref: object) -> bool:
        """Whether the object has been written to (and not been deleted since)."""
        return await self._here(lambda engine: looking.exists(engine, object_ref(ref)))

    async def delete(self, ref: object) -> None:
        """Delete an object with everything it holds, as one step."""
        await self._here(lambda engine: looking.delete(engine, object_ref(ref)))

    async def inspect(self, ref: object) -> dict[str, Any]:
        """The object's fields as plain Python: values, lists, dicts and sets."""
        return await self._here(lambda engine: looking.inspect(engine, object_ref(ref)))

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
        """Move an object to a node. An embedded app has no other: anything else raises InvalidArgument.

        Raises UnknownType.
        """
        self._check_type(ref)
        if node_id != NODE:
            raise InvalidArgument(f"an embedded app has the one node {NODE!r}: objects move on a cluster")

    async def explain(self, ref: object) -> Explanation:
        """Where an object lives, and why. Raises UnknownType."""
        self._check_type(ref)
        return Explanation(NODE, f"{object_ref(ref)!r} lives in this process: an embedded app has one node")

    async def stats(self) -> dict[str, int]:
        """Counters of the engine; their names say their units."""
        return await self._here(looking.stats)

    # inside

    def _check_type(self, ref: object) -> None:
        self._options.registry.get(object_ref(ref).type_name)

    async def _open(self, loop: asyncio.AbstractEventLoop) -> None:
        self._start(loop)

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

    def _is_open(self) -> bool:
        return self._engine is not None

    def _loop(self) -> asyncio.AbstractEventLoop:
        return self._opened().host.loop

    def _opened(self) -> Engine:
        if self._engine is None:
            raise StoreClosed("the app is not open: use it inside `async with ssms.open(path) as app:`")
        return self._engine

    async def _here(self, look: Callable[[Engine], Coroutine[Any, Any, T]]) -> T:
        """Run on the engine's own loop, wherever the caller is."""
        engine = self._opened()
        return await self._on_loop(lambda: look(engine))

    async def _iterate(self, look: Callable[[Engine], AsyncIterator[T]]) -> AsyncIterator[T]:
        engine = self._opened()
        async for item in self._iterate_on_loop(lambda: look(engine)):
            yield item
