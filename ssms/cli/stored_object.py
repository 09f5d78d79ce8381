"""The fields of one object as its rows hold them, with or without its type, for people.

Of an automaton the rows are its last checkpoint; with its type, what was recorded since is applied to that.
"""

from collections.abc import Callable
from dataclasses import dataclass

from automata.checkpoint import CUSTOM
from automata.collection import CollectionField
from automata.entity import load
from automata.errors import InvalidArgument
from automata.fields import MutableField, PickledField, ValueField
from automata.partitions import partition_of
from automata.state import READ
from automata.stored_fields import LIST, MAP, SET, StoredCollection, StoredFields
from automata.types import AutomatonType
from automata.values import ordered
from automata.values.untyped import decode_untyped
from automata.volatile_type import VolatileType
from darq import keys
from darq.records import StoreReader
from darq.store import Store
from ssms.cli.address import Address

CHECKPOINT = "checkpoint()"
"""In place of fields: what the class's own checkpoint gave."""

_KINDS = {LIST: "List", MAP: "Map", SET: "Set"}

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
        self.exists = store.get(keys.partition_key(keys.DIRECTORY, partition)) is not None
        self._prefix = keys.partition_key(keys.STATE, partition)
        self._key = address.key
        self._reader = StoreReader(store)
        self._stored = StoredFields(self._reader, self._prefix)
        self._made = made
        self._entries_max = entries_max or keys.ALL

    def fields(self) -> dict[str, object]:
        """Its fields by name: those with rows, and with a type the others at their defaults.

        Raises StateError for an automaton whose records do not apply.
        """
        if isinstance(self._made, VolatileType):
            return self._rebuilt(self._made)
        found = self._declared()
        custom = self._reader.read(self._prefix, CUSTOM)
        if custom is not None:
            found[CHECKPOINT] = decode_untyped(custom)
        for name in self._stored:
            data = self._stored.value(name)
            if data is not None:
                found[name] = self._decoder(name)(data)
            elif (stored := self._stored.collection(name)) is not None:
                found[name] = self._entries(name, stored)
        return found

    def _rebuilt(self, made: VolatileType) -> dict[str, object]:
        state, instance = load(made, self._key, self._reader, self._prefix)
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
