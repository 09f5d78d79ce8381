"""Apps over a store in memory: how a test opens one, crashes it, and waits until something has come about."""

from __future__ import annotations

import asyncio
import functools
import inspect
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, cast

import pytest

from automata import router
from automata.app import App
from automata.options import Options
from automata.testing.death import die
from darq.limits import Limits
from darq.memory import MemoryStore
from ssms.cluster_app import ClusterApp
from tests.cluster.in_memory import cluster

PATIENCE_SECONDS = 5.0
"""After this long a wait is a failed test. No passing test comes near it."""


def memory_app(store: MemoryStore | None = None, limits: Limits | None = None, options: Options | None = None) -> App:
    """An app over a store in memory, which is opened again if an earlier app has closed it."""
    disk = store if store is not None else MemoryStore()
    return App(disk.reopen, limits or Limits(), options or Options())


Test = Callable[..., Coroutine[Any, Any, None]]


def in_app(test: Test) -> Callable[..., None]:
    """Let a test function that takes an open app (and pytest's arguments after it) run twice: `test[embedded]` in an
    app of its own, and `test[cluster]` as a client of a cluster of two stores in this process.
    """
    return pytest.mark.parametrize("opened", _APPS.values(), ids=_APPS)(_run(test, "opened"))


def in_embedded_app(test: Test) -> Callable[..., None]:
    """As `in_app`, but embedded alone: for tests that look into the engine (its log, host, clock or disk), or that are
    about what only an embedded app does. A cluster's engines are in its servers.
    """
    return _run(test)


def in_cluster_app(test: Test) -> Callable[..., None]:
    """As `in_app`, but on a cluster alone: for what its clients see otherwise."""
    return _run(test, opened=cluster_app)


@asynccontextmanager
async def cluster_app() -> AsyncIterator[ClusterApp]:
    """A client of a cluster in this process: all that it asks is encoded, and travels in batches."""
    async with cluster(stores=2) as running, running.connect() as app:
        yield app


_APPS: dict[str, Callable[[], AbstractAsyncContextManager[Any]]] = {"embedded": memory_app, "cluster": cluster_app}


def _run(
    test: Test, *added: str, opened: Callable[[], AbstractAsyncContextManager[Any]] = memory_app
) -> Callable[..., None]:
    """A function for pytest that opens an app for a test; the arguments `added` are of its own."""
    default = opened

    @functools.wraps(test)
    def run(*args: object, **kwargs: object) -> None:
        own = {name: kwargs.pop(name) for name in added}
        begin = cast("Callable[[], AbstractAsyncContextManager[Any]]", own.get("opened", default))

        async def scenario() -> None:
            async with begin() as app:
                await test(app, *args, **kwargs)

        asyncio.run(scenario())

    parameters = list(inspect.signature(test).parameters.values())[1:]
    more = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in added]
    run.__signature__ = inspect.Signature([*parameters, *more])  # type: ignore[attr-defined]
    del run.__wrapped__  # type: ignore[attr-defined]
    return run


def in_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Let an async test function run in an event loop of its own."""

    @functools.wraps(test)
    def run(*args: object, **kwargs: object) -> None:
        asyncio.run(test(*args, **kwargs))

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
