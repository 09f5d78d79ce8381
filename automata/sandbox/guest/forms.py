"""The types of fields, parameters and results as data: what the manifest says of them.

A form is a word for a plain type, or a list of a word and what it holds; docs/SANDBOX.md has the grammar.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import types
import typing
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, Flag
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from uuid import UUID

from automata.errors import DeclarationError
from automata.reference import ObjectRef, RefTarget
from automata.values.records import is_named_tuple
from automata.values.shape import type_name

Form = str | list[Any]

_WORDS: dict[Any, str] = {
    int: "int",
    str: "str",
    float: "float",
    bool: "bool",
    bytes: "bytes",
    type(None): "none",
    None: "none",
    datetime: "datetime",
    date: "date",
    time: "time",
    timedelta: "timedelta",
    Decimal: "decimal",
    UUID: "uuid",
    Any: "any",
    object: "any",
}
_EACH: dict[Any, str] = {
    list: "list",
    set: "set",
    frozenset: "frozenset",
    collections.abc.Sequence: "list",
    collections.abc.MutableSequence: "list",
    collections.abc.MutableSet: "set",
    collections.abc.Set: "frozenset",
}
_DICTS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
_MARKS = (typing.Required, typing.NotRequired, typing.Final, typing.ClassVar)


def form_of(annotation: Any, inside: tuple[type, ...] = ()) -> Form:
    """The form of an annotation that has a value type. inside: the records that it stands in.

    Raises DeclarationError for what can be declared in a class, and not told to the host of a sandbox.
    """
    if annotation in _WORDS:
        return _WORDS[annotation]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        target = next((mark for mark in arguments[1:] if isinstance(mark, RefTarget)), None)
        return form_of(arguments[0], inside) if target is None else ["ref", target.name]
    if hasattr(annotation, "__supertype__"):
        return form_of(annotation.__supertype__, inside)
    if hasattr(annotation, "__value__") and not isinstance(annotation, type):
        return form_of(annotation.__value__, inside)
    if origin in _MARKS:
        return form_of(arguments[0], inside)
    if origin in {Union, types.UnionType}:
        return ["union", *(form_of(argument, inside) for argument in arguments)]
    if origin is Literal:
        return ["literal", *map(_written, arguments)]
    return _container(annotation, origin or annotation, inside)


def _container(annotation: Any, cls: Any, inside: tuple[type, ...]) -> Form:
    arguments = get_args(annotation)
    if cls in _EACH:
        return [_EACH[cls], form_of(arguments[0], inside) if arguments else "any"]
    if cls in _DICTS:
        key, item = arguments or (Any, Any)
        return ["dict", form_of(key, inside), form_of(item, inside)]
    if cls is tuple:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return ["tuple*", form_of(arguments[0], inside)]
        if not arguments and not hasattr(annotation, "__args__"):
            return ["tuple*", "any"]
        return ["tuple", *(form_of(argument, inside) for argument in arguments)]
    if isinstance(cls, type):
        return _class(cls, inside)
    raise _untold(annotation)


def _class(cls: type, inside: tuple[type, ...]) -> Form:
    if cls in inside:
        return "any"  # a record inside itself: the same bytes, which the guest checks
    inside = (*inside, cls)
    if issubclass(cls, Flag):
        return "int"
    if issubclass(cls, Enum):
        return ["literal", *map(_written, cls)]
    if issubclass(cls, ObjectRef):
        return ["ref", None]
    if dataclasses.is_dataclass(cls):
        hints = typing.get_type_hints(cls, localns={cls.__name__: cls}, include_extras=True)
        fields = [[field.name, form_of(hints[field.name], inside), _is_required(field)] for field in _fields(cls)]
        return ["record", cls.__name__, fields]
    if is_named_tuple(cls):
        hints = typing.get_type_hints(cls, localns={cls.__name__: cls}, include_extras=True)
        return ["tuple", *(form_of(hints.get(name, Any), inside) for name in cls._fields)]  # type: ignore[attr-defined]
    if typing.is_typeddict(cls):
        return ["record", cls.__name__, _keys(cls, inside)]
    raise _untold(cls)


def _keys(cls: Any, inside: tuple[type, ...]) -> list[list[Any]]:
    hints = typing.get_type_hints(cls, localns={cls.__name__: cls}, include_extras=True)
    found = []
    for name, hint in hints.items():
        origin = get_origin(hint)
        required = origin is typing.Required or (name in cls.__required_keys__ and origin is not typing.NotRequired)
        found.append([name, form_of(hint, inside), required])
    return found


def _fields(cls: Any) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(cls)


def _is_required(field: dataclasses.Field[Any]) -> bool:
    missing = dataclasses.MISSING
    return field.init and field.default is missing and field.default_factory is missing


def _written(value: Any) -> Any:
    """One choice as it is stored."""
    if isinstance(value, Enum):
        if type(value.value) not in {int, str}:
            raise DeclarationError(
                f"{type(value).__name__}.{value.name} is a {type(value.value).__name__}: in a sandboxed class "
                "the members of an Enum have values that are int or str"
            )
        return value.value
    if isinstance(value, bytes):
        raise DeclarationError(f"Literal[{value!r}]: in a sandboxed class a Literal is of int, str, bool and None")
    return value


def _untold(annotation: Any) -> DeclarationError:
    return DeclarationError(
        f"{type_name(annotation)} is not there in a sandboxed class: use plain types, or a dataclass"
    )
