"""The coordinator's calls about uploads."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

from automata.errors import ModuleRefused
from automata.sandbox.limits import SandboxLimits, limits_of
from automata.sandbox.record import check_name
from ssms.catalog import uploads
from ssms.coordinator.forbidden import check_token
from ssms.coordinator.surroundings import Surroundings
from ssms.coordinator.upload_news import UploadNews
from ssms.coordinator.upload_steps import UploadOrder
from ssms.coordinator.uploading import Uploading

MODULE_BYTES_MAX = SandboxLimits().module_bytes
"""The catalog takes no larger ones, whatever their limits."""


class UploadDesk:
    """uploading: gives the workflows of the upload of a name. news: what copies say of uploads."""

    def __init__(self, world: Surroundings, uploading: Callable[[str], Uploading], news: UploadNews) -> None:
        self._world = world
        self._news = news
        self._uploading = uploading
        self.calls: dict[str, Callable[..., Awaitable[Any]]] = {
            "module": self.module,
            "remove_upload": self.remove_upload,
            "roll_back_upload": self.roll_back_upload,
            "upload": self.upload,
            "upload_trouble": self.trouble,
            "uploads": self.uploads,
        }

    async def upload(
        self, data: bytes, name: str, uploader: str, limits: dict[str, int | float], token: str = ""
    ) -> bytes:
        """Take a module in as the next version of an upload; its record, encoded. Asked again it changes nothing.

        Raises Forbidden, ModuleRefused and InvalidArgument.
        """
        check_token(self._world.settings.token, token)
        check_name(name, "an upload")
        check_name(uploader, "an uploader")
        limits_of(limits)
        if len(data) > MODULE_BYTES_MAX:
            raise ModuleRefused(f"the module has {len(data)} bytes: at most {MODULE_BYTES_MAX} are taken")
        digest = await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest())
        await self._world.write(uploads.put_module, digest, data, self._world.clock())
        await self._uploading(name).take(UploadOrder(name, uploader, digest, limits))
        return (await self._world.read(uploads.find, name)).encode()

    async def roll_back_upload(self, name: str, version: int, token: str = "") -> bytes:
        """Let another version of an upload run; its record, encoded. Raises Forbidden and InvalidArgument."""
        check_token(self._world.settings.token, token)
        await self._uploading(name).roll_back(version)
        return (await self._world.read(uploads.find, name)).encode()

    async def remove_upload(self, name: str, token: str = "") -> None:
        """Forget an upload, if there is one of this name. Raises Forbidden."""
        check_token(self._world.settings.token, token)
        check_name(name, "an upload")
        await self._uploading(name).remove()

    async def uploads(self) -> tuple[int, list[bytes]]:
        """The revision of the uploads, and all of them, encoded."""
        revision, records = await self._world.read(uploads.all_uploads)
        return revision, [record.with_only_running().encode() for record in records]

    async def trouble(self) -> dict[str, str]:
        """Why uploads cannot be run on some copies, by the names of those that cannot."""
        return await self._news.by_upload()

    async def shown(self) -> list[dict[str, Any]]:
        """The uploads, for people."""
        _, records = await self._world.read(uploads.all_uploads)
        trouble = await self.trouble()
        return [
            {
                "name": one.name,
                "uploader": one.uploader,
                "version": one.current,
                "types": one.types(),
                "trouble": trouble.get(one.name, ""),
            }
            for one in records
        ]

    async def module(self, digest: str) -> bytes | None:
        """The bytes of a module."""
        return await self._world.read(uploads.module, digest)
