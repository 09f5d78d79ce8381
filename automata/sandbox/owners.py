"""Whose the names of types are: who has uploaded one first has it, also once the upload is removed (docs/FORMAT.md).

Objects keep their state when an upload is removed. Without this, whoever uploads a type of the same name next could
read it; and who names a type as a native class is named, of which this process knows nothing, could read its objects.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from automata.errors import ModuleRefused
from automata.partitions import partition_of
from darq import keys
from darq.errors import StoreDamaged
from darq.log import Log
from darq.step import Step

_KINDS = (keys.DIRECTORY, keys.STATE, keys.RECORD, keys.REQUEST, keys.MOVED, keys.GUEST)
"""Rows of which each belongs to one object."""


class Owner(msgspec.Struct, frozen=True, array_like=True):
    """Whose a type is: of the upload that has brought it last, and of whoever has uploaded that."""

    upload: str
    uploader: str


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Owner).decode


class Owners:
    """Of the types of one store that uploads have, or had. Objects of any other type are those of native code."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def check(self, uploader: str, types: Iterable[str]) -> None:
        """Raise ModuleRefused for a type of which there are objects that are somebody else's."""
        for name in types:
            owner = self._find(name)
            if (owner is None or owner.uploader != uploader) and self._has_objects(name):
                whose = "native code" if owner is None else f"the upload {owner.upload!r} of {owner.uploader!r}"
                raise ModuleRefused(
                    f"the store has objects of a type {name}, which are those of {whose}: name yours otherwise"
                )

    def take(self, step: Step, upload: str, uploader: str, types: Iterable[str]) -> None:
        """They are this upload's from that step on."""
        owner = Owner(upload, uploader)
        for name in types:
            if self._find(name) != owner:
                step.set_row(_key(name), _encode(owner))

    def leave(self, step: Step, types: Iterable[str]) -> None:
        """These types are native code's from that step on."""
        for name in types:
            step.set_row(_key(name), None)

    def all(self) -> set[str]:
        """The types that are an uploader's."""
        return {key[1:].decode() for key, _ in self._log.rows(keys.OWNER)}

    # inside

    def _find(self, name: str) -> Owner | None:
        row = self._log.row(_key(name))
        try:
            return None if row is None else _decode(row)
        except msgspec.MsgspecError as error:
            raise StoreDamaged(f"what the store says of whose a type is is damaged: {error}") from error

    def _has_objects(self, name: str) -> bool:
        log = self._log
        for kind in _KINDS:
            begin = kind + keys.escape(partition_of(name, ""))
            if any(True for _ in log.store.scan(begin, keys.after(begin), 1)):
                return True
            if any(key.startswith(begin) and row is not None for key, row in log.group.rows.items()):
                return True
        return False


def _key(name: str) -> bytes:
    return keys.OWNER + name.encode()
