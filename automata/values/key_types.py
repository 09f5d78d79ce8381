"""Which annotations can be the keys of a Map or the members of a Set: those whose values have an order as bytes."""

from __future__ import annotations

from datetime import datetime
from types import UnionType
from typing import Annotated, Any, Literal, NewType, Union, get_args, get_origin
from uuid import UUID

from automata.errors import DeclarationError
from automata.reference import ObjectRef

_ORDERED = frozenset({str, int, bytes, UUID, datetime, ObjectRef})


def check_key_type(annotation: Any) -> None:
    """Raise DeclarationError unless every value of this annotation can be a key."""
    if not _orders(annotation):
        name = annotation.__name__ if isinstance(annotation, type) else str(annotation)
        raise DeclarationError(
            f"{name} has no order as a key: a Map's keys and a Set's members are str, int, bytes, UUID, datetime, "
            "Ref, or tuples of these"
        )


def _orders(annotation: Any) -> bool:
    if isinstance(annotation, NewType):
        return _orders(annotation.__supertype__)
    origin = get_origin(annotation)
    if origin is Annotated:
        return _orders(get_args(annotation)[0])
    if origin is Literal:
        return all(type(choice) in _ORDERED for choice in get_args(annotation))
    if origin is tuple:
        return all(item is Ellipsis or _orders(item) for item in get_args(annotation))
    if origin in (Union, UnionType):
        return all(_orders(member) for member in get_args(annotation))
    return annotation in _ORDERED
