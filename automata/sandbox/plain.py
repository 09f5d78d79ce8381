"""Bytes from strangers: read as plain values alone, so that no class of this process is ever looked up for them.

Of the extensions of `automata.values.wire`, those that name a class are refused, and arrays, whose shape could ask for
any amount of memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from automata.errors import InvalidArgument
from automata.sandbox.elements import ELEMENTS_MAX, NESTED, elements
from automata.sandbox.map_keys import check_keys
from automata.sandbox.members import MEMBERS_MAX, check_members
from automata.values.dynamic import decode_dynamic
from automata.values.wire import Code

_LEAVES = frozenset({Code.INTEGER, Code.DECIMAL, Code.UUID, Code.DATETIME, Code.DATE, Code.TIME})
_HASHED = frozenset({Code.SET, Code.FROZENSET, Code.PAIRS})
_DEPTH_MAX = 50
_COMPOSED = frozenset({*range(0x80, 0xA0), 0xC7, 0xC8, 0xC9, *range(0xD4, 0xD9), *range(0xDC, 0xE0)})
"""The first bytes of maps, arrays and extensions."""


def check_typed(annotation: Any, data: bytes) -> None:
    """As `check_plain`, for a value that is decoded as one of this annotation."""
    wire = check_plain(data)
    try:
        check_members(annotation, wire)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(f"sandboxed code gave a value that takes too long: {error}") from None


def check_plain(data: bytes) -> object:
    """Raise InvalidArgument unless the bytes are one value, of not too many elements, that names no class.

    Returns the value as MessagePack says it, with extensions as empty lists.
    """
    if len(data) > ELEMENTS_MAX and elements(data, ELEMENTS_MAX) > ELEMENTS_MAX:
        raise InvalidArgument(f"sandboxed code gave a value of more than {ELEMENTS_MAX} elements")
    try:
        check_keys(data)
        return _decoder(0).decode(data)
    except (msgspec.MsgspecError, RecursionError, ValueError, TypeError) as error:
        raise InvalidArgument(f"sandboxed code gave what is no plain value: {error}") from None


def decode_plain(data: bytes) -> object:
    """The value. Raises InvalidArgument as `check_plain`."""
    check_plain(data)
    try:
        return decode_dynamic(data)
    except (ValueError, TypeError, RecursionError, ArithmeticError) as error:
        raise InvalidArgument(f"sandboxed code gave what is no plain value: {error}") from None


def _decoder(depth: int) -> msgspec.msgpack.Decoder[object]:
    while len(_DECODERS) <= depth:
        _DECODERS.append(msgspec.msgpack.Decoder(ext_hook=_hook(len(_DECODERS))))
    return _DECODERS[depth]


def _hook(depth: int) -> Callable[[int, memoryview], object]:
    def check(code: int, data: memoryview) -> object:
        if code in _LEAVES:
            return _UNHASHABLE
        if code not in NESTED:
            raise ValueError(f"extension {code} names a class, or is unknown")
        if depth == _DEPTH_MAX:
            raise ValueError("it is nested too deep")
        if code in _HASHED and _crafted(data) > MEMBERS_MAX:
            raise ValueError(f"a set or dictionary has more than {MEMBERS_MAX} members that are no numbers or text")
        check_keys(data)
        _decoder(depth + 1).decode(data)
        return _UNHASHABLE

    return check


def _crafted(data: memoryview) -> int:
    return sum(bytes(member)[0] in _COMPOSED for member in _members(data))


_members = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode
_UNHASHABLE: list[object] = []
"""What extensions are while they are checked: no key of a map, where only numbers and text are ever written."""
_DECODERS: list[msgspec.msgpack.Decoder[object]] = []
