"""The fields of one object as its rows hold them, with or without its type (row layout: `automata.state`).

Of an automaton the rows are its last checkpoint; with its type, what was recorded since is applied to that.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass

from automata.checkpoint import COVERED, CUSTOM
from automata.collection import CollectionField
from automata.entity import load
from automata.errors import InvalidArgument
from automata.fields import MutableField, PickledField, ValueField
from automata.partitions import partition_of
from automata.state import ENTRY, READ, VALUE
from automata.types import AutomatonType
from automata.values import ordered
from automata.volatile_type import VolatileType
from darq import keys
from darq.records import StoreReader, stored
from darq.store import Store
from ssms.cli.address import Address
from ssms.cli.untyped import decode_untyped

CHECKPOINT = "checkpoint()"
"""In place of fields: what the class's own checkpoint gave."""

_KINDS = {b"L": "List", b"M": "Map", b"S": "Set"}
_count, _ends = struct.Struct(">cQ"), struct.Struct(">cQQ")

Decode = Callable[[bytes], object]


@dataclass(frozen=True)
class Entries:
    """A collection. kind: List, Map or Set; size: of the whole; shown: the last items of a List, the first
    members of a Set, the first (key, value) of a Map."""

    kind: str
    size: int
    shown: list[object]


class StoredObject:
    """Reads one object. entries_max: how many entries of a collection are read; 0 reads all."""

    def __init__(self, store: Store, address: Address, made: AutomatonType | None, entries_max: int) -> None:
        partition = partition_of(address.type_name, address.key)
        self._partition = partition
        self._key = address.key
        self.exists = store.get(keys.partition_key(keys.DIRECTORY, partition)) is not None
        self._store = store
        self._prefix = keys.partition_key(keys.STATE, partition)
        self._made = made
        self._entries_max = entries_max or keys.ALL

    def records(self) -> int:
        """How many records of an automaton follow its checkpoint."""
        covered = self._store.get(self._prefix + COVERED)
        after_lsn = keys.number_of(covered) if covered else 0
        return sum(1 for _ in stored(self._store, self._partition, after_lsn))

    def fields(self) -> dict[str, object]:
        """Its fields by name: those with rows, and with a type the others at their defaults.

        Raises StateError for an automaton whose records do not apply.
        """
        if isinstance(self._made, VolatileType):
            return self._rebuilt(self._made)
        found = self._declared()
        at, end = self._prefix, keys.after(self._prefix)
        while rows := self._store.scan(at, end, 1):
            row, data = rows[0]
            name, kind, _ = _split(row[len(self._prefix) :])
            if not name:
                if row.endswith(CUSTOM):
                    found[CHECKPOINT] = decode_untyped(data)
                at = row + b"\x00"
            elif kind == VALUE:
                found[name] = self._decoder(name)(data)
                at = row + b"\x00"
            else:
                found[name] = self._entries(name, data)
                at = keys.after(self._prefix + name.encode() + ENTRY)
        return found

    def _rebuilt(self, made: VolatileType) -> dict[str, object]:
        state, instance = load(made, self._key, StoreReader(self._store), self._prefix)
        state.begin(READ)
        return {name: field.plain(instance) for name, field in made.fields.items()}

    def _declared(self) -> dict[str, object]:
        found: dict[str, object] = {}
        for name, field in self._made.fields.items() if self._made else ():
            if isinstance(field, CollectionField):
                found[name] = Entries(_KINDS[field.maker.sort], 0, [])
            elif isinstance(field, MutableField | PickledField):
                found[name] = field.kind.decode(field.default)
            elif isinstance(field, ValueField):
                found[name] = field.default
        return found

    def _decoder(self, name: str) -> Decode:
        field = self._made.fields.get(name) if self._made else None
        if isinstance(field, CollectionField):
            return _typed(field.kinds[-1].decode)
        if isinstance(field, ValueField | MutableField):
            return _typed(field.kind.decode)
        return decode_untyped  # a pickle is not opened to be looked at: that would run its code

    def _entries(self, name: str, size_row: bytes) -> Entries:
        kind = _KINDS[size_row[:1]]
        if kind == "List":
            _, first, behind = _ends.unpack(size_row)
            rows = self._rows(name, reverse=True)[::-1]
            return Entries(kind, behind - first, [self._decoder(name)(data) for _, data in rows])
        _, size = _count.unpack(size_row)
        rows = self._rows(name, reverse=False)
        if kind == "Set":
            return Entries(kind, size, [ordered.decode(key) for key, _ in rows])
        return Entries(kind, size, [(ordered.decode(key), self._decoder(name)(data)) for key, data in rows])

    def _rows(self, name: str, reverse: bool) -> list[tuple[bytes, bytes]]:
        prefix = self._prefix + name.encode() + ENTRY
        rows = self._store.scan(prefix, keys.after(prefix), self._entries_max, reverse)
        return [(row[len(prefix) :], data) for row, data in rows]


def _split(subkey: bytes) -> tuple[str, bytes, bytes]:
    """(field name, tag, rest) of a subkey."""
    at = subkey.index(b"\x00")
    return subkey[:at].decode(), subkey[at : at + 2], subkey[at + 2 :]


def _typed(decode: Decode) -> Decode:
    def decode_or_show(data: bytes) -> object:
        try:
            return decode(data)
        except (InvalidArgument, ValueError):  # the class has changed since: show what is there
            return decode_untyped(data)

    return decode_or_show
