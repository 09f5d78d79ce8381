"""What a store keeps of an upload: which versions there are, and which one runs (docs/FORMAT.md)."""

from __future__ import annotations

import msgspec

from darq.errors import StoreDamaged


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


class UploadRecord(msgspec.Struct, frozen=True, array_like=True):
    """One upload. current: the number of the version that runs; versions: oldest first."""

    name: str
    uploader: str
    current: int
    versions: list[Version]

    def running(self) -> Version:
        """The version that runs."""
        return next(version for version in self.versions if version.number == self.current)

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


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(UploadRecord).decode
