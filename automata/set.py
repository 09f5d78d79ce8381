"""`Set[T]`: a set in order whose members are stored one by one (LambdaObjects, Listing 1: a user's followers)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableSet
from typing import Generic, TypeVar, cast

from automata.collection import Collection
from automata.values import ordered

T = TypeVar("T")


class Set(Collection, MutableSet[T], Generic[T]):  # noqa: PLW1641 - Collection says it has no hash
    """A field's set. Adding, discarding and asking touch one row; iteration is in order."""

    sort = b"S"

    def add(self, member: T) -> None:
        """Put a member in; no change if it is there."""
        self._state.check_writable(self._name)
        subkey = self._key(member)
        if self._state.read(subkey) is None:
            count = self._size()[0]
            self._state.put(subkey, b"")
            self._set_size((count + 1,))

    def discard(self, member: T) -> None:
        """Take a member out; no change if it is not there."""
        self._state.check_writable(self._name)
        subkey = self._key(member)
        if self._state.read(subkey) is not None:
            self._state.delete(subkey)
            self._set_size((self._size()[0] - 1,))

    def update(self, members: Iterable[T]) -> None:
        """Put several members in."""
        for member in list(members):
            self.add(member)

    def __contains__(self, member: object) -> bool:
        if self._state.read(self._key(cast("T", member))) is not None:
            return True
        self._size()  # something else may be stored under this name
        return False

    def __iter__(self) -> Iterator[T]:
        return (self._decode(subkey) for subkey, _ in self._rows(self._bounds()))

    def __reversed__(self) -> Iterator[T]:
        return (self._decode(subkey) for subkey, _ in self._rows(self._bounds(), reverse=True))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, set | frozenset | Set):
            return set(self) == set(other)
        return NotImplemented

    @classmethod
    def _from_iterable(cls, members: Iterable[T]) -> set[T]:  # type: ignore[override]
        return set(members)  # what `self.friends & others` gives is a plain set

    def __repr__(self) -> str:
        return f"<Set {self._name!r} of {len(self)} members>"

    def _key(self, member: T) -> bytes:
        return self._prefix + ordered.encode(cast("ordered.Key", self._accept(self._kinds[0], member)))

    def _decode(self, subkey: bytes) -> T:
        return cast("T", ordered.decode(subkey[len(self._prefix) :]))

    def plain(self) -> set[T]:
        """A copy as plain Python."""
        return set(self)
