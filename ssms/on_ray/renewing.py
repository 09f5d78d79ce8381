"""A copy's process on Ray: its server on the event loop, and beside it the thread that renews its leases."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any

import ray
from ray.exceptions import ActorDiedError

from ssms.on_ray.names import COORDINATOR, NAMESPACE
from ssms.on_ray.raised import Raised
from ssms.peers import Unreachable
from ssms.renewal import Renewal, Ways
from ssms.server import Server

_STUCK = 2
_logger = logging.getLogger("ssms")


class RenewedServer:
    """A server whose leases last however long a method keeps its event loop. Made and run on that loop."""

    def __init__(self, server: Server, clock: Callable[[], float]) -> None:
        self.serve = server.serve
        self._server = server
        self._clock = clock
        self._renewal: Renewal | None = None

    async def start(self) -> None:
        """Start the server, then the thread."""
        await self._server.start()
        calls, loop = ThreadCalls(), asyncio.get_running_loop()

        def alive() -> None:
            calls.tell(COORDINATOR, "alive", self._server.name, self._server.busyness())

        def turn(turned: Callable[[], None]) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the process ends
                loop.call_soon_threadsafe(turned)

        ways = Ways(partial(calls.ask, "ship"), alive, self._clock, turn, _stuck)
        self._renewal = Renewal(self._server, ways)
        self._renewal.start()

    async def stop(self) -> None:
        """Stop the thread, then the server."""
        if self._renewal is not None:
            await asyncio.to_thread(self._renewal.stop)
        await self._server.stop()


class ThreadCalls:
    """Calls of other processes' actors from a thread that waits for none of them."""

    def __init__(self) -> None:
        self._serve: dict[str, Callable[..., Any]] = {}

    def ask(self, what: str, name: str, data: bytes) -> Future[bytes]:
        """Ask; the future has the answer, or what went wrong."""
        answer: Future[bytes] = Future()
        try:
            asked = self._call(name, what, data).future()
        except Exception as error:  # noqa: BLE001 - whatever Ray raises, there is no answer
            answer.set_exception(Unreachable(f"{name} cannot be asked: {error}"))
        else:
            asked.add_done_callback(partial(self._answered, name, answer))
        return answer

    def tell(self, name: str, what: str, *about: object) -> None:
        """Ask, and let whatever comes of it go."""
        try:
            self._call(name, what, *about).future().add_done_callback(partial(self._answered, name, Future()))
        except Exception as error:  # noqa: BLE001 - it is told again soon
            _logger.debug("%s was not told %s: %s", name, what, error)

    def _call(self, name: str, what: str, *arguments: object) -> Any:
        serve = self._serve.get(name)
        if serve is None:
            serve = self._serve[name] = ray.get_actor(name, namespace=NAMESPACE).serve.remote
        return serve(what, *arguments)

    def _answered(self, name: str, answer: Future[bytes], asked: Future[Any]) -> None:
        error = asked.exception()
        if isinstance(error, ActorDiedError):
            self._serve.pop(name, None)  # one of this name may be made anew
        if error is None and type(asked.result()) is Raised:
            error = asked.result().error
        if error is None:
            answer.set_result(asked.result())
        else:
            answer.set_exception(error)


def _stuck() -> None:
    """The event loop is held for good: only the end of the process lets its store go on."""
    _logger.error("a method has kept this copy's event loop for too long: its process ends, and begins anew")
    os._exit(_STUCK)
