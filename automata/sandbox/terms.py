"""Types as JSON terms, and the annotations that they stand for on the host's side.

    "int" "str" "float" "bool" "bytes" "none" "datetime" "date" "time" "timedelta" "decimal" "uuid" "any"
    ["list", T] ["set", T] ["frozenset", T] ["dict", K, V] ["tuple", T...] ["tuple*", T] ["union", T...]
    ["literal", value...] ["ref", "Name" or null] ["record", "Point", [["x", T, required]...]]

A record is a dictionary on the host's side: no class of a stranger is ever made or looked up here.
"""

from __future__ import annotations

import functools
import operator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from types import GenericAlias
from typing import Any, Literal, NotRequired, TypedDict
from uuid import UUID

from automata.errors import ModuleRefused
from automata.reference import ObjectRef, Ref

_DEPTH_MAX = 20
_PARTS_MAX = 200
_LEAVES: dict[str, Any] = {
    "int": int,
    "str": str,
    "float": float,
    "bool": bool,
    "bytes": bytes,
    "none": type(None),
    "datetime": datetime,
    "date": date,
    "time": time,
    "timedelta": timedelta,
    "decimal": Decimal,
    "uuid": UUID,
    "any": Any,
}
_ONE = {"list": list, "set": set, "frozenset": frozenset}


def annotation_of(term: object, depth: int = 0) -> Any:
    """The annotation that a term stands for. Raises ModuleRefused for what is no term."""
    if isinstance(term, str) and term in _LEAVES:
        return _LEAVES[term]
    if not isinstance(term, list) or not term or depth == _DEPTH_MAX or len(term) > _PARTS_MAX:
        raise _no_term(term)
    head, *parts = term
    if head == "literal":
        return _literal(term, parts)
    if head == "ref" and len(parts) == 1:
        return _ref(term, parts[0])
    if head == "record" and len(parts) == 2:
        return _record(term, parts, depth)
    return _container(term, head, [annotation_of(part, depth + 1) for part in parts])


def _container(term: object, head: object, parts: list[Any]) -> Any:
    if head in _ONE and len(parts) == 1:
        return GenericAlias(_ONE[head], (parts[0],))
    if head == "dict" and len(parts) == 2:
        return GenericAlias(dict, (parts[0], parts[1]))
    if head == "tuple":
        return GenericAlias(tuple, tuple(parts))
    if head == "tuple*" and len(parts) == 1:
        return GenericAlias(tuple, (parts[0], ...))
    if head == "union" and parts:
        return functools.reduce(operator.or_, parts)
    raise _no_term(term)


def _literal(term: object, values: list[object]) -> Any:
    if not values or any(type(value) not in (int, str, bool) for value in values):
        raise _no_term(term)
    return Literal[tuple(values)]


def _ref(term: object, name: object) -> Any:
    if name is None:
        return ObjectRef
    if not isinstance(name, str) or not name.isidentifier():
        raise _no_term(term)
    return Ref[name]  # type: ignore[misc, valid-type]


def _record(term: object, parts: list[Any], depth: int) -> Any:
    name, entries = parts
    if (
        not isinstance(name, str)
        or not name.isidentifier()
        or not isinstance(entries, list)
        or len(entries) > _PARTS_MAX
    ):
        raise _no_term(term)
    fields: dict[str, Any] = {}
    for entry in entries:
        if not isinstance(entry, list) or len(entry) != 3 or not isinstance(entry[0], str):
            raise _no_term(term)
        kind = annotation_of(entry[1], depth + 1)
        fields[entry[0]] = kind if entry[2] is True else NotRequired[kind]
    return TypedDict(name, fields)  # type: ignore[operator]


def _no_term(term: object) -> ModuleRefused:
    return ModuleRefused(f"the module names a type that there is not: {repr(term)[:200]}")
