"""Values that a method has read before a commit point: it must not change them behind it, as nobody would notice.

Each is compared with what it was at every commit point for as long as the method can still get at it, so that a method
with many awaits does not compare all that it has ever read each time.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from automata.errors import StateError

if TYPE_CHECKING:
    from automata.state import Live

_ATOMS = frozenset({int, float, complex, str, bytes, bool, type(None), datetime, date, time, timedelta, Decimal, UUID})
_CONTAINERS = frozenset({list, dict, set, frozenset, tuple})
_EMPTY = frozenset({tuple, frozenset})  # there is one empty one of each
_TRACES = 1 << 14  # Py_TPFLAGS_HAVE_GC: the class tells the garbage collector what its instances refer to


class Detached:
    """The values of the parts of one method that have ended."""

    def __init__(self) -> None:
        self._values: list[Live] = []

    def add(self, values: Sequence[Live]) -> None:
        """Values of a part that has ended."""
        self._values += values

    def check(self, name: str) -> None:
        """Raise StateError if one was changed. name: of the method."""
        if not self._values:
            return
        for live in self._values:
            if live.encode_changed() is not None:
                raise StateError(
                    f"{name}: {live.name!r} was read before an await of another object and changed after it; "
                    "others may have changed it meanwhile: read it again, then change it"
                )
        self._values = [live for live in self._values if _is_held(live)]


def _is_held(live: Live) -> bool:
    """Whether anybody else may refer to the value, or to anything in it. In doubt somebody does.

    Who has no reference can get none any more, so the value cannot change. Counting references is the one way to know:
    the method may have passed the value on to anywhere.
    """
    try:
        return sys.getrefcount(live.value) > _REFERENCES_OF_OWNER or _is_held_inside(live.value)
    except RecursionError:
        return True


def _is_held_inside(value: object) -> bool:
    if type(value) in _ATOMS:
        return False
    if type(value) not in _CONTAINERS and not type(value).__flags__ & _TRACES:
        return True
    inside = gc.get_referents(value)
    while inside:
        if not _is_shared(inside[-1]):
            if sys.getrefcount(inside[-1]) > _REFERENCES_OF_ELEMENT:
                return True
            if _is_held_inside(inside[-1]):
                return True
        inside.pop()
    return False


def _is_shared(value: object) -> bool:
    """Whether it has nothing that could be changed, so that it does not matter who else refers to it."""
    return type(value) in _ATOMS or isinstance(value, type) or (type(value) in _EMPTY and not value)


class _Owner:
    """Refers to a value as `Live` does."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: list[list[int]] = [[]]


def _count() -> tuple[int, int]:
    """What `sys.getrefcount` says, as asked above, of a value and of its element that nobody else refers to."""
    owner = _Owner()
    inside = gc.get_referents(owner.value)
    return sys.getrefcount(owner.value), sys.getrefcount(inside[-1])


_REFERENCES_OF_OWNER, _REFERENCES_OF_ELEMENT = _count()
