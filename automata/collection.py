"""What Map, List and Set share: entries stored one by one, a size kept beside them, and iteration that may go on
across changes (LambdaObjects §3: a field is a single value or a collection of entries indexed by a key)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from automata.errors import InvalidArgument, StateError
from automata.fields import checked, state_of
from automata.state import ENTRY, SIZE, VALUE, Bounds, Live, ObjectState
from darq.keys import after

if TYPE_CHECKING:
    from automata.values.value_type import ValueType

_FIRST_PAGE_ROWS, _PAGE_ROWS_MAX = 16, 512
_SORTS = {b"L": "List", b"M": "Map", b"S": "Set"}
_count = struct.Struct(">cQ")


class Collection:
    """One collection field of one object. Instances live as long as their object's instance does."""

    sort: ClassVar[bytes]  # which kind of collection, as stored with its size

    def __init__(self, name: str, state: ObjectState, kinds: tuple[ValueType, ...]) -> None:
        self._name = name
        self._state = state
        self._kinds = kinds
        base = name.encode()
        self._size_key, self._value_key = base + SIZE, base + VALUE
        self._prefix = base + ENTRY

    def __len__(self) -> int:
        return self._size()[0]

    def __bool__(self) -> bool:
        return len(self) > 0

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = None  # type: ignore[assignment]

    def clear(self) -> None:
        """Drop all entries."""
        self._state.check_writable(self._name)
        if len(self):
            self._state.drop_range(self._bounds())
            self._set_size((0,))

    def _size(self) -> tuple[int, ...]:
        size = self._state.sizes.get(self._size_key)
        if size is None:
            data = self._state.read(self._size_key)
            if data is None and self._state.read(self._value_key) is not None:
                raise self._state.misfit(self._name, f"a single value is stored, and a {_SORTS[self.sort]} declared")
            size = self._state.sizes[self._size_key] = self._stored_size(data) if data else self._empty()
        return size

    def _stored_size(self, data: bytes) -> tuple[int, ...]:
        if data[:1] != self.sort:
            stored, declared = _SORTS.get(data[:1], "another collection"), _SORTS[self.sort]
            raise self._state.misfit(self._name, f"a {stored} is stored, and a {declared} declared")
        return self._decode_size(data)

    def _set_size(self, size: tuple[int, ...]) -> None:
        self._state.sizes[self._size_key] = size
        self._state.sizes_dirty[self._size_key] = self._encode_size

    def _empty(self) -> tuple[int, ...]:
        return (0,)

    def _encode_size(self, size: tuple[int, ...]) -> bytes:
        return _count.pack(self.sort, size[0])

    def _decode_size(self, data: bytes) -> tuple[int, ...]:
        return (int(_count.unpack(data)[1]),)

    def _bounds(self) -> Bounds:
        return self._prefix, after(self._prefix)

    def _rows(self, bounds: Bounds, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        """Rows in order, read in growing pages. After any change, goes on behind the last row given out."""
        self._size()  # another kind of collection may be stored here, whose rows would be misread
        begin, end = bounds
        page = _FIRST_PAGE_ROWS
        while True:
            rows = self._state.scan((begin, end), page, reverse)
            read_at = self._state.changes
            for row in rows:
                begin, end = (begin, row[0]) if reverse else (row[0] + b"\x00", end)
                yield row
                if self._state.changes != read_at:
                    break
            else:
                if len(rows) < page:
                    return
                page = min(page * 4, _PAGE_ROWS_MAX)

    def _load(self, kind: ValueType, subkey: bytes, data: bytes) -> object:
        """The value in a row; one that can change in place is watched."""
        live = None if kind.immutable else self._state.live.get(subkey)
        if live is None:
            try:
                value = kind.decode(data)
            except InvalidArgument as error:
                raise self._state.misfit(self._name, str(error)) from None
            if kind.immutable:
                return value
            live = Live(self._name, kind, value, data)
            if self._state.mode:
                self._state.live[subkey] = live
        return live.value

    def _store(self, kind: ValueType, subkey: bytes, value: object) -> None:
        """Set a row to a value that was accepted; one that can change in place is watched."""
        data = kind.encode(value)
        self._state.put(subkey, data)
        if not kind.immutable:
            self._state.live[subkey] = Live(self._name, kind, value, data)

    def _accept(self, kind: ValueType, value: object) -> object:
        if type(value) is kind.exact and value is not None:
            return value
        try:
            return checked(kind, value)
        except InvalidArgument as error:
            raise InvalidArgument(f"{self._name}: {error}") from None


class CollectionField:
    """A declared collection: gives each instance its live collection, and refuses to be assigned."""

    def __init__(self, name: str, maker: type[Collection], kinds: tuple[ValueType, ...]) -> None:
        self.name = name
        self.maker = maker
        self.kinds = kinds

    def __get__(self, instance: object, owner: type | None = None) -> object:
        if instance is None:
            return self
        state = state_of(instance)
        collection = state.values[self.name] = self.maker(self.name, state, self.kinds)
        return collection

    def assign(self, state: ObjectState, value: object) -> None:
        """Augmented assignment of the collection to itself is no change; anything else is refused."""
        if value is state.values.get(self.name):
            return
        raise StateError(
            f"the collection {self.name!r} cannot be assigned, because its entries are stored one by one: "
            f"change its entries, or clear() it first"
        )

    def plain(self, instance: object) -> object:
        """Its content as a list, dict or set."""
        return getattr(instance, self.name).plain()
