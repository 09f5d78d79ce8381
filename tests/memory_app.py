"""Apps over a store in memory: how a test opens one, crashes it, and waits until something has come about."""

from __future__ import annotations

import asyncio
import functools
import inspect
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from automata import router
from automata.app import App
from automata.options import Options
from automata.testing.death import die
from automata.testing.loop import VirtualLoop
from darq.limits import Limits
from darq.memory import MemoryStore

PATIENCE_SECONDS = 5.0
"""After this long a wait is a failed test. No passing test comes near it."""


def memory_app(store: MemoryStore | None = None, limits: Limits | None = None, options: Options | None = None) -> App:
    """An app over a store in memory, which is opened again if an earlier app has closed it."""
    disk = store if store is not None else MemoryStore()
    return App(disk.reopen, limits or Limits(), options or Options())


def in_app(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Let a test function that takes an open app (and pytest's arguments after it) run in one of its own."""

    @functools.wraps(test)
    def run(*args: object, **kwargs: object) -> None:
        async def scenario() -> None:
            async with memory_app() as app:
                await test(app, *args, **kwargs)

        asyncio.run(scenario())

    parameters = list(inspect.signature(test).parameters.values())
    run.__signature__ = inspect.Signature(parameters[1:])  # type: ignore[attr-defined]
    del run.__wrapped__  # type: ignore[attr-defined]
    return run


def in_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Let an async test function run in an event loop of its own."""

    @functools.wraps(test)
    def run(*args: object, **kwargs: object) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


def in_virtual_time(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """As `in_loop`, where the clock jumps to the next timer as soon as nothing else is left to do."""

    @functools.wraps(test)
    def run(*args: object, **kwargs: object) -> None:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(test(*args, **kwargs))

    return run


@asynccontextmanager
async def crashing(
    store: MemoryStore, limits: Limits | None = None, options: Options | None = None
) -> AsyncIterator[App]:
    """An app that dies at the end of the block: nothing more is written, and what was not flushed is lost."""
    app = await memory_app(store, limits, options).__aenter__()
    try:
        yield app
    finally:
        await crash(app, store)


async def crash(app: App, store: MemoryStore) -> None:
    """The process of `app` dies now."""
    engine = app._engine
    assert engine is not None
    router.OPEN.remove(app.router)
    app._engine = None
    await die(engine)
    store.crash()


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until `condition` holds."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await condition():  # noqa: ASYNC110 - nothing tells outsiders when; they can only ask
            await asyncio.sleep(0.001)


async def settled(read: Callable[[], Awaitable[object]], expected: object) -> None:
    """Wait until what `read` gives is `expected`; the failure shows what it was last."""
    seen: object = None
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (seen := await read()) != expected:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.001)
    except TimeoutError:
        raise AssertionError(f"{seen!r} never became {expected!r}") from None


async def listed(items: AsyncIterator[Any]) -> list[Any]:
    """All that an async iterator gives."""
    return [item async for item in items]


def slow_disk() -> Limits:
    """Limits under which each group flushes on a thread, as on a disk that is slow."""
    return Limits(inline_flush_seconds_max=-1.0)


def seeded_store(seed: int) -> MemoryStore:
    """A store whose crashes keep a random part of what was written and not flushed."""
    return MemoryStore(random.Random(seed))
