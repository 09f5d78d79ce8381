"""How many values there are in bytes from strangers, counted before anything is built of them.

A byte each is enough to ask for objects of a hundred bytes, and for a microsecond with Python's lock held.
"""

from __future__ import annotations

from automata.values.wire import Code

ELEMENTS_MAX = 50_000
"""Of one value."""

NESTED = frozenset({Code.TUPLE, Code.SET, Code.FROZENSET, Code.PAIRS, Code.TIMEDELTA, Code.REF, Code.COMPLEX})
"""Extensions whose payload is MessagePack again."""

_FIXED_EXTENSION = 0xD4  # of 1, 2, 4, 8 and 16 bytes


def elements(data: bytes, most: int) -> int:
    """The number of values in MessagePack, containers and all that is in them; more than `most` if there are more.

    Bytes that are none give some number: whoever decodes them refuses them, and has built no more than was counted.
    """
    at = count = 0
    size = len(data)
    while at < size and count <= most:
        count += 1
        first = data[at]
        at += 1 + _FOLLOWING[first]
        width = _WIDTHS[first]
        if width:
            at += int.from_bytes(data[at : at + width], "big") + width
        elif first in _EXTENSIONS:
            at = _behind_head(data, at, first)
    return count


def _behind_head(data: bytes, at: int, first: int) -> int:
    """Where to go on behind the head of an extension: in its payload, if there are values in it."""
    width = _EXTENSIONS[first]
    length = int.from_bytes(data[at : at + width], "big") if width else 1 << (first - _FIXED_EXTENSION)
    code = data[at + width] if at + width < len(data) else -1
    return at + width + 1 + (0 if code in NESTED else length)


def _following() -> list[int]:
    """For each first byte, how many bytes follow that are no values of their own and no length of such."""
    found = [0] * 256
    found[0xA0:0xC0] = range(32)
    found[0xCA:0xD4] = [4, 8, 1, 2, 4, 8, 1, 2, 4, 8]
    found[0xDC:0xE0] = [2, 4, 2, 4]
    return found


_FOLLOWING = _following()
_WIDTHS = [{0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}.get(first, 0) for first in range(256)]
"""Of the length of bytes or text."""

_EXTENSIONS = {0xC7: 1, 0xC8: 2, 0xC9: 4} | dict.fromkeys(range(0xD4, 0xD9), 0)
"""Likewise; 0 where the first byte says it."""
