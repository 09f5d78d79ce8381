"""Digests of what a method gives to what it awaits: run again over its journal, it must give the same.

Compared are plain values alone. What is left out may differ without anybody's fault: the order of a set is Python's
own, and the fields of a class are those of this release.
"""

from __future__ import annotations

import zlib
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import get_args, get_origin
from uuid import UUID

from automata.errors import InvalidArgument
from automata.methods import Anything, Parameter
from automata.reference import ObjectRef
from automata.values.dynamic import decode_dynamic, encode_dynamic

_PLAIN = frozenset({int, float, str, bytes, bool, type(None), datetime, date, time, timedelta, Decimal, UUID})


def digest_of(value: object) -> int | None:
    """32 bits of a value, or None if it is not to be compared. Numbers that are equal are the same."""
    if isinstance(value, ObjectRef):
        return zlib.crc32(f"{value.type_name}/{value.key}".encode())
    if type(value) is float and value.is_integer():
        value = int(value)  # a parameter that took an int may take a float since
    if type(value) in _PLAIN:
        try:
            return zlib.crc32(encode_dynamic(value))
        except InvalidArgument:
            return None  # text with surrogates is no matter of this
    if type(value) is tuple:
        parts = [digest_of(part) for part in value]
        return None if None in parts else zlib.crc32(repr(parts).encode())
    return None


def digest_of_argument(parameter: Parameter, packed: object) -> int | None:
    """The digest of an argument as a call has packed it: what is mutable, as bytes."""
    if parameter.immutable:
        return digest_of(packed)
    if isinstance(parameter.kind, Anything):
        return digest_of(_unpacked(packed) if isinstance(packed, bytes) else packed)
    return zlib.crc32(packed) if isinstance(packed, bytes) and _is_plain_list(parameter.kind.annotation) else None


def _unpacked(packed: bytes) -> object:
    try:
        return decode_dynamic(packed)
    except (InvalidArgument, ValueError):
        return object()  # of a class that is gone


def _is_plain_list(annotation: object) -> bool:
    if get_origin(annotation) is not list:
        return False
    return all(part in _PLAIN or _is_plain_list(part) for part in get_args(annotation))
