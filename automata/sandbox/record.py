"""What is kept of an upload: which versions there are, and which one runs (docs/FORMAT.md).

Embedded it is a row of the store, on a cluster one of the catalog. What becomes of it is decided here for both.
"""

from __future__ import annotations

import msgspec

from automata.errors import InvalidArgument, ModuleRefused
from automata.sandbox.limits import limits_of
from automata.sandbox.manifest import Manifest, read_manifest
from darq.errors import StoreDamaged

CORE, COMPONENT = "core", "component"
"""The kinds of modules."""

_KINDS = {CORE: "core module", COMPONENT: "component"}

VERSIONS_KEPT = 10
"""Of each upload: the oldest goes when there are more, unless it runs."""

ANYBODY = "anybody"
"""The uploader, where none is named."""


class Version(msgspec.Struct, frozen=True, array_like=True):
    """One version. digest: SHA-256 of the module, in hexadecimal; kind: "core" or "component"; manifest: as JSON;
    limits: those that were given, by name.
    """

    number: int
    digest: str
    kind: str
    size_bytes: int
    manifest: bytes
    limits: dict[str, int | float]

    @property
    def core(self) -> bool:
        """Whether it is a core module."""
        return self.kind == CORE


class UploadRecord(msgspec.Struct, frozen=True, array_like=True):
    """One upload. current: the number of the version that runs; versions: oldest first."""

    name: str
    uploader: str
    current: int
    versions: list[Version]

    def running(self) -> Version:
        """The version that runs."""
        return next(version for version in self.versions if version.number == self.current)

    def manifest(self) -> Manifest:
        """What the version that runs says of itself. Raises ModuleRefused."""
        running = self.running()
        return read_manifest(running.manifest, limits_of(running.limits))

    def types(self) -> list[str]:
        """The names of its types, as far as this release can read them."""
        try:
            return [made.name for made in _named(self.running().manifest).types]
        except msgspec.MsgspecError:
            return []

    def runs(self, version: Version) -> bool:
        """Whether this is what runs already, whatever its number."""
        running = self.running()
        return running.digest == version.digest and running.limits == version.limits

    def with_only_running(self) -> UploadRecord:
        """The same without the manifests of versions that do not run."""
        return msgspec.structs.replace(self, versions=[self._bare(version) for version in self.versions])

    def _bare(self, version: Version) -> Version:
        return version if version.number == self.current else msgspec.structs.replace(version, manifest=b"")

    def encode(self) -> bytes:
        """As a row."""
        return _encode(self)

    @staticmethod
    def decode(data: bytes) -> UploadRecord:
        """From a row. Raises StoreDamaged."""
        try:
            return _decode(data)
        except msgspec.MsgspecError as error:
            raise StoreDamaged(f"what the store says of an upload is damaged: {error}") from error


class _NamedType(msgspec.Struct):
    """What of a type any release can read."""

    name: str


class _Named(msgspec.Struct):
    """What of a manifest any release can read."""

    types: list[_NamedType]


_named = msgspec.json.Decoder(_Named).decode
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(UploadRecord).decode


def with_version(record: UploadRecord | None, name: str, uploader: str, new: Version) -> UploadRecord:
    """An upload, if there is one, with a next version, which runs.

    Raises ModuleRefused if it is somebody else's, or of the other kind: objects would have rows that it cannot read.
    """
    if record is not None and record.uploader != uploader:
        raise ModuleRefused(f"the upload {name!r} is {record.uploader!r}'s: choose another name")
    if record is not None and record.running().kind != new.kind:
        raise ModuleRefused(
            f"the upload {name!r} is a {_KINDS[record.running().kind]}, and this is a {_KINDS[new.kind]}, which keeps "
            "other rows: choose other names for it and its types, or remove the upload first"
        )
    known = record.versions if record is not None else []
    number = 1 + max((version.number for version in known), default=0)
    return UploadRecord(name, uploader, number, [*known, msgspec.structs.replace(new, number=number)][-VERSIONS_KEPT:])


def rolled_back(record: UploadRecord, version: int | None) -> UploadRecord:
    """Another version runs: the one before, if none is named. Raises InvalidArgument if there is none."""
    numbers = [known.number for known in record.versions]
    earlier = [number for number in numbers if number < record.current]
    chosen = version if version is not None else (earlier[-1] if earlier else None)
    if chosen not in numbers:
        what = "earlier version" if chosen is None else f"version {chosen}"
        raise InvalidArgument(f"{record.name} has no {what}: it has {', '.join(map(str, numbers))}")
    return msgspec.structs.replace(record, current=chosen)


def check_name(name: str, what: str) -> None:
    """Raise InvalidArgument unless an upload, or an uploader, can have this name."""
    if not name or len(name) > 100 or not name.isprintable() or not name.isascii() or "/" in name:
        raise InvalidArgument(f"the name of {what} has 1 to 100 printable ASCII characters without '/', not {name!r}")


def no_upload(name: str, known: list[str]) -> InvalidArgument:
    """The error of who names an upload that there is not."""
    return InvalidArgument(f"there is no upload {name!r}; there are: {', '.join(sorted(known)) or 'none'}")
