"""Outside work that runs now: `effect(...)` of the methods of one host.

It is begun once for each answer that a journal keeps. So an app that closes waits for what has begun, and keeps what
came of it, though the method itself may be cut off: the next life would have to do it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from automata.context import logger
from automata.waiting import answer_with, outcome_of
from automata.work import Outcome


class Beside(Protocol):
    """Who runs outside work in tasks."""

    loop: asyncio.AbstractEventLoop

    @property
    def closing(self) -> bool:
        """Whether the app closes: what runs is cut off."""

    @property
    def ending(self) -> bool:
        """Whether the app is about to close: nothing is begun any more."""

    async def durable(self, group: int) -> None:
        """Wait until a group is durable."""


class Effects:
    """The effects of one host. start: makes a task of a coroutine."""

    def __init__(self, host: Beside, start: Callable[[Coroutine[Any, Any, Outcome]], asyncio.Future[Outcome]]) -> None:
        self._host = host
        self._start = start
        self._begun: dict[asyncio.Future[Outcome], str] = {}
        self._waiting = 0

    @property
    def quiet(self) -> bool:
        """Whether none runs, nor is about to."""
        return not self._begun and (self._host.ending or not self._waiting)

    def has_begun(self, task: asyncio.Future[Outcome]) -> bool:
        """Whether this task is an effect that has begun."""
        return task in self._begun

    def run(self, name: str, group: int, work: Callable[[], Coroutine[Any, Any, Outcome]]) -> asyncio.Future[Outcome]:
        """Do `work` once `group` is durable. Whoever cancels the future cancels the work, unless the app closes."""
        reply: asyncio.Future[Outcome] = self._host.loop.create_future()
        task = self._start(self._run(name, group, work))

        def given_up(done: asyncio.Future[Outcome]) -> None:
            if done.cancelled() and not self._host.closing:
                task.cancel()

        def ended(done: asyncio.Future[Outcome]) -> None:
            self._begun.pop(done, None)
            answer_with(reply, outcome_of(done))

        reply.add_done_callback(given_up)
        task.add_done_callback(ended)
        return reply

    async def stop(self, seconds: float) -> None:
        """The app closes: wait for what has begun. What does not end within `seconds` is begun again later."""
        if self._begun:
            await asyncio.wait(list(self._begun), timeout=seconds)
        for task, name in self._begun.items():
            logger.warning("effect %s still runs after %s s: closing cuts it off, and it is run again", name, seconds)
            task.cancel()
        if self._begun:
            await asyncio.wait(list(self._begun), timeout=seconds)

    async def _run(self, name: str, group: int, work: Callable[[], Coroutine[Any, Any, Outcome]]) -> Outcome:
        self._waiting += 1
        try:
            await self._host.durable(group)
            if self._host.ending:
                await self._host.loop.create_future()  # until it is cut off: the next life begins it
        finally:
            self._waiting -= 1
        task = asyncio.current_task()
        assert task is not None, "an effect runs in a task"
        self._begun[task] = name
        return await work()
