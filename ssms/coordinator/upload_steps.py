"""The steps of the workflows of uploads. Each may be done again."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from automata.context import logger
from automata.errors import ModuleRefused
from automata.sandbox.record import Version
from ssms.catalog import stores, uploads
from ssms.coordinator.surroundings import Surroundings
from ssms.coordinator.upload_news import UploadNews
from ssms.coordinator.vigil import Vigil
from ssms.peers import Unreachable

_EXAMINERS_MAX = 3  # a module that ends the process of whoever looks at it shall not end all of them


@dataclass(frozen=True)
class UploadOrder:
    """A module that shall be the next version of an upload. digest: of the module, which is in the catalog."""

    name: str
    uploader: str
    digest: str
    limits: dict[str, int | float]


@dataclass(frozen=True)
class Examined:
    """What a host has found a module to be."""

    kind: str
    size_bytes: int
    manifest: bytes


class UploadSteps:
    """What workflows of uploads do, outside of their own state."""

    def __init__(self, world: Surroundings, vigil: Vigil, news: UploadNews) -> None:
        self._world = world
        self._vigil = vigil
        self._news = news

    async def examine(self, order: UploadOrder) -> Examined:
        """Let a host compile the module, and find out what it is. Hosts have the sandbox, and the coordinator has not.

        Raises ModuleRefused, and InvalidArgument if the host has no sandbox.
        """
        asked: list[str] = []
        while len(asked) < _EXAMINERS_MAX:
            copy = await self._examiner(asked)
            try:
                seconds = self._world.settings.examine_seconds_max
                asked_for = order.name, order.uploader, order.digest, order.limits
                kind, size, manifest = await self._world.ask(copy, seconds, "examine", *asked_for)
            except Unreachable as error:
                logger.warning("copy %s has not examined the upload %s: %s", copy, order.name, error)
                asked.append(copy)
            else:
                return Examined(kind, size, manifest)
        who = ", ".join(asked)
        raise ModuleRefused(f"{who} ended, or gave no answer, while they examined the module: see their logs")

    async def _examiner(self, asked: list[str]) -> str:
        """A copy that lives; one that leads nothing, if there is one, and one that was not asked before."""
        while True:
            leaders = {row.leader for row in await self._world.read(stores.all_stores)}
            rows = await self._world.read(stores.all_copies)
            living = [row.name for row in rows if row.told >= 0 and row.name not in self._vigil.suspects]
            if living:
                return min(living, key=lambda copy: (asked.count(copy), copy in leaders, copy))
            await asyncio.sleep(self._world.settings.retry_seconds)

    async def add(self, order: UploadOrder, examined: Examined) -> None:
        """The module is in the catalog as the next version. Raises ModuleRefused."""
        version = Version(0, order.digest, examined.kind, examined.size_bytes, examined.manifest, order.limits)
        await self._world.write(uploads.add_version, order.name, order.uploader, version)

    async def roll_back(self, name: str, version: int) -> None:
        """Another version runs. Raises InvalidArgument."""
        await self._world.write(uploads.roll_back, name, version)

    async def remove(self, name: str) -> None:
        """The upload is no more."""
        await self._world.write(uploads.remove, name, self._world.clock())

    async def spread(self) -> None:
        """All hosts that live run what the catalog says."""
        await self._news.tell_all(self._world.settings.examine_seconds_max)
