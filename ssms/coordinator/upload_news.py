"""Lets all copies know which uploads there are: at once when that changes, and until they have heard it (SSMS §3.3)."""

from __future__ import annotations

import asyncio

from automata.context import logger
from darq.errors import AutomataError
from ssms.catalog import stores, uploads
from ssms.coordinator.surroundings import Surroundings
from ssms.coordinator.vigil import Vigil
from ssms.peers import Unreachable


class UploadNews:
    """trouble: of copies that cannot run all uploads, which they cannot, and why.

    What is told is all that there is, under a revision: an older one that comes late changes nothing.
    """

    def __init__(self, world: Surroundings, vigil: Vigil) -> None:
        self.trouble: dict[str, dict[str, str]] = {}
        self._world = world
        self._vigil = vigil
        self._heard: dict[str, int] = {}
        self._catching_up = False

    async def tell(self, copy: str, seconds: float, ready: bool = False) -> None:
        """Let a copy know all uploads. ready: it answers once it can run them. Raises Unreachable.

        A process that has just begun is told before its part; if there is nothing to tell, it is not asked.
        """
        revision, records = await self._world.read(uploads.all_uploads)
        if revision:
            known = [record.with_only_running().encode() for record in records]
            try:
                found = await self._world.ask(copy, seconds, "load_uploads", revision, known, ready)
            except AutomataError as error:
                found = {record.name: str(error) for record in records}
            self._note(copy, found)
        self._heard[copy] = revision

    def _note(self, copy: str, found: dict[str, str]) -> None:
        """These uploads cannot be run by a copy, for these reasons."""
        known = self.trouble.pop(copy, {})
        if found:
            self.trouble[copy] = found
        for name, why in found.items():
            if known.get(name) != why:
                logger.error("copy %s cannot run the upload %s: %s", copy, name, why)

    async def by_upload(self) -> dict[str, str]:
        """Which uploads cannot be run on which living copies, and why, for people."""
        told: dict[str, dict[str, list[str]]] = {}
        for copy in await self._living():
            for name, why in self.trouble.get(copy, {}).items():
                told.setdefault(name, {}).setdefault(why, []).append(copy)
        return {
            name: "; ".join(f"on {', '.join(copies)}: {why}" for why, copies in reasons.items())
            for name, reasons in told.items()
        }

    async def tell_all(self, seconds: float) -> None:
        """Let all living copies know, and wait until they can run them. The others are told when they are back."""
        await asyncio.gather(*(self._try(copy, seconds, True) for copy in await self._living()))

    async def catch_up(self) -> None:
        """Let those know that have missed something: they could not be reached, or this coordinator has just begun.

        Those that could not run all are asked whether they can by now.
        """
        if self._catching_up:
            return
        self._catching_up = True
        try:
            newest = await self._world.read(uploads.revision)
            behind = [
                copy for copy in await self._living() if self._heard.get(copy, 0) < newest or copy in self.trouble
            ]
            seconds = self._world.settings.follow_seconds_max
            await asyncio.gather(*(self._try(copy, seconds, False) for copy in behind))
        finally:
            self._catching_up = False

    async def _try(self, copy: str, seconds: float, ready: bool) -> None:
        try:
            await self.tell(copy, seconds, ready)
        except Unreachable as error:
            logger.info("copy %s does not know all uploads yet: %s", copy, error)

    async def _living(self) -> list[str]:
        rows = await self._world.read(stores.all_copies)
        return [row.name for row in rows if row.told >= 0 and row.name not in self._vigil.suspects]
