"""Bytes from strangers: read as plain values alone, so that no class of this process is ever looked up for them.

Of the extensions of `automata.values.wire`, those that name a class are refused, and arrays, whose shape could ask for
any amount of memory.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from automata.errors import InvalidArgument
from automata.values.dynamic import decode_dynamic
from automata.values.wire import Code

_LEAVES = frozenset({Code.INTEGER, Code.DECIMAL, Code.UUID, Code.DATETIME, Code.DATE, Code.TIME})
_NESTED = frozenset({Code.TUPLE, Code.SET, Code.FROZENSET, Code.PAIRS, Code.TIMEDELTA, Code.REF, Code.COMPLEX})
_DEPTH_MAX = 50


def check_plain(data: bytes) -> None:
    """Raise InvalidArgument unless the bytes are one value that names no class."""
    try:
        _decoder(0).decode(data)
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
            return None
        if code not in _NESTED:
            raise ValueError(f"extension {code} names a class, or is unknown")
        if depth == _DEPTH_MAX:
            raise ValueError("it is nested too deep")
        _decoder(depth + 1).decode(data)
        return None

    return check


_DECODERS: list[msgspec.msgpack.Decoder[object]] = []
