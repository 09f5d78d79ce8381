"""`Pickled[T]`: the one annotation whose values are pickled.

Such a value may be anything that cloudpickle takes. It is pickled when it is assigned and unpickled when it is read,
so it is detached in between. Never declare one where bytes could come from outside: unpickling runs code.
"""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import cloudpickle

from automata.errors import InvalidArgument


class PickledMark:
    """In the metadata of an annotation: its values are pickled."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Pickled"


_MARK = PickledMark()

if TYPE_CHECKING:
    Value = TypeVar("Value")
    Pickled = Annotated[Value, "pickled"]
else:

    class Pickled:
        """`Pickled[T]`: a field of any picklable type, saved on assignment."""

        def __class_getitem__(cls, item: object) -> object:
            return Annotated[item, _MARK]


def is_pickled(annotation: Any) -> bool:
    """Whether `annotation` is `Pickled[...]`."""
    return any(isinstance(mark, PickledMark) for mark in getattr(annotation, "__metadata__", ()))


def dump(value: object) -> bytes:
    """`value` pickled; `InvalidArgument` if it cannot be."""
    try:
        return bytes(cloudpickle.dumps(value))
    except Exception as error:  # a value's own __reduce__ may raise anything; all of it is reported
        raise InvalidArgument(f"a {type(value).__name__} cannot be pickled: {error}") from error


def load(data: bytes) -> object:
    """The value that `dump` made `data` of; raises what unpickling raises."""
    return pickle.loads(data)  # noqa: S301 -- only values declared Pickled[...] get here, as their author asked
