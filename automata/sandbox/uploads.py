"""The uploads of one store: kept beside its data, run by its host (LambdaObjects §4.2)."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from automata.context import logger
from automata.sandbox.binary import assembled, kind_of
from automata.sandbox.examining import examining
from automata.sandbox.installed import Installed
from automata.sandbox.limits import limits_of
from automata.sandbox.manifest import write_manifest
from automata.sandbox.owners import Owners
from automata.sandbox.record import UploadRecord, Version, check_name, no_upload, rolled_back, with_version
from automata.sandbox.upload import Upload, shown
from automata.sandbox.usage_book import UsageBook, upload_key
from darq import keys
from darq.errors import AutomataError, StoreDamaged
from darq.lane import durable
from darq.step import Step

if TYPE_CHECKING:
    from automata.host import Host

T = TypeVar("T")


class Uploads:
    """All of one store. They are registered as types when the store opens, and loaded when they are first called."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._log = host.log
        self._options = host.options
        self._installed = Installed(host.options, host.entities.forget, host.log.store.identity())
        self._shelf = self._installed.shelf
        self._owners = Owners(host.log)
        self._book = UsageBook(host.log, self._installed.take_usage)
        self._records: dict[str, UploadRecord] = {}
        self._trouble: dict[str, str] = {}
        self._arriving: Counter[str] = Counter()  # modules by their hash, which nobody may drop meanwhile

    def load(self) -> None:
        """Register what the store has. What cannot be run here, or no more, is left out and reported.

        Files that no upload needs are dropped: the process may have ended between a row and its files.
        """
        for _, row in self._log.rows(keys.UPLOAD):
            record = UploadRecord.decode(row)
            self._records[record.name] = record
            try:
                self._installed.install(record.name, self._installed.make(record))
            except StoreDamaged:
                raise
            except AutomataError as error:
                self._leave_out(record, str(error))
        used = {version.digest for record in self._records.values() for version in record.versions}
        self._shelf.begin()
        if self._options.modules is not None:  # else the folder is that of all stores in memory
            self._shelf.keep_only(used)

    async def upload(self, data: bytes, name: str, uploader: str, limits: Mapping[str, int | float]) -> Upload:
        """Take a module in under a name, as its next version. Raises ModuleRefused, InvalidArgument."""
        check_name(name, "an upload")
        check_name(uploader, "an uploader")
        bounds = limits_of(limits).within(self._options.sandbox)
        module = await self._beside(lambda: assembled(data, bounds))
        kind = kind_of(module, bounds)
        digest = await self._beside(lambda: hashlib.sha256(module).hexdigest())
        self._arriving[digest] += 1
        try:
            await self._beside(lambda: self._shelf.put(module))
            manifest = await self._beside(lambda: self._installed.examine(digest, kind, dict(limits)))
            version = Version(0, digest, kind, len(module), write_manifest(manifest), dict(limits))
            return await self._take(name, uploader, version)
        finally:
            self._arriving[digest] -= 1
            self._drop_unused(digest)

    async def roll_back(self, name: str, version: int | None) -> Upload:
        """Run another version again: the one before, if none is named. Objects keep their state."""
        chosen = rolled_back(self._record(name), version)
        await self._check_waiting(chosen)
        return await self._keep(rolled_back(self._record(name), chosen.current))

    async def remove(self, name: str) -> None:
        """Forget an upload with all its versions. The state of its objects stays; calls of them raise UnknownType."""
        record = self._record(name)
        group = self._write(name, None, [])
        del self._records[name]
        self._book.keep_only(self._records)
        self._forget_trouble(record)
        self._installed.uninstall(name)
        await durable(self._log.gate, group)
        for version in record.versions:
            self._drop_unused(version.digest)

    def all(self) -> list[Upload]:
        """Every upload, by name."""
        return [self._shown(record) for _, record in sorted(self._records.items())]

    def close(self) -> None:
        """The app closes: its types are no longer known here."""
        self._book.collect()
        for record in self._records.values():
            self._forget_trouble(record)
        self._installed.clear()

    # inside

    async def _take(self, name: str, uploader: str, version: Version) -> Upload:
        await self._check_waiting(with_version(self._records.get(name), name, uploader, version))
        before = self._records.get(name)
        after = with_version(before, name, uploader, version)
        if before is None:
            return await self._keep(after)
        if before.runs(version) and name not in self._trouble:
            return self._shown(before)
        taken = await self._keep(after)
        for old in before.versions:
            self._drop_unused(old.digest)
        return taken

    async def _check_waiting(self, record: UploadRecord) -> None:
        """Raise ModuleRefused for a type for which something waits that is somebody else's."""
        running = self._installed.types(record.name)
        types = [name for name in record.types() if name not in running]
        if self._owners.foreign(record.uploader, types):
            group = self._log.touch()  # so that all that waits is in the store
            self._host.committer.touch()
            await durable(self._log.gate, group)
            await self._owners.check_waiting(record.uploader, types)

    async def _keep(self, record: UploadRecord) -> Upload:
        made = self._installed.make(record)
        types = [one.name for one in made.types]
        running = self._installed.types(record.name)  # of a store without OWNER rows, too
        self._owners.check(record.uploader, [name for name in types if name not in running])
        group = self._write(record.name, record, types)
        self._forget_trouble(self._records.get(record.name, record))
        self._records[record.name] = record  # not once it is durable: others may come meanwhile, or this be cancelled
        self._installed.install(record.name, made)
        await durable(self._log.gate, group)
        return self._shown(record)

    def _write(self, name: str, record: UploadRecord | None, types: list[str]) -> int:
        step = Step(b"", b"")
        step.set_row(keys.UPLOAD + name.encode(), None if record is None else record.encode())
        if record is None:
            step.set_row(upload_key(name), None)
        else:
            self._owners.take(step, name, record.uploader, types)
        group = self._log.commit(step)
        self._host.committer.touch()
        return group

    def _record(self, name: str) -> UploadRecord:
        record = self._records.get(name)
        if record is None:
            raise no_upload(name, list(self._records))
        return record

    def _shown(self, record: UploadRecord) -> Upload:
        used, of_uploader = self._book.of_upload(record.name), self._book.of_uploader(record.uploader)
        upload = shown(record, self._installed.types(record.name), used, of_uploader)
        return dataclasses.replace(upload, trouble=self._trouble.get(record.name, ""))

    def _leave_out(self, record: UploadRecord, why: str) -> None:
        logger.error("the upload %s cannot be run: %s", record.name, why)
        self._trouble[record.name] = why
        for name in record.types():
            self._options.registry.missing[name] = f"the upload {record.name!r} cannot be run: {why}"

    def _forget_trouble(self, record: UploadRecord) -> None:
        if self._trouble.pop(record.name, None) is not None:
            for name in record.types():
                self._options.registry.missing.pop(name, None)

    def _drop_unused(self, digest: str) -> None:
        used = {version.digest for record in self._records.values() for version in record.versions}
        if digest not in used and not self._arriving[digest]:
            del self._arriving[digest]
            self._shelf.drop(digest)

    async def _beside(self, work: Callable[[], T]) -> T:
        """Do what takes seconds in a thread, where there are any."""
        if not self._options.sandbox_threads:
            return work()
        return await asyncio.get_running_loop().run_in_executor(examining(), work)
