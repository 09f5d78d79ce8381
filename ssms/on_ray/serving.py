"""The life of a server in a process of its own: started until it stands, asked, stopped. Nothing here is Ray's."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from typing import Any, Protocol

from ssms.on_ray.raised import Raised
from ssms.peers import NotStanding

RESTART_SECONDS = 0.5
"""How long a process that cannot start its server stays before it ends, so that whoever restarts it does not spin."""

_FAILED = 1
_logger = logging.getLogger("ssms")


class Served(Protocol):
    """What a process of the cluster runs: a copy of a store, or the coordinator."""

    async def start(self) -> None:
        """Open what is on the disk, and begin. An error ends the process."""

    async def serve(self, what: str, args: tuple[Any, ...]) -> Any:
        """Answer one call, or raise."""

    async def stop(self) -> None:
        """Close. Nothing that was acknowledged depends on it."""


class Serving:
    """One server in the process that it has for itself. Made inside the loop that runs it.

    leave: ends the process, with this exit code.
    """

    def __init__(self, make: Callable[[], Served], leave: Callable[[int], None] = os._exit) -> None:
        self._make = make
        self._leave = leave
        self._server: Served | None = None
        self._standing: asyncio.Future[Served] = asyncio.get_running_loop().create_future()
        self._starting = asyncio.create_task(self._start())

    async def serve(self, what: str, args: tuple[Any, ...]) -> Any:
        """The server's answer, or Raised with its error. A call that comes before the server stands waits for it."""
        try:
            server = self._server
            if server is None:
                server = await asyncio.shield(self._standing)
            return await server.serve(what, args)
        except Exception as error:  # noqa: BLE001 - it goes to the caller, as it would from a function
            return Raised.of(error)

    async def stop(self) -> None:
        """Close the server. The process is ended by whoever asked."""
        server = await asyncio.shield(self._standing)
        await server.stop()

    async def _start(self) -> None:
        try:
            server = self._make()
            await server.start()
        except Exception as error:  # a process that cannot serve ends: its callers are told, and it is started anew
            _logger.exception("this process cannot start what it is for, and ends")
            self._standing.set_exception(NotStanding(f"its process cannot start: {error}"))
            self._standing.exception()  # nobody need have asked
            await asyncio.sleep(RESTART_SECONDS)
            self._leave(_FAILED)
        else:
            self._server = server
            self._standing.set_result(server)
