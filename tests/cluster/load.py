"""Callers of a simulated cluster that move money until they are stopped."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from automata import ref
from ssms.cluster_app import ClusterApp
from tests.cluster.coordinated import Coordinated
from tests.cluster.purses import Purse


class Load:
    """What callers share. acknowledged: their calls that were answered."""

    def __init__(self, running: Coordinated, app: ClusterApp, seed: int, keys: list[str]) -> None:
        self.running = running
        self.app = app
        self.acknowledged = 0
        self.stopping = False
        self._seed = seed
        self._keys = keys

    async def caller(self, n: int) -> None:
        """Pay, again and again."""
        rng = random.Random(self._seed * 100 + n)
        turn = 0
        while not self.stopping:
            source, to = rng.sample(self._keys, 2)
            purse = ref(Purse, source)
            turn += 1
            async with self.paying(rng):
                await (purse.pay(to, 1) if turn % 3 else purse.pay_and_wait(to, 1))
                self.acknowledged += 1

    @asynccontextmanager
    async def paying(self, rng: random.Random) -> AsyncIterator[None]:
        """Around each call."""
        yield

    async def more(self, calls: int) -> None:
        """Wait until so many more were acknowledged."""
        wanted = self.acknowledged + calls
        async with asyncio.timeout(60):
            while self.acknowledged < wanted:  # noqa: ASYNC110 - many callers count
                await asyncio.sleep(0.01)
