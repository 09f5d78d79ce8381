"""The fields of one object as its rows hold them, with or without its type, for people."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from automata.collection import CollectionField
from automata.errors import InvalidArgument
from automata.fields import MutableField, PickledField, ValueField
from automata.partitions import partition_of
from automata.stored_fields import LIST, MAP, SET, StoredCollection, StoredFields
from automata.types import AutomatonType
from automata.values import ordered
from automata.values.untyped import decode_untyped
from darq import keys, overlay
from darq.overlay import Overlay
from darq.store import Store
from ssms.cli.address import Address

_KINDS = {LIST: "List", MAP: "Map", SET: "Set"}

Decode = Callable[[bytes], object]


@dataclass(frozen=True)
class Entries:
    """A collection. kind: List, Map or Set; size: of the whole; shown: the last items of a List, the first
    members of a Set, the first (key, value) of a Map."""

    kind: str
    size: int
    shown: list[object]


@dataclass(frozen=True)
class StoreReader:
    """Reads the state of objects in a store that no log has opened."""

    store: Store

    def read(self, prefix: bytes, subkey: bytes, /) -> bytes | None:
        """One value."""
        return self.store.get(prefix + subkey)

    def scan(
        self,
        prefix: bytes,
        bounds: tuple[bytes, bytes],
        limit: int,
        reverse: bool = False,
        over: Sequence[Overlay] = (),
    ) -> list[tuple[bytes, bytes]]:
        """Rows in order."""
        return overlay.scan(self.store, prefix, over, bounds, limit, reverse)


class StoredObject:
    """Reads one object. entries_max: how many entries of a collection are read; 0 reads all."""

    def __init__(self, store: Store, address: Address, made: AutomatonType | None, entries_max: int) -> None:
        partition = partition_of(address.type_name, address.key)
        self.exists = store.get(keys.partition_key(keys.DIRECTORY, partition)) is not None
        self._stored = StoredFields(StoreReader(store), keys.partition_key(keys.STATE, partition))
        self._made = made
        self._entries_max = entries_max or keys.ALL

    def fields(self) -> dict[str, object]:
        """Its fields by name: those with rows, and with a type the others at their defaults."""
        found = self._declared()
        for name in self._stored:
            data = self._stored.value(name)
            if data is not None:
                found[name] = self._decoder(name)(data)
            elif (stored := self._stored.collection(name)) is not None:
                found[name] = self._entries(name, stored)
        return found

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

    def _entries(self, name: str, stored: StoredCollection) -> Entries:
        kind, size, decode = _KINDS[stored.sort], stored.size, self._decoder(name)
        rows = self._stored.some(name, self._entries_max, reverse=stored.sort == LIST)
        if stored.sort == LIST:
            return Entries(kind, size, [decode(data) for _, data in reversed(rows)])
        if stored.sort == SET:
            return Entries(kind, size, [ordered.decode(key) for key, _ in rows])
        return Entries(kind, size, [(ordered.decode(key), decode(data)) for key, data in rows])


def _typed(decode: Decode) -> Decode:
    def decode_or_show(data: bytes) -> object:
        try:
            return decode(data)
        except (InvalidArgument, ValueError):  # the class has changed since: show what is there
            return decode_untyped(data)

    return decode_or_show
