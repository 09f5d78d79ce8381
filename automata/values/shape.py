"""The shape of one annotation: how its values are checked, written and read.

An annotation compiles to a tree of shapes (`automata.values.annotations`). Each works by itself in Python (`validate`,
`pack`, `unpack`); its flags say where pydantic or msgspec may do the work of a whole subtree in native code instead,
with the same result.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias, Union, get_args, get_origin

import msgspec

from automata.errors import InvalidArgument
from automata.reference import ObjectRef, RefTarget
from automata.values.classes import class_name
from automata.values.pickled import PickledMark
from automata.values.wire import Wire

Types: TypeAlias = frozenset[type]

ANY: Types = frozenset({object})
"""In `Shape.python` and `Shape.wire`: a value of any type."""


class StandIn(NamedTuple):
    """A type that msgspec decodes natively, and how its value becomes one of the shape."""

    annotation: Any
    finish: Callable[[Any], Any]


@dataclasses.dataclass(slots=True, eq=False)
class Shape:
    """What is known of one annotation.

    `validate` gives the value to keep or raises `InvalidArgument`; `pack` gives what MessagePack can say of a
    validated value; `unpack` gives the value back, or raises `InvalidArgument` if it is not of this shape.
    `python` are the types of valid values, `wire` those of packed ones once extensions are read.
    """

    annotation: Any
    validate: Callable[[Any], Any]
    pack: Callable[[Any], Wire]
    unpack: Callable[[Any], Any]
    python: Types
    wire: Types
    exact: type | None = None  # every value of exactly this type is valid, as it is
    immutable: bool = False  # values may be shared without a copy
    plain: bool = False  # pydantic validates it completely, also inside containers
    as_is: bool = False  # msgspec's encoder writes the same bytes from the value as from `pack` of it
    native: bool = False  # msgspec's typed decoder reads what `unpack` would give, or fails
    transparent: bool = False  # `unpack` returns what it is given
    stand_in: StandIn | None = None  # what msgspec reads instead, where it does not know the class
    shallow: Callable[[Any], Any] | None = None  # a copy that shares nothing mutable, without encoding

    @property
    def name(self) -> str:
        """The annotation as its author wrote it, for messages."""
        return type_name(self.annotation)


Compile: TypeAlias = Callable[[Any], Shape]
"""Gives the shape of an annotation inside another one."""


def type_name(annotation: Any) -> str:
    """An annotation for people: `int`, `list[Post]`, `Ref[User]`, without modules."""
    if annotation is None or annotation is type(None):
        return "None"
    if annotation is Ellipsis:
        return "..."
    if isinstance(annotation, list):
        return f"[{', '.join(map(type_name, annotation))}]"
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is None:
        return _plain_name(annotation)
    if origin is Annotated:
        return _annotated_name(annotation)
    if origin in {Union, UnionType}:
        return " | ".join(map(type_name, arguments))
    if origin is Literal:
        return f"Literal[{', '.join(map(repr, arguments))}]"
    return f"{_plain_name(origin)}[{', '.join(map(type_name, arguments)) or '()'}]"


def _plain_name(annotation: Any) -> str:
    if isinstance(annotation, type):
        return annotation.__qualname__.rpartition("<locals>.")[2]
    return str(annotation).replace("typing.", "").replace("~", "")


def _annotated_name(annotation: Any) -> str:
    for mark in annotation.__metadata__:
        if isinstance(mark, RefTarget):
            return f"Ref[{mark.name}]"
        if isinstance(mark, PickledMark):
            return f"Pickled[{type_name(annotation.__origin__)}]"
    return type_name(annotation.__origin__)


def sample(value: object) -> str:
    """A value for a message: its type, and a plain value itself, in brief."""
    if value is None:
        return "None"
    kind = type(value)
    if kind in {bool, int, float, str, bytes}:
        # The digits of an enormous integer are refused by Python itself, and nobody would read them.
        text = repr(value) if kind is not int or abs(value) < 10**40 else "a very large one"  # type: ignore[arg-type]
        return f"{kind.__name__} {text if len(text) <= 60 else text[:57] + '...'}"
    return class_name(kind).rpartition("<locals>.")[2]


def refusal(expected: str, value: object) -> InvalidArgument:
    """The error for a `value` that is not what was expected."""
    return InvalidArgument(f"expected {expected}, got {sample(value)}")


def inside(where: object, error: InvalidArgument) -> InvalidArgument:
    """`error`, with the place inside the value where it arose."""
    return InvalidArgument(f"{where}: {error}")


def convert_first(annotation: Any, otherwise: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """msgspec's conversion of a packed value to a plain shape, and `otherwise` for what it cannot read.

    For plain shapes alone: on a class of a user msgspec leaves a note, which keeps that class from being pickled.
    """

    def unpack(wire: Wire) -> Any:
        try:
            return msgspec.convert(wire, annotation)
        except msgspec.ValidationError:
            return otherwise(wire)

    return unpack


def read_custom(kind: type, value: object) -> object:
    """msgspec's hook for the one type of ours that its decoders meet: refs, which their extension made already."""
    if isinstance(value, ObjectRef):
        return value
    raise ValueError(f"expected a {kind.__name__}, found {type(value).__name__}")


def same(value: Any) -> Any:
    """The value itself."""
    return value
