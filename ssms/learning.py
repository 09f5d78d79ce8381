"""Types that are in the catalog and that a copy was not told of: it asks the coordinator when it meets one.

Whoever deploys or uploads a type lets all copies load it. One that could not be reached then, and lives on, learns of
it here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from automata.context import logger
from darq.errors import AutomataError
from ssms.server_surroundings import Surroundings
from ssms.uploaded_modules import UploadedModules

APART_SECONDS = 0.2
"""Between two questions: types that nobody knows may be asked for all the time."""
ANSWER_SECONDS = 5.0
"""An answer that has not come by then is taken for lost, and whoever waits is told that it is not known."""


class Learning:
    """Of one copy. spawn: runs a coroutine until it ends or the copy stops."""

    def __init__(
        self,
        surroundings: Surroundings,
        uploads: UploadedModules,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._peers = surroundings.peers
        self._deployed = surroundings.deployed
        self._uploads = uploads
        self._spawn = spawn
        self._waiting: list[asyncio.Future[None]] = []
        self._asking = False

    async def learn(self) -> bool:
        """Load what the catalog has by now and this process has not; False if the coordinator does not answer."""
        return bool((await asyncio.wait({self.soon()}, timeout=ANSWER_SECONDS))[0])

    def soon(self) -> asyncio.Future[None]:
        """As `learn`, in the background, for as long as it takes."""
        asked: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(asked)
        if not self._asking:
            self._asking = True
            self._spawn(self._ask())
        return asked

    async def _ask(self) -> None:
        """Whoever comes while a question is under way waits for the next one."""
        try:
            while self._waiting:
                waiting, self._waiting = self._waiting, []
                if await self._load_new():
                    for asked in waiting:
                        asked.set_result(None)
                else:
                    self._waiting += waiting
                await asyncio.sleep(APART_SECONDS)
        finally:
            self._asking = False

    async def _load_new(self) -> bool:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                types: list[bytes] = await self._peers.coordinator.call("types")
                revision, records = await self._peers.coordinator.call("uploads")
        except (OSError, AutomataError):  # also TimeoutError
            return False
        for data in types:
            try:
                self._deployed.load_new(data)
            except AutomataError as error:
                logger.error("a deployed type cannot be loaded here: %s", error)
        await self._uploads.load(revision, records, False)
        return True
