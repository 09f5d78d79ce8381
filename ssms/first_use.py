"""Types that a program declares go to the cluster when it first uses one that the cluster does not know.

So a program that ran over `ssms.open(path)` runs over `ssms.connect()` as it is. What is called meanwhile waits, and
goes in the order in which it was called.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection

from automata.asking import Ask
from automata.types import REGISTRY
from darq.errors import StoreClosed
from ssms.installed_modules import is_installed
from ssms.lane import Asked
from ssms.lanes import Lanes
from ssms.peers import Unreachable

DeployedNames = Callable[[], Awaitable[Collection[str]]]
Deploy = Callable[[list[type]], Awaitable[None]]


class FirstUse:
    """Of one client. known: types that need no look any more; names: asks which types the cluster has."""

    def __init__(self, lanes: Lanes, names: DeployedNames, deploy: Deploy) -> None:
        self.known: set[str] = set()
        self._lanes = lanes
        self._names = names
        self._deploy = deploy
        self._held: dict[str, list[Asked]] = {}
        self._one_at_a_time = asyncio.Lock()

    def start(self, type_name: str, ask: Ask) -> asyncio.Future[bytes]:
        """As `Lanes.start`, for an object of a type that is not `known` yet."""
        held = self._held.get(type_name)
        if held is None:
            held = self._held[type_name] = []
            self._lanes.spawn(self._learn(type_name))
        return self._lanes.start(ask, held=held)

    async def _learn(self, type_name: str) -> None:
        """Make the type known, then let go what waits for it."""
        error: Exception = StoreClosed("the app was closed before the call was made")
        try:
            await self._ensure(type_name)
        except Exception as refused:  # noqa: BLE001 - pickling runs a user's code; whoever has called gets the error
            error = refused
        else:
            self.known.add(type_name)
        finally:
            for asked in self._held.pop(type_name):
                if type_name not in self.known:
                    self._lanes.fail(asked, error)
                elif not self._lanes.stale(asked):
                    self._lanes.route(asked)

    async def _ensure(self, type_name: str) -> None:
        """Deploy it if need be, for as long as anybody waits. Raises what the cluster or the class refuses."""
        async with self._one_at_a_time:
            while True:
                try:
                    return await self._deploy_missing(type_name)
                except Unreachable:  # asking has taken its time already
                    held = self._held[type_name]
                    held[:] = [asked for asked in held if not self._lanes.stale(asked)]
                    if not held:
                        raise

    async def _deploy_missing(self, type_name: str) -> None:
        """Deploy the type, if it is missing and declared here; with it, what else this project declares.

        What came with an upload is no code of this program's.
        """
        if type_name not in REGISTRY.newest:
            return
        there = await self._names()
        needed = REGISTRY.find(type_name)
        if type_name in there or needed is None or needed.application:
            return
        missing = [made for name, made in REGISTRY.newest.items() if name not in there and made is not needed]
        own = [made.cls for made in missing if not made.application and not is_installed(made.cls.__module__)]
        await self._deploy([needed.cls, *own])
