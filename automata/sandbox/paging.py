"""Rows of an object page by page, so that what is read can be counted before more of it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Rows = list[tuple[bytes, bytes]]
Page = Callable[[int], Rows]
"""Gives up to so many rows, behind those that it gave before."""

End = TypeVar("End", bytes, bytes | None)


def paged(read: Callable[[bytes, End | bytes, int], Rows], begin: bytes, end: End, backwards: bool) -> Page:
    """The rows of [begin, end) in order. read: up to so many of some range, from its end if `backwards`."""
    last: End | bytes = end

    def page(most: int) -> Rows:
        nonlocal begin, last
        rows = read(begin, last, most)
        if rows:
            begin, last = (begin, rows[-1][0]) if backwards else (rows[-1][0] + b"\0", last)
        return rows

    return page


def size_of(rows: Rows) -> int:
    """The bytes of their keys and values."""
    return sum(len(key) + len(value) for key, value in rows)


def first_of(rows: Rows, size: int) -> Rows:
    """The first of them, up to and with the one by which they have so many bytes."""
    for at, (key, value) in enumerate(rows):
        size -= len(key) + len(value)
        if size <= 0:
            return rows[: at + 1]
    return rows
