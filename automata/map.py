"""`Map[K, V]`: a mapping in key order whose entries are stored one by one."""

from __future__ import annotations

import itertools
from collections.abc import ItemsView, Iterator, KeysView, Mapping, MutableMapping, ValuesView
from typing import Generic, TypeVar, cast

from automata.collection import Collection
from automata.values import ordered

K = TypeVar("K")
V = TypeVar("V")


class Map(Collection, MutableMapping[K, V], Generic[K, V]):  # noqa: PLW1641 - Collection says it has no hash
    """A field's mapping. Touching an entry reads or writes that entry alone; iteration is in key order."""

    sort = b"M"

    def __getitem__(self, key: K) -> V:
        subkey = self._key(key)
        live = self._state.live.get(subkey)
        if live is not None:
            return cast("V", live.value)
        data = self._state.read(subkey)
        if data is None:
            self._size()  # something else may be stored under this name
            raise KeyError(key)
        return cast("V", self._load(self._kinds[1], subkey, data))

    def __setitem__(self, key: K, value: V) -> None:
        self._state.check_writable(self._name)
        subkey = self._key(key)
        accepted = self._accept(self._kinds[1], value)
        added = self._state.read(subkey) is None
        count = self._size()[0]
        self._store(self._kinds[1], subkey, accepted)  # before it is counted: text without UTF-8 is found only here
        if added:
            self._set_size((count + 1,))

    def __delitem__(self, key: K) -> None:
        self._state.check_writable(self._name)
        subkey = self._key(key)
        if self._state.read(subkey) is None:
            raise KeyError(key)
        self._state.delete(subkey)
        self._set_size((self._size()[0] - 1,))

    def __contains__(self, key: object) -> bool:
        if self._state.read(self._key(cast("K", key))) is not None:
            return True
        self._size()  # something else may be stored under this name
        return False

    def __iter__(self) -> Iterator[K]:
        return (self._decode(subkey) for subkey, _ in self._rows(self._bounds()))

    def __reversed__(self) -> Iterator[K]:
        return (self._decode(subkey) for subkey, _ in self._rows(self._bounds(), reverse=True))

    def range(
        self, lo: K | None = None, hi: K | None = None, *, reverse: bool = False, limit: int | None = None
    ) -> Iterator[tuple[K, V]]:
        """(key, value) of the entries with lo <= key < hi in key order, or backwards; None leaves an end open."""
        begin, end = self._bounds()
        begin = begin if lo is None else self._key(lo)
        end = end if hi is None else self._key(hi)
        rows = self._rows((begin, end), reverse) if begin < end else iter(())
        for subkey, data in itertools.islice(rows, limit):
            yield self._decode(subkey), cast("V", self._load(self._kinds[1], subkey, data))

    def items(self) -> ItemsView[K, V]:
        """A view of (key, value) in key order."""
        return _Items(self)

    def values(self) -> ValuesView[V]:
        """A view of the values in key order."""
        return _Values(self)

    def keys(self) -> KeysView[K]:
        """A view of the keys in order."""
        return KeysView(self)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Mapping):
            return dict(self.items()) == dict(other.items())
        return NotImplemented

    def __repr__(self) -> str:
        return f"<Map {self._name!r} of {len(self)} entries>"

    def _key(self, key: K) -> bytes:
        return self._prefix + ordered.encode(cast("ordered.Key", self._accept(self._kinds[0], key)))

    def _decode(self, subkey: bytes) -> K:
        return cast("K", ordered.decode(subkey[len(self._prefix) :]))

    def plain(self) -> dict[K, V]:
        """A copy as plain Python."""
        return dict(self.items())


class _Items(ItemsView[K, V]):
    """Items in one pass over the rows, where the inherited view would look up each key."""

    _mapping: Map[K, V]

    def __iter__(self) -> Iterator[tuple[K, V]]:
        return self._mapping.range()


class _Values(ValuesView[V]):
    """Values in one pass over the rows."""

    _mapping: Map[object, V]

    def __iter__(self) -> Iterator[V]:
        return (value for _, value in self._mapping.range())
