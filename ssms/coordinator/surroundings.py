"""What a coordinator works with, all of which is given to it: catalog, machines, peers, clock and chance."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from automata.context import logger
from ssms.catalog import Catalog, CatalogAway
from ssms.coordinator.machines import MachineFailed, Machines
from ssms.coordinator.settings import Settings
from ssms.peers import Peers, Unreachable

T = TypeVar("T")


class Slow(Unreachable):
    """The copy has not answered in time: it may be doing what it was asked to."""


@dataclass(frozen=True)
class Surroundings:
    """The world of one coordinator. clock: seconds since the epoch; random: of identities of stores; leave: ends the
    process, with the reason, as its next life does better.
    """

    catalog: Catalog
    machines: Machines
    peers: Peers
    settings: Settings = field(default_factory=Settings)
    clock: Callable[[], float] = time.time
    random: random.Random = field(default_factory=random.SystemRandom)
    leave: Callable[[BaseException], None] = lambda why: None

    async def read(self, look: Callable[..., T], *args: object) -> T:
        """What a function of the catalog finds, on a thread, tried again for as long as the database is away."""
        return await self._at_last(partial(self.catalog.read, look, *args))

    async def write(self, change: Callable[..., T], *args: object) -> T:
        """Make a change to the catalog, on a thread, tried again for as long as the database is away.

        Raises what the change raises: Outrun, Fenced, InvalidArgument.
        """
        return await self._at_last(partial(self.catalog.write, change, *args))

    async def _at_last(self, work: Callable[[], T]) -> T:
        while True:
            try:
                return await asyncio.get_running_loop().run_in_executor(None, work)
            except CatalogAway as error:
                logger.warning("%s; it is tried again", error)
                await asyncio.sleep(self.settings.retry_seconds)

    async def ask(self, copy: str, seconds: float, what: str, *args: Any) -> Any:
        """Ask a copy. Raises Unreachable, Slow when it takes longer than `seconds`, and what the copy raises."""
        try:
            async with asyncio.timeout(seconds):
                return await self.peers.copy(copy).call(what, *args)
        except TimeoutError:
            raise Slow(f"{copy} has not answered {what!r} within {seconds} s") from None

    async def try_machines(self, work: Callable[[Machines], Awaitable[None]]) -> bool:
        """Ask the machines for something, once; whether it was done."""
        try:
            await work(self.machines)
        except (MachineFailed, Unreachable) as error:
            logger.warning("%s; it is tried again", error)
            return False
        return True
