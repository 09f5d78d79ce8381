"""Whose the names of types are: who has uploaded one first has it, also once the upload is removed (docs/FORMAT.md).

Objects keep their state when an upload is removed, and messages for them wait. Without this, whoever uploads a type of
the same name next could read both; and so could who names a type as a native class is named, of which this process
knows nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec

from automata.errors import ModuleRefused
from automata.partitions import partition_of
from automata.sandbox.waiting_rows import waited_for
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

    def foreign(self, uploader: str, types: Iterable[str]) -> dict[str, Owner | None]:
        """Those of these types that are not this uploader's, and whose they are: None for native code's or nobody's."""
        found = {name: self._find(name) for name in types}
        return {name: owner for name, owner in found.items() if owner is None or owner.uploader != uploader}

    def check(self, uploader: str, types: Iterable[str]) -> None:
        """Raise ModuleRefused for a type of which there are objects that are somebody else's."""
        for name, owner in self.foreign(uploader, types).items():
            if self._has_objects(name):
                raise ModuleRefused(
                    f"the store has objects of a type {name}, which are those of {_whose(owner)}: name yours otherwise"
                )

    async def check_waiting(self, uploader: str, types: Collection[str]) -> None:
        """Raise ModuleRefused for a type for which messages, timers or methods wait that are somebody else's.

        All of them are durable. What is found holds for as long as nobody else on the loop has had his turn.
        """
        while foreign := self.foreign(uploader, types):
            waiting = await waited_for(self._log.store, foreign)
            if foreign == self.foreign(uploader, types):  # else one was uploaded and removed meanwhile
                for name in sorted(waiting):
                    raise ModuleRefused(
                        f"the store has messages, or unfinished methods, that wait for a type {name} of "
                        f"{_whose(foreign[name])}: name yours otherwise"
                    )
                return

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


def _whose(owner: Owner | None) -> str:
    return "native code" if owner is None else f"the upload {owner.upload!r} of {owner.uploader!r}"


def _key(name: str) -> bytes:
    return keys.OWNER + name.encode()
