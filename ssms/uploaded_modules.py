"""The uploaded modules of one process of a cluster: those of the catalog, kept in its folder and run (SSMS §3.3).

A process is told of all of them, under a revision, before it has a part. Their types are known at once; a module that
is not in the folder yet comes from the catalog, and is compiled, while methods that need it wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar

from automata.context import logger
from automata.errors import ModuleRefused
from automata.sandbox.examining import examining
from automata.sandbox.limits import limits_of
from automata.sandbox.manifest import write_manifest
from automata.sandbox.record import UploadRecord, Version
from automata.sandbox.usage import Usage
from automata.sandbox.usage_book import UsageBook
from automata.types import AutomatonType
from automata.uploads_room import sandbox_room
from darq.errors import AutomataError
from darq.log import Log
from ssms.leading import Leading
from ssms.patience import answered_in
from ssms.peers import Unreachable
from ssms.server_surroundings import Surroundings

if TYPE_CHECKING:
    from automata.sandbox.installed import Installed, Made

T = TypeVar("T")

Counters = dict[str, int | float]
"""A usage by its names, as it travels."""

FETCH_SECONDS_MAX = 60.0
PAUSE_SECONDS = 0.5
"""Between two tries to get a module from the catalog."""

ON_ITS_WAY = "its module is on its way"

_DISK_PAUSE_SECONDS = 5.0
_EXAMINED_MAX = 8  # modules that may be about to become uploads


class UploadedModules:
    """Of one process. leading: what it has while it leads a store; spawn: runs a coroutine until it ends or the process
    does.
    """

    def __init__(
        self,
        surroundings: Surroundings,
        leading: Callable[[], Leading | None],
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._peers = surroundings.peers
        self._options = surroundings.options
        self._leading = leading
        self._spawn = spawn
        self._revision = 0
        self._records: dict[str, UploadRecord] = {}
        self._names: set[str] = set()  # of all uploads that there are
        self._trouble: dict[str, str] = {}
        self._arriving: dict[str, asyncio.Future[None]] = {}
        self._examined: deque[str] = deque(maxlen=_EXAMINED_MAX)
        self._one_at_a_time = asyncio.Lock()
        self._room: Installed | None = None
        self._book: UsageBook | None = None
        self.calls: dict[str, Callable[..., Awaitable[Any]]] = {
            "load_uploads": self.load,
            "examine": self.examine,
            "usage": self.usage,
        }

    async def load(self, revision: int, records: Sequence[bytes], ready: bool) -> dict[str, str]:
        """Run these uploads and no others, unless a later revision is known. ready: wait until all modules are here.

        Returns why those cannot be run that cannot, by their names. The others are run.
        """
        if revision > self._revision:
            self._take({record.name: record for record in map(UploadRecord.decode, records)})
            self._revision = revision
        if ready:
            for arriving in list(self._arriving.values()):
                await asyncio.wait({arriving})
        coming = {name: ON_ITS_WAY for name, arriving in self._arriving.items() if not arriving.done()}
        return coming | self._trouble

    async def examine(
        self, name: str, uploader: str, digest: str, limits: Mapping[str, int | float]
    ) -> tuple[str, int, bytes]:
        """What a module is that shall be an upload's next version: its kind, its size in bytes, its manifest.

        Raises ModuleRefused if it is not what it says, or describes types that cannot be.
        """
        installed, given = self._installed(), dict(limits)
        data = await self._fetched(digest)
        kind = sandbox_room("binary").kind_of(data, limits_of(given).within(self._options.sandbox))
        self._examined.append(digest)
        try:
            await self._beside(lambda: installed.shelf.put(data))
            manifest = write_manifest(await self._beside(lambda: installed.examine(digest, kind, given)))
            installed.make(UploadRecord(name, uploader, 1, [Version(1, digest, kind, len(data), manifest, given)]))
        except BaseException:
            with contextlib.suppress(ValueError):  # many were examined at once
                self._examined.remove(digest)
            self._tidy()
            raise
        return kind, len(data), manifest

    def lead(self, log: Log) -> None:
        """This process leads a store from now on, which keeps what uploads use here."""
        self._book = UsageBook(log, self._used)
        if self._revision:
            self._book.keep_only(self._names)

    async def usage(self) -> tuple[dict[str, Counters], dict[str, Counters]]:
        """What each upload has used, and each uploader: of the store that is led here, or since the process began."""
        book = self._book
        if self._leading() is not None and book is not None:
            uploads = {name: asdict(book.of_upload(name)) for name in self._records}
            return uploads, {name: asdict(book.of_uploader(name)) for name in book.uploaders()}
        here = [] if self._room is None else self._room.usage()
        uploaders: dict[str, Usage] = {}
        for _, uploader, used in here:
            uploaders.setdefault(uploader, Usage()).add(used)
        return {name: asdict(used) for name, _, used in here}, {one: asdict(used) for one, used in uploaders.items()}

    # inside

    def _used(self) -> list[tuple[str, str, Usage]]:
        return [] if self._room is None else self._room.take_usage()

    def _installed(self) -> Installed:
        """The sandbox. Raises InvalidArgument if it is not installed here."""
        if self._room is None:
            made: Installed = sandbox_room("installed").Installed(self._options, self._forget)
            made.shelf.begin()
            self._room = made
        return self._room

    def _forget(self, made: AutomatonType) -> None:
        """Let go of the objects in memory of a type that is gone."""
        leading = self._leading()
        if leading is not None:
            leading.engine.host.entities.forget(made)

    def _take(self, given: dict[str, UploadRecord]) -> None:
        """Run what is given, as far as it can be."""
        self._names = set(given)
        if self._book is not None:
            self._book.keep_only(given)
        for name in [name for name in self._records if name not in given]:
            self._installed().uninstall(name)
            del self._records[name]
            self._arriving.pop(name, None)
        same = {name for name, record in self._records.items() if given[name] == record}
        self._trouble = {name: why for name, why in self._trouble.items() if name in same}
        changed = [record for name, record in given.items() if self._records.get(name) != record]
        if not self._install_all(changed):  # the name of a type may have gone from one upload to another
            self._install_all([record for record in changed if self._records.get(record.name) != record])
        self._tidy()

    def _install_all(self, records: Sequence[UploadRecord]) -> bool:
        """Whether all of them could be."""
        for record in records:
            try:
                self._install(record)
            except AutomataError as error:
                logger.error("the upload %s cannot be run here: %s", record.name, error)
                self._trouble[record.name] = str(error)
            else:
                self._trouble.pop(record.name, None)
        return not self._trouble.keys() & {record.name for record in records}

    def _install(self, record: UploadRecord) -> None:
        installed = self._installed()
        made = installed.make(record)
        arriving = made.guest.arriving = _future()
        self._arriving[record.name] = arriving
        installed.install(record.name, made)
        self._records[record.name] = record
        self._spawn(self._bring(installed, made, record))

    async def _bring(self, installed: Installed, made: Made, record: UploadRecord) -> None:
        """Let a module come, and its methods run. They wait while the disk has no room for it."""
        arriving = self._arriving[record.name]
        while self._arriving.get(record.name) is arriving:
            try:
                await self._put(installed, record.running())
            except OSError as error:
                logger.error(
                    "the module of the upload %s cannot be kept here; it is tried again", record.name, exc_info=error
                )
                self._note(record, arriving, f"its module cannot be kept: {error}")
                await asyncio.sleep(_DISK_PAUSE_SECONDS)
            except AutomataError as error:
                logger.error("the module of the upload %s cannot be run here", record.name, exc_info=error)
                self._note(record, arriving, str(error))
                arriving.set_exception(ModuleRefused(f"the module cannot be run on this host: {error}"))
                arriving.exception()  # whoever calls gets it; perhaps nobody does
                return
            else:
                made.guest.arriving = None
                self._note(record, arriving, "")
                arriving.set_result(None)
                return

    def _note(self, record: UploadRecord, arriving: asyncio.Future[None], why: str) -> None:
        """Why the module that arrives cannot be run, "" if it can; unless another is awaited by now."""
        if self._arriving.get(record.name) is arriving:
            self._trouble.pop(record.name, None)
            if why:
                self._trouble[record.name] = why

    async def _put(self, installed: Installed, version: Version) -> None:
        """Have a module in the folder, compiled."""
        shelf = installed.shelf
        if not await self._beside(lambda: shelf.has(version.digest)):
            data = await self._fetched(version.digest)
            await self._beside(lambda: shelf.put(data))
        async with self._one_at_a_time:  # compiling takes all the processor that there is
            await self._beside(lambda: installed.compiled(version.digest, version.kind))

    async def _fetched(self, digest: str) -> bytes:
        """A module from the catalog, as it was put there. Raises ModuleRefused if it is there no more."""
        while True:
            try:
                asked = self._peers.coordinator.call("module", digest)
                data: bytes | None = await answered_in(FETCH_SECONDS_MAX, asked)
            except Unreachable:
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            if data is None or hashlib.sha256(data).hexdigest() != digest:
                raise ModuleRefused(f"the catalog has no module {digest[:16]}... (any more): upload it again")
            return data

    def _tidy(self) -> None:
        """Drop modules from the folder that no version of an upload has."""
        if self._room is not None:
            used = {version.digest for record in self._records.values() for version in record.versions}
            self._room.shelf.keep_only(used | set(self._examined))

    async def _beside(self, work: Callable[[], T]) -> T:
        """Do what takes long in a thread, where there are any."""
        if not self._options.sandbox_threads:
            return work()
        return await asyncio.get_running_loop().run_in_executor(examining(), work)


def _future() -> asyncio.Future[None]:
    return asyncio.get_running_loop().create_future()
