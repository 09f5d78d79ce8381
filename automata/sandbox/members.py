"""Members of sets and keys of dictionaries in what strangers give: not too many whose hashes they could have chosen.

Hashes of text and bytes are chance, and few numbers of 64 bits have the same one. Tuples, longer integers, UUIDs,
decimals and times can be chosen so that all their hashes are the same: then each more takes longer than the one before,
with Python's lock held.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from types import UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)
from uuid import UUID

from automata.reference import ObjectRef

MEMBERS_MAX = 1000

Check = Callable[[object], None]
"""Takes a value as MessagePack says it, extensions as lists. Raises ValueError."""

_AS_TEXT = frozenset({UUID, Decimal, datetime, time, timedelta})
"""What is text in an encoding, and has a hash that can be chosen."""

_HARMLESS = frozenset({str, bytes, bool, type(None), float, date, ObjectRef, Ellipsis})
"""Hashes of these cannot, nor those of tuples of them."""


def check_members(annotation: Any, wire: object) -> None:
    """Raise ValueError for a value of this annotation in which too many hashes could be the same."""
    check = _check_of(annotation)
    if check is not None:
        check(wire)


@functools.lru_cache(maxsize=4096)
def _check_of(annotation: Any) -> Check | None:
    """None where nothing is hashed."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in {set, frozenset}:
        return _members_of(inner[0])
    if origin is dict:
        return _pairs_of(*inner)
    if origin in {Annotated, Required, NotRequired}:
        return _check_of(inner[0])
    if origin in {Union, UnionType}:
        return _all([_check_of(one) for one in inner])
    if origin in {list, tuple}:
        check = _all([_check_of(one) for one in inner if one is not Ellipsis])
        return None if check is None else _each(check)
    if is_typeddict(annotation):
        return _fields_of({name: _check_of(kind) for name, kind in get_type_hints(annotation).items()})
    return None


def _members_of(member: Any) -> Check:
    inner = _check_of(member)
    chosen = _chosen(member)

    def check(wire: object) -> None:
        if isinstance(wire, list):
            _count(map(chosen, wire))
            for one in wire if inner is not None else ():
                inner(one)  # type: ignore[misc]

    return check


def _pairs_of(key: Any, value: Any) -> Check:
    """A dictionary is a map, or pairs where its keys are no plain ones."""
    inner, chosen = _check_of(value), _chosen(key)

    def check(wire: object) -> None:
        pairs = list(wire.items()) if isinstance(wire, dict) else wire
        if isinstance(pairs, list):
            _count(chosen(pair[0]) for pair in pairs if len(pair) == 2)
            for pair in pairs if inner is not None else ():
                inner(pair[-1])  # type: ignore[misc]

    return check


def _chosen(member: Any) -> Callable[[object], bool]:
    """Whether the hash of a member, or key, could be chosen."""
    leaves = _leaves(member)
    if leaves <= _HARMLESS:
        return lambda wire: False
    text = bool(leaves & _AS_TEXT)
    return lambda wire: isinstance(wire, list | dict) or (text and isinstance(wire, str))


def _leaves(annotation: Any) -> set[Any]:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return set()
    if origin is Annotated:
        return _leaves(inner[0])
    return set().union(*map(_leaves, inner)) if inner else {annotation}


def _count(chosen: Iterable[bool]) -> None:
    if sum(chosen) > MEMBERS_MAX:
        raise ValueError(
            f"a set or dictionary has more than {MEMBERS_MAX} members whose hashes could be chosen, such as tuples and "
            "UUIDs: keep them in a Set or Map"
        )


def _all(checks: list[Check | None]) -> Check | None:
    found = [check for check in checks if check is not None]

    def check(wire: object) -> None:
        for one in found:
            one(wire)

    return check if found else None


def _each(inner: Check) -> Check:
    def check(wire: object) -> None:
        for one in wire if isinstance(wire, list) else ():
            inner(one)

    return check


def _fields_of(checks: dict[str, Check | None]) -> Check | None:
    found = {name: check for name, check in checks.items() if check is not None}

    def check(wire: object) -> None:
        for name, one in found.items():
            if isinstance(wire, dict) and name in wire:
                one(wire[name])

    return check if found else None
