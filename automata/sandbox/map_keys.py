"""Keys of maps in MessagePack from strangers, looked at before anything is built of them.

An array as a key would become a tuple, whose hash can be chosen: see `automata.sandbox.members`. No encoding has any.
"""

from __future__ import annotations

_LOOKED_AT_BYTES = 4096
"""In less there is no room for so many keys that it would matter."""

_SIZES = {0xC0: 0, 0xC2: 0, 0xC3: 0, **dict(zip(range(0xCA, 0xD4), (4, 8, 1, 2, 4, 8, 1, 2, 4, 8), strict=True))}
_LENGTHS = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}  # bytes and text
_EXTENSIONS = {0xC7: 1, 0xC8: 2, 0xC9: 4}
_ARRAYS, _MAPS = {0xDC: 2, 0xDD: 4}, {0xDE: 2, 0xDF: 4}


def check_keys(data: bytes | memoryview) -> None:
    """Raise ValueError for a map with a key that is no number, text or bytes. Extensions are not entered."""
    if len(data) <= _LOOKED_AT_BYTES:
        return
    at, size, left = 0, len(data), [1]
    maps = [False]
    while left and at < size:
        if not left[-1]:
            left.pop()
            maps.pop()
            continue
        is_key = maps[-1] and not left[-1] % 2
        left[-1] -= 1
        at, count, is_map = _head(data, at)
        if count is not None:
            if is_key:
                raise ValueError("a map has a key that is no number, text or bytes")
            if count >= 0:
                left.append(2 * count if is_map else count)
                maps.append(is_map)


def _head(data: bytes | memoryview, at: int) -> tuple[int, int | None, bool]:
    """Behind the head of a container, or behind a value; how many entries: None if it is no container, -1 if it is an
    extension; whether it is a map.
    """
    first, at = data[at], at + 1
    if first < 0x80 or first >= 0xE0:
        return at, None, False
    if first < 0xA0:
        return at, first & 15, first < 0x90
    if first < 0xC0:
        return at + (first & 31), None, False
    if first in _SIZES:
        return at + _SIZES[first], None, False
    if first in _LENGTHS:
        return _behind(data, at, _LENGTHS[first]), None, False
    if first in _EXTENSIONS:
        return _behind(data, at, _EXTENSIONS[first]) + 1, -1, False
    width = _ARRAYS.get(first) or _MAPS.get(first)
    if width is None:  # an extension of fixed size, or nothing at all, which decoding refuses
        return at + 1 + (1 << first - 0xD4 if 0xD4 <= first <= 0xD8 else 0), -1, False
    return at + width, int.from_bytes(data[at : at + width], "big"), first in _MAPS


def _behind(data: bytes | memoryview, at: int, width: int) -> int:
    return at + width + int.from_bytes(data[at : at + width], "big")
