"""The fields of one object as its rows hold them, without its type (row layout: `automata.state`)."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from automata.state import ENTRY, SIZE, VALUE, Reader
from automata.values import ordered
from automata.values.untyped import read_untyped
from darq import keys

LIST, MAP, SET = b"L", b"M", b"S"
_count, _ends = struct.Struct(">cQ"), struct.Struct(">cQQ")
_PAGE_ROWS = 512


class StoredCollection(NamedTuple):
    """A stored collection. sort: LIST, MAP or SET; size: its entries."""

    sort: bytes
    size: int


class StoredFields(Mapping[str, object]):
    """Field names to plain Python, each read when it is asked for: collections as a list, dict or set.

    Records become dictionaries, enum members text, pickles stay bytes: nothing of the user's is imported.
    """

    def __init__(self, log: Reader, prefix: bytes) -> None:
        self._log = log
        self._prefix = prefix

    def __iter__(self) -> Iterator[str]:
        at = b""
        while rows := self._log.scan(self._prefix, (at, b"\xff"), 1):
            subkey = rows[0][0]
            name = subkey[: subkey.index(b"\x00")]
            yield name.decode()
            at = name + b"\x01"

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __getitem__(self, name: str) -> object:
        data = self.value(name)
        if data is not None:
            return _plain(data)
        stored = self.collection(name)
        if stored is None:
            raise KeyError(name)
        entries = self.entries(name)
        if stored.sort == LIST:
            return [_plain(item) for _, item in entries]
        if stored.sort == SET:
            return {ordered.decode(key) for key, _ in entries}
        return {ordered.decode(key): _plain(item) for key, item in entries}

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (self.value(name) is not None or self.collection(name) is not None)

    def value(self, name: str) -> bytes | None:
        """The row of a single value."""
        return self._log.read(self._prefix, name.encode() + VALUE)

    def collection(self, name: str) -> StoredCollection | None:
        """What is stored under a name, if that is a collection."""
        data = self._log.read(self._prefix, name.encode() + SIZE)
        if data is None:
            return None
        if data[:1] == LIST:
            _, first, behind = _ends.unpack(data)
            return StoredCollection(LIST, behind - first)
        sort, size = _count.unpack(data)
        return StoredCollection(sort, size)

    def entries(self, name: str) -> Iterator[tuple[bytes, bytes]]:
        """(encoded key, row) of the entries of a collection, in order, page by page."""
        prefix = name.encode() + ENTRY
        begin, end = prefix, keys.after(prefix)
        while True:
            rows = self._log.scan(self._prefix, (begin, end), _PAGE_ROWS)
            for subkey, data in rows:
                yield subkey[len(prefix) :], data
            if len(rows) < _PAGE_ROWS:
                return
            begin = rows[-1][0] + b"\x00"

    def some(self, name: str, limit: int, reverse: bool = False) -> list[tuple[bytes, bytes]]:
        """As `entries`, but up to `limit` of them, from the first or from the last one on."""
        prefix = name.encode() + ENTRY
        rows = self._log.scan(self._prefix, (prefix, keys.after(prefix)), limit, reverse)
        return [(subkey[len(prefix) :], data) for subkey, data in rows]


def _plain(data: bytes) -> object:
    try:
        return read_untyped(data)
    except ValueError:
        return data
