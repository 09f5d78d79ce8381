"""The uploads of one store: kept beside its data, run by its host (LambdaObjects §4.2)."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from automata.errors import InvalidArgument, ModuleRefused
from automata.sandbox.binary import CORE, assembled, kind_of
from automata.sandbox.checking import examine
from automata.sandbox.limits import limits_of
from automata.sandbox.machine import machine
from automata.sandbox.manifest import Manifest, read_manifest, write_manifest
from automata.sandbox.module import ComponentModule, CoreModule, GuestModule
from automata.sandbox.quota import Quota
from automata.sandbox.record import UploadRecord, Version
from automata.sandbox.rows import RowChecks
from automata.sandbox.shelf import Shelf
from automata.sandbox.shims import Guest
from automata.sandbox.targets import Targets
from automata.sandbox.uploaded_type import uploaded_type
from automata.sandbox.usage import Usage
from automata.types import AutomatonType
from darq import keys
from darq.lane import durable
from darq.step import Step

if TYPE_CHECKING:
    from automata.host import Host

T = TypeVar("T")

VERSIONS_KEPT = 10
"""Of each upload: the oldest goes when there are more, unless it runs."""


@dataclass(frozen=True)
class Upload:
    """An upload as people see it. version: the one that runs; versions: all that can be rolled back to; types: names;
    digest: SHA-256 of the module; usage: since the app was opened.
    """

    name: str
    uploader: str
    version: int
    versions: list[int]
    types: list[str]
    digest: str
    size_bytes: int
    usage: Usage


class Uploads:
    """All of one store. They are registered as types when the store opens, and loaded when they are first called."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._log = host.log
        self._options = host.options
        self._shelf = Shelf(host.options.modules)
        self._records: dict[str, UploadRecord] = {}
        self._guests: dict[str, Guest] = {}
        self._types: dict[str, list[AutomatonType]] = {}
        self._quotas: dict[str, Quota] = {}
        self._arriving: Counter[str] = Counter()  # modules by their hash, which nobody may drop meanwhile

    def load(self) -> None:
        """Register what the store has."""
        for _, row in self._log.rows(keys.UPLOAD):
            record = UploadRecord.decode(row)
            self._records[record.name] = record
            self._register(record, self._types_of(record))

    async def upload(self, data: bytes, name: str, uploader: str, limits: Mapping[str, int | float]) -> Upload:
        """Take a module in under a name, as its next version. Raises ModuleRefused, InvalidArgument."""
        _check_name(name, "an upload")
        _check_name(uploader, "an uploader")
        bounds = limits_of(limits).within(self._options.sandbox)
        module = await self._beside(lambda: assembled(data, bounds))
        kind = kind_of(module, bounds)
        digest = await self._beside(lambda: hashlib.sha256(module).hexdigest())
        self._arriving[digest] += 1
        try:
            await self._beside(lambda: self._shelf.put(module))
            compiled = await self._beside(lambda: self._shelf.compiled(digest, kind))
            manifest = await self._beside(lambda: examine(machine(), kind, compiled, bounds))
            return await self._take(name, uploader, manifest, Version(0, digest, kind, len(module), b"", dict(limits)))
        finally:
            self._arriving[digest] -= 1
            self._drop_unused(digest)

    async def roll_back(self, name: str, version: int | None) -> Upload:
        """Run another version again: the one before, if none is named. Objects keep their state."""
        record = self._record(name)
        numbers = [known.number for known in record.versions]
        earlier = [number for number in numbers if number < record.current]
        chosen = version if version is not None else (earlier[-1] if earlier else None)
        if chosen not in numbers:
            raise InvalidArgument(f"{name} has no {'earlier version' if chosen is None else f'version {chosen}'}: "
                                  f"it has {', '.join(map(str, numbers))}")  # fmt: skip
        return await self._keep(UploadRecord(name, record.uploader, chosen, record.versions))

    async def remove(self, name: str) -> None:
        """Forget an upload with all its versions. The state of its objects stays; calls of them raise UnknownType."""
        record = self._record(name)
        group = self._write(name, None)
        del self._records[name]
        self._unregister(name)
        await durable(self._log.gate, group)
        for version in record.versions:
            self._drop_unused(version.digest)

    def all(self) -> list[Upload]:
        """Every upload, by name."""
        return [self._shown(record) for _, record in sorted(self._records.items())]

    def close(self) -> None:
        """The app closes: its types are no longer known here."""
        for name in list(self._types):
            self._unregister(name)

    # inside

    async def _take(self, name: str, uploader: str, manifest: Manifest, version: Version) -> Upload:
        record = self._records.get(name)
        if record is not None and record.uploader != uploader:
            raise ModuleRefused(f"the upload {name!r} is {record.uploader!r}'s: choose another name")
        known = record.versions if record is not None else []
        if (
            record is not None
            and record.running().digest == version.digest
            and record.running().limits == version.limits
        ):
            return self._shown(record)
        number = 1 + max((v.number for v in known), default=0)
        new = Version(
            number, version.digest, version.kind, version.size_bytes, write_manifest(manifest), version.limits
        )
        kept = [*known, new][-VERSIONS_KEPT:]
        shown = await self._keep(UploadRecord(name, uploader, number, kept))
        for old in known:
            if old not in kept:
                self._drop_unused(old.digest)
        return shown

    async def _keep(self, record: UploadRecord) -> Upload:
        types = self._types_of(record)
        group = self._write(record.name, record.encode())
        self._records[record.name] = (
            record  # now, not once it is durable: others may come meanwhile, or this be cancelled
        )
        self._register(record, types)
        await durable(self._log.gate, group)
        return self._shown(record)

    def _write(self, name: str, row: bytes | None) -> int:
        step = Step(b"", b"")
        step.set_row(keys.UPLOAD + name.encode(), row)
        group = self._log.commit(step)
        self._host.committer.touch()
        return group

    def _types_of(self, record: UploadRecord) -> list[AutomatonType]:
        """The types of the version that runs. Raises ModuleRefused for names that are taken."""
        version = record.running()
        limits = limits_of(version.limits).within(self._options.sandbox)
        manifest = read_manifest(version.manifest, limits)
        registry = self._options.registry
        for described in manifest.types:
            found = registry.find(described.name)
            if found is not None and found.application != record.name:
                owner = f"the upload {found.application!r}" if found.application else f"{found.cls.__module__}"
                raise ModuleRefused(f"a type {described.name} is known already, of {owner}: name yours otherwise")
        targets = Targets(registry, record.name)
        quota = self._quotas.setdefault(record.uploader, Quota(record.uploader, limits, self._options.clock))
        guest = Guest(self._module(version, targets, manifest), limits, targets, quota, self._options.sandbox_threads)
        guest.usage = self._guests[record.name].usage if record.name in self._guests else guest.usage
        types = [uploaded_type(described, guest, record.name, version.kind == CORE) for described in manifest.types]
        self._guests[record.name] = guest
        quota.limits = limits
        return types

    def _module(self, version: Version, targets: Targets, manifest: Manifest) -> GuestModule:
        def compiled() -> Path:
            return self._shelf.compiled(version.digest, version.kind)

        if version.kind == CORE:
            return CoreModule(machine(), compiled)
        checks = {described.name: RowChecks(described.fields) for described in manifest.types}
        return ComponentModule(machine(), compiled, targets, checks)

    def _register(self, record: UploadRecord, types: list[AutomatonType]) -> None:
        kept = {made.name for made in types}
        for old in self._types.get(record.name, []):
            if old.name not in kept:
                self._forget(old)
        self._types[record.name] = types
        for made in types:
            self._options.registry.add(made)

    def _unregister(self, name: str) -> None:
        for made in self._types.pop(name, []):
            self._forget(made)
        self._guests.pop(name, None)

    def _forget(self, made: AutomatonType) -> None:
        self._options.registry.remove(made)
        self._host.entities.forget(made)

    def _record(self, name: str) -> UploadRecord:
        record = self._records.get(name)
        if record is None:
            raise InvalidArgument(
                f"there is no upload {name!r}; there are: {', '.join(sorted(self._records)) or 'none'}"
            )
        return record

    def _shown(self, record: UploadRecord) -> Upload:
        version = record.running()
        return Upload(
            record.name,
            record.uploader,
            record.current,
            [known.number for known in record.versions],
            [made.name for made in self._types.get(record.name, [])],
            version.digest,
            version.size_bytes,
            dataclasses.replace(self._guests[record.name].usage),
        )

    def _drop_unused(self, digest: str) -> None:
        used = {version.digest for record in self._records.values() for version in record.versions}
        if digest not in used and not self._arriving[digest]:
            del self._arriving[digest]
            self._shelf.drop(digest)

    async def _beside(self, work: Callable[[], T]) -> T:
        """Do what takes seconds in a thread, where there are any."""
        if not self._options.sandbox_threads:
            return work()
        return await asyncio.get_running_loop().run_in_executor(None, work)


def _check_name(name: str, what: str) -> None:
    if not name or len(name) > 100 or not name.isprintable() or not name.isascii() or "/" in name:
        raise InvalidArgument(f"the name of {what} has 1 to 100 printable ASCII characters without '/', not {name!r}")
