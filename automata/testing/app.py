"""An app in memory, for tests: its clock is the loop's, its chance comes from a seed, and its process can die."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self, TypeVar

from automata import engine as engines
from automata import looking
from automata.app import App
from automata.engine import Engine
from automata.errors import InvalidArgument, StateError
from automata.options import Options
from automata.router import OPEN, Router
from automata.testing.death import die
from automata.testing.disk import Disk, Fate, Life
from automata.testing.door import Door
from automata.testing.faults import Faults
from automata.testing.late_messages import LateMessages
from automata.testing.loop import VirtualLoop, check_no_loop, run_virtually
from darq.errors import StoreClosed
from darq.limits import Limits

T = TypeVar("T")

BEGINNING = datetime(2030, 1, 1, tzinfo=UTC)
"""The time at which virtual time begins, unless a test says another."""

RESTART_SECONDS = 1e-3
"""How long clients find no engine after a crash, besides what happens meanwhile."""

INSTANT_SECONDS = 1e-3
"""So long a sleep, in virtual time, lets everything happen that can happen now."""


@dataclass(frozen=True)
class Settings:
    """How a simulated app runs. seed: of all its chance; start: when its time begins; limits: of its store.

    options: of its host, but for clock and randomness; faults: which ones happen.
    """

    seed: int = 0
    start: datetime = BEGINNING
    limits: Limits = field(default_factory=lambda: Limits(inline_flush_seconds_max=math.inf))
    options: Options = field(default_factory=Options)
    faults: Faults = field(default_factory=Faults)


class VirtualApp(App):
    """An `App` over a simulated disk. As `async with` it lives on the running loop; as `with`, in virtual time.

    Used with `with`, time passes only while something is run.
    """

    def __init__(self, settings: Settings, fate: Fate | None = None) -> None:
        if settings.start.tzinfo is None:
            raise InvalidArgument(
                "the start of virtual time is a datetime with a zone, as datetime(2030, 1, 1, tzinfo=UTC)"
            )
        self._settings = settings
        self._random = random.Random(settings.seed)
        self._fate = fate if fate is not None else settings.faults
        self.disk = Disk(random.Random(settings.seed), int(settings.limits.request_seconds_kept * 1000))
        super().__init__(self._life, settings.limits, settings.options)
        self._current: Life | None = None
        self._over = self._failed = False
        self._door: Door | None = None
        self._reviving: asyncio.Task[None] | None = None
        self._runner: asyncio.Runner | None = None

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        await super().__aexit__(kind, error, trace)
        if kind is None:
            self.disk.audit.check()

    def __enter__(self) -> Self:
        check_no_loop("`with` a simulated app")
        self._runner = asyncio.Runner(loop_factory=VirtualLoop)
        try:
            self._runner.run(self.__aenter__())
        except BaseException:
            self._runner.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        runner, self._runner = self._runner, None
        if runner is not None:
            with runner:
                runner.run(self.__aexit__(kind, error, trace))

    def advance(self, seconds: float) -> None:
        """Let virtual time pass, from synchronous code, with all that happens in it."""
        self.run(asyncio.sleep(seconds))

    async def crash(self) -> None:
        """The process dies now and what was not flushed is lost; a new one is there when this returns.

        Calls that are under way go on with it, each under its request id.
        """
        if self._reviving is None:
            self._died()
        while self._reviving is not None:
            await asyncio.wait([self._reviving])

    @property
    def router(self) -> Router:
        """Where invocations through this app's refs go, whichever life the engine is in."""
        if self._door is None:
            self._opened()
        assert self._door is not None
        return self._door

    async def retry(self, letter_id: str) -> None:
        """Deliver a dead letter again, or resume an interrupted method. StateError if there is none of this id."""
        await self._change(looking.retry, letter_id)

    async def restart(self, letter_id: str) -> None:
        """Run an interrupted method anew from its beginning. What its parts have done stays, and is done again."""
        await self._change(looking.restart, letter_id)

    async def discard(self, letter_id: str) -> None:
        """Drop a dead letter or an interrupted method. StateError if there is none of this id."""
        await self._change(looking.discard, letter_id)

    # inside

    async def _change(self, change: Callable[[Engine, str], Coroutine[Any, Any, None]], letter_id: str) -> None:
        tries = 0

        async def attempt(engine: Engine) -> None:
            nonlocal tries
            tries += 1
            try:
                await change(engine, letter_id)
            except StateError:
                if tries == 1:
                    raise  # else an earlier life has done it, and died before it could say so

        await self._here(attempt)

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        begun = 0.0 if isinstance(loop, VirtualLoop) else loop.time()
        epoch = self._settings.start.timestamp() - begun
        self._options = replace(
            self._options, clock=lambda: epoch + loop.time(), random=self._random, sandbox_threads=False
        )
        if self._door is None:
            self._door = Door(loop, self.disk, self._settings.faults, lambda work: self._submit(work).result())
        super()._start(loop)
        engine = self._opened()
        engine.router.inherit()
        LateMessages(engine, self._settings.faults, loop)
        self._door.opened(engine)

    async def _stop(self) -> None:
        if self._engine is None:
            return
        assert self._door is not None
        while self._reviving is not None:
            await asyncio.wait([self._reviving])
        await self._door.drain()
        self._fate.stop()
        self._settings.faults.stop()
        if self._failed:  # the last life is over, and there was no other
            OPEN.remove(self.router)
            self._engine = None
        else:
            await super()._stop()
        self._door.closed(StoreClosed("the app is closed"))
        self._door = None

    def _submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        if self._runner is None:
            return super()._submit(coroutine)
        future: Future[T] = Future()
        try:
            future.set_result(self._runner.run(coroutine))
        except Exception as error:  # noqa: BLE001 - whoever waits for the future gets it
            future.set_exception(error)
        return future

    async def _here(self, look: Callable[[Engine], Coroutine[Any, Any, T]]) -> T:
        self._opened()
        assert self._door is not None
        found: T = await self._door.outlive(look)
        return found

    async def _iterate(self, look: Callable[[Engine], AsyncIterator[T]]) -> AsyncIterator[T]:
        async def everything(engine: Engine) -> list[T]:
            return [item async for item in look(engine)]

        for item in await self._here(everything):
            yield item

    def _life(self) -> Life:
        faults, loop = self._settings.faults, asyncio.get_running_loop()
        life = Life(
            self.disk,
            self._fate,
            lambda: self._died() if self._current is life else None,
            lambda: faults.disk_full(loop.time()),
        )
        self._current = life
        return life

    def _died(self) -> None:
        """This life of the engine is over, perhaps in the middle of a step: the next one begins on a later turn."""
        engine = self._opened()
        assert self._door is not None
        self._over = True
        self._door.died()
        if self._reviving is None:
            self._reviving = engine.host.loop.create_task(self._revive(engine.host.loop))

    async def _revive(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin another life, and let clients in once what the last one has left in the inbox was handed over."""
        assert self._door is not None
        try:
            while self._over:
                await die(self._opened())
                await asyncio.sleep(RESTART_SECONDS)
                self.disk.crash()
                self._over = False
                self._engine = engines.start(self._life(), loop, self._limits, self._options)
                self._engine.router.inherit()
                LateMessages(self._engine, self._settings.faults, loop)
            self._door.opened(self._opened())
        except Exception as error:  # noqa: BLE001 - a store that cannot be opened again is what all callers hear
            self._failed = True
            self._door.closed(error)
        finally:
            self._reviving = None


def app(
    *,
    seed: int = 0,
    start: datetime = BEGINNING,
    limits: Limits | None = None,
    options: Options | None = None,
    faults: Faults | None = None,
) -> VirtualApp:
    """An app over a simulated disk, for `async with` in any loop or `with` in virtual time of its own.

    seed: of its chance, and of what a crash keeps; start: the time with which virtual time begins; limits: of its
    store; options: of its host, whose clock and randomness are replaced; faults: which happen. Closing it raises
    AssertionError if anything acknowledged was lost or done twice.
    """
    given = Settings(seed=seed, start=start)
    return VirtualApp(
        replace(
            given,
            limits=limits if limits is not None else given.limits,
            options=options if options is not None else given.options,
            faults=faults if faults is not None else given.faults,
        )
    )


def run(
    scenario: Callable[[VirtualApp], Coroutine[Any, Any, T]],
    *,
    seed: int = 0,
    start: datetime = BEGINNING,
    limits: Limits | None = None,
    options: Options | None = None,
    faults: Faults | None = None,
) -> T:
    """Run `scenario(app)` on an app of its own, in virtual time. The options are those of `app`."""

    async def opened() -> T:
        async with app(seed=seed, start=start, limits=limits, options=options, faults=faults) as its_app:
            return await scenario(its_app)

    return run_virtually(opened())
