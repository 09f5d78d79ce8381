"""What uploads have used, kept beside what they store: of each upload, and of each uploader (docs/FORMAT.md).

It is written with a group that is written anyway, every few seconds: a crash loses what was used since.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable, Iterator

import msgspec

from automata.sandbox.usage import Usage
from darq import keys
from darq.errors import StoreDamaged
from darq.group import Group
from darq.log import Log

SECONDS_BETWEEN = 5.0

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[int, int, float, int, int, int, int]).decode
_Rows = Iterable[tuple[bytes, bytes]]


def upload_key(name: str) -> bytes:
    """The row of one upload."""
    return keys.USAGE + b"m" + name.encode()


def uploader_key(name: str) -> bytes:
    """The row of one uploader: of all his uploads, also of those that are removed."""
    return keys.USAGE + b"u" + name.encode()


def decode_rows(rows: _Rows) -> dict[bytes, Usage]:
    """What is kept, by the keys of its rows. Raises StoreDamaged."""
    try:
        return {key: Usage(*_decode(row)) for key, row in rows}
    except msgspec.MsgspecError as error:
        raise StoreDamaged(f"what the store says of an upload's usage is damaged: {error}") from error


class UsageBook:
    """That of one store, while this process runs it.

    taken: gives (upload, uploader, what it has used here since that was asked last).
    """

    def __init__(self, log: Log, taken: Callable[[], Iterable[tuple[str, str, Usage]]]) -> None:
        self._log = log
        self._taken = taken
        self._kept = decode_rows(log.rows(keys.USAGE))
        self._changed: set[bytes] = set()
        self._written = log.clock()
        log.stagers.append(self._stage)

    def of_upload(self, name: str) -> Usage:
        """What an upload has used since it was first taken in."""
        self.collect()
        return dataclasses.replace(self._kept.get(upload_key(name), _NOTHING))

    def of_uploader(self, name: str) -> Usage:
        """What all uploads of an uploader have used."""
        self.collect()
        return dataclasses.replace(self._kept.get(uploader_key(name), _NOTHING))

    def uploaders(self) -> Iterator[str]:
        """Those that have used anything."""
        yield from (key[2:].decode() for key in self._kept if key.startswith(uploader_key("")))

    def keep_only(self, names: Collection[str]) -> None:
        """Forget uploads that there are no more. Their uploaders' usage stays."""
        self.collect()
        known = {upload_key(name) for name in names}
        for key in [key for key in self._kept if key.startswith(upload_key("")) and key not in known]:
            del self._kept[key]
            self._changed.add(key)

    def collect(self) -> None:
        """Count what was used since this was done last."""
        for name, uploader, used in self._taken():
            if used != _NOTHING:
                for key in (upload_key(name), uploader_key(uploader)):
                    self._kept.setdefault(key, Usage()).add(used)
                    self._changed.add(key)

    # inside

    def _stage(self, group: Group) -> None:
        """The open group is about to be written: a few rows more, if it is time, or if it is the last."""
        now = self._log.clock()
        if abs(now - self._written) < SECONDS_BETWEEN and keys.CLOSED not in group.rows:
            return
        self._written = now
        self.collect()
        for key in self._changed:
            kept = self._kept.get(key)
            group.rows[key] = None if kept is None else _encode(dataclasses.astuple(kept))
        self._changed.clear()


_NOTHING = Usage()
