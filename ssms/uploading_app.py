"""Uploads through an app on a cluster: the same methods as those of an embedded app (LambdaObjects §4.2)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, cast

from automata.application import Application
from automata.errors import UnknownType
from automata.sandbox.limits import limits_of
from automata.sandbox.record import ANYBODY, UploadRecord, no_upload, rolled_back
from automata.sandbox.upload import Upload, shown
from automata.sandbox.usage import Usage
from automata.types import REGISTRY
from automata.uploads_room import sandbox_room
from ssms.lanes import Lanes
from ssms.patience import answered_in
from ssms.peers import Unreachable
from ssms.routes import LOST_SECONDS
from ssms.uploaded_types import UploadedTypes

T = TypeVar("T")

_TEXT = (b"(", b";")  # how WebAssembly as text begins


class UploadingApp(Application):
    """What an app on a cluster knows and does of uploads. Only who knows the cluster's token changes them."""

    def __init__(self) -> None:
        super().__init__()
        self._uploaded = UploadedTypes()
        self._learning = asyncio.Lock()

    async def upload(
        self,
        path: str | os.PathLike[str],
        *,
        name: str | None = None,
        uploader: str = "",
        limits: Mapping[str, int | float] | None = None,
    ) -> Upload:
        """Take in a WebAssembly module, whose types run in a sandbox on all hosts (LambdaObjects §4.2).

        One host examines it first; when this returns, all that live can run it. name: of the upload, if not the file's;
        the same name again is its next version, and objects keep their state. uploader: whose quotas it counts towards,
        on each host. limits: lower bounds of what it may use, by the names in `automata.sandbox.limits.SandboxLimits`.
        Raises ModuleRefused, and Forbidden without the cluster's token.
        """
        file = Path(path)
        data = await asyncio.to_thread(file.read_bytes)
        if data.lstrip()[:1] in _TEXT:
            data = sandbox_room("binary").assembled(data, limits_of(limits or {}))
        chosen = file.stem if name is None else name
        given = data, chosen, uploader or ANYBODY, dict(limits or {})
        return await self._here(lambda: self._changed("upload", *given))

    async def uploads(self) -> AsyncIterator[Upload]:
        """What was uploaded, by name, with what it and its uploader have used, as far as copies can be asked."""
        async for upload in self._iterate_on_loop(self._all):
            yield upload

    async def roll_back_upload(self, name: str, version: int | None = None) -> Upload:
        """Run an earlier version of an upload again; the one before, if none is named. Objects keep their state."""

        async def roll_back() -> Upload:
            chosen = rolled_back(await self._record(name), version).current  # so that asking again is the same again
            return await self._changed("roll_back_upload", name, chosen)

        return await self._here(roll_back)

    async def remove_upload(self, name: str) -> None:
        """Forget an upload with all its versions. Its objects keep their state; calling them raises UnknownType."""

        async def remove() -> None:
            await self._record(name)
            await self._coordinator("remove_upload", name, self._token)
            await self._learn()

        await self._here(remove)

    # of the app

    _token: str

    def _opened(self) -> Lanes:
        raise NotImplementedError

    async def _here(self, look: Callable[[], Coroutine[Any, Any, T]]) -> T:
        raise NotImplementedError

    async def _coordinator(self, what: str, *args: object) -> Any:
        raise NotImplementedError

    # for it

    async def _learn(self) -> list[UploadRecord]:
        """Ask which uploads there are, and know their types from now on."""
        async with self._learning:
            _, records = await self._coordinator("uploads")
            found = [UploadRecord.decode(data) for data in records]
            self._uploaded.learn(found)
            return found

    async def _learn_type(self, type_name: str, method: str) -> None:
        """Know a type that may have been uploaded, with this method. Raises UnknownType and UnknownMethod."""
        found = REGISTRY.find(type_name)
        if found is None or method not in found.methods:
            await self._learn()
            found = REGISTRY.find(type_name)
        if found is not None:
            found.method(method)
        else:
            raise UnknownType(
                f"no type {type_name!r} is defined here, and the cluster has no upload with one: import the module "
                "that defines it, or upload it"
            )

    # inside

    async def _changed(self, what: str, *given: object) -> Upload:
        record = UploadRecord.decode(await self._coordinator(what, *given, self._token))
        await self._learn()
        trouble: dict[str, str] = await self._coordinator("upload_trouble")
        return replace(shown(record, record.types(), Usage(), Usage()), trouble=trouble.get(record.name, ""))

    async def _record(self, name: str) -> UploadRecord:
        known = {record.name: record for record in await self._learn()}
        if name not in known:
            raise no_upload(name, list(known))
        return known[name]

    async def _all(self) -> AsyncIterator[Upload]:
        records, (used, of_uploaders) = await self._learn(), await self._used()
        trouble: dict[str, str] = await self._coordinator("upload_trouble")
        for record in records:
            usage = used.get(record.name, Usage()), of_uploaders.get(record.uploader, Usage())
            yield replace(shown(record, record.types(), *usage), trouble=trouble.get(record.name, ""))

    async def _used(self) -> tuple[dict[str, Usage], dict[str, Usage]]:
        """What each upload, and each uploader, has used in the stores whose copies can be asked."""
        copies = [copy for place in self._opened().routes.placement.stores for copy in place.in_sync]
        uploads: dict[str, Usage] = {}
        uploaders: dict[str, Usage] = {}
        for found in await asyncio.gather(*map(self._used_by, copies)):
            for total, counted in zip((uploads, uploaders), found, strict=True):
                for name, counters in counted.items():
                    total.setdefault(name, Usage()).add(Usage(**counters))
        return uploads, uploaders

    async def _used_by(self, copy: str) -> tuple[dict[str, dict[str, Any]], ...]:
        try:
            found = await answered_in(LOST_SECONDS, self._opened().peers.copy(copy).call("usage"))
        except Unreachable:
            return {}, {}
        return cast("tuple[dict[str, dict[str, Any]], ...]", tuple(found))
