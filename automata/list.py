"""`List[T]`: a list whose items are stored one by one (LambdaObjects, Listing 1: a user's timeline)."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from operator import index as as_index
from typing import TYPE_CHECKING, Generic, TypeVar, overload

from automata.collection import Collection
from automata.state import Bounds

if TYPE_CHECKING:
    from automata.values.value_type import ValueType

T = TypeVar("T")

_ends = struct.Struct(">cQQ")
_position = struct.Struct(">Q")


class List(Collection, Generic[T]):
    """A field's list. Appending, indexing, `last(n)`, `pop()` and `popleft()` touch only the items they name."""

    sort = b"L"

    def __len__(self) -> int:
        first, end = self._size()
        return end - first

    def append(self, item: T) -> None:
        """Add one item at the end."""
        self._state.check_writable(self._name)
        first, end = self._size()
        self._store(self._kind, self._key(end), self._accept(self._kind, item))
        self._set_size((first, end + 1))

    def extend(self, items: Iterable[T]) -> None:
        """Add items at the end, in order."""
        for item in list(items):
            self.append(item)

    def pop(self) -> T:
        """Take off and return the last item; IndexError if there is none."""
        first, end = self._size()
        item = self[-1]
        self._drop(end - 1, (first, end - 1))
        return item

    def popleft(self) -> T:
        """Take off and return the first item; IndexError if there is none."""
        first, end = self._size()
        item = self[0]
        self._drop(first, (first + 1, end))
        return item

    def last(self, n: int) -> list[T]:
        """Up to `n` last items, oldest first."""
        first, end = self._size()
        return list(self._items(max(first, end - max(0, n)), end))

    def clear(self) -> None:
        """Drop all items."""
        self._state.check_writable(self._name)
        first, end = self._size()
        if end > first:
            self._state.drop_range(self._bounds())
            self._set_size((end, end))

    @overload
    def __getitem__(self, at: int) -> T: ...
    @overload
    def __getitem__(self, at: slice) -> list[T]: ...
    def __getitem__(self, at: int | slice) -> T | list[T]:
        if isinstance(at, slice):
            return self._slice(at)
        key = self._key(self._locate(at))
        live = self._state.live.get(key)
        if live is not None:
            return live.value  # type: ignore[return-value]
        data = self._state.read(key)
        assert data is not None, "an item within the stored bounds has a row"
        return self._load(self._kind, key, data)  # type: ignore[return-value]

    def __setitem__(self, at: int, item: T) -> None:
        self._state.check_writable(self._name)
        self._store(self._kind, self._key(self._locate(at)), self._accept(self._kind, item))

    def __iadd__(self, items: Iterable[T]) -> List[T]:
        self.extend(items)
        return self

    def __iter__(self) -> Iterator[T]:
        first, _end = self._size()
        return self._items(first, None)

    def __reversed__(self) -> Iterator[T]:
        first, end = self._size()
        return self._items(first, end, reverse=True)

    def __contains__(self, item: object) -> bool:
        return any(item == mine for mine in self)

    def __repr__(self) -> str:
        return f"<List {self._name!r} of {len(self)} items>"

    @property
    def _kind(self) -> ValueType:
        return self._kinds[0]

    def _items(self, first: int, end: int | None, reverse: bool = False) -> Iterator[T]:
        last = self._bounds()[1] if end is None else self._key(end)
        bounds: Bounds = (self._key(first), last)
        for key, data in self._rows(bounds, reverse):
            yield self._load(self._kind, key, data)  # type: ignore[misc]

    def _slice(self, at: slice) -> list[T]:
        first, _ = self._size()
        chosen = range(len(self))[at]
        if not chosen:
            return []
        low, high = min(chosen[0], chosen[-1]), max(chosen[0], chosen[-1])
        items = list(self._items(first + low, first + high + 1))
        return [items[n - low] for n in chosen]

    def _locate(self, at: int) -> int:
        first, end = self._size()
        at = as_index(at)
        position = first + at if at >= 0 else end + at
        if not first <= position < end:
            raise IndexError(f"{self._name} has {end - first} items: there is no index {at}")
        return position

    def _drop(self, position: int, size: tuple[int, int]) -> None:
        self._state.check_writable(self._name)
        self._state.delete(self._key(position))
        self._set_size(size)

    def _key(self, position: int) -> bytes:
        return self._prefix + _position.pack(position)

    def _empty(self) -> tuple[int, ...]:
        return (0, 0)

    def _encode_size(self, size: tuple[int, ...]) -> bytes:
        return _ends.pack(self.sort, size[0], size[1])

    def _decode_size(self, data: bytes) -> tuple[int, ...]:
        _, first, end = _ends.unpack(data)
        return (first, end)

    def plain(self) -> list[T]:
        """A copy as plain Python."""
        return list(iter(self))  # not as long as its size says, which a damaged row may hold
