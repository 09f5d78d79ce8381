"""What sandboxed code asks to be called, sent or awaited, as data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Dispatch:
    """A call or message to another object. own: to a type of the same module, with arguments in that type's encoding;
    else they are encoded as plain values, a list and a dictionary.
    """

    type_name: str
    key: str
    method: str
    own: bool
    arguments: bytes
    request: str | None = None
    timeout: float | None = None


@dataclass(frozen=True)
class Point:
    """What a method awaits at the end of a part: calls, or nothing but time."""

    calls: list[Dispatch]
    seconds: float | None = None
