"""What passes between a host and a component, as MessagePack arrays (docs/SANDBOX.md). All that comes is checked."""

from __future__ import annotations

from typing import Literal

import msgspec

from automata.sandbox.dispatch import Dispatch, Point

Rows = list[tuple[bytes, bytes]]


class DispatchMessage(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """A call or message."""

    type_name: str
    key: str
    method: str
    own: bool
    arguments: bytes
    request: str | None
    timeout: float | None

    def dispatch(self) -> Dispatch:
        """As the session has it."""
        return Dispatch(self.type_name, self.key, self.method, self.own, self.arguments, self.request, self.timeout)


class Changes(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """What a part has done: ranges are dropped before writes are made; a write of None drops its row."""

    deleted: bool
    ranges: list[tuple[bytes, bytes]]
    writes: list[tuple[bytes, bytes | None]]
    sends: list[DispatchMessage]


class Done(msgspec.Struct, array_like=True, tag=0, forbid_unknown_fields=True):
    """The method has ended."""

    result: bytes
    changes: Changes


class Raised(msgspec.Struct, array_like=True, tag=1, forbid_unknown_fields=True):
    """The method has raised."""

    kind: str
    message: str
    trace: str


class CallPoint(msgspec.Struct, array_like=True, tag="call", forbid_unknown_fields=True):
    """It awaits one call."""

    calls: list[DispatchMessage]


class GatherPoint(msgspec.Struct, array_like=True, tag="gather", forbid_unknown_fields=True):
    """It awaits several calls."""

    calls: list[DispatchMessage]


class SleepPoint(msgspec.Struct, array_like=True, tag="sleep", forbid_unknown_fields=True):
    """It awaits nothing but time."""

    seconds: float


class Awaits(msgspec.Struct, array_like=True, tag=2, forbid_unknown_fields=True):
    """A part of the method has ended."""

    point: CallPoint | GatherPoint | SleepPoint
    changes: Changes

    def awaited(self) -> Point:
        """As the session has it."""
        if isinstance(self.point, SleepPoint):
            return Point([], self.point.seconds)
        return Point([message.dispatch() for message in self.point.calls])


OutcomeMessage = tuple[Literal[0, 1, 2], bytes]
"""A result in the encoding of its method, a result as a plain value, or an error as `automata.failure` encodes it."""

_encode = msgspec.msgpack.Encoder().encode
_answer: msgspec.msgpack.Decoder[Done | Raised | Awaits] = msgspec.msgpack.Decoder(Done | Raised | Awaits)
_dispatch = msgspec.msgpack.Decoder(DispatchMessage)


def encode_task(
    address: tuple[str, str, str], arguments: bytes, rows: Rows, whole: bool, past: list[list[OutcomeMessage]]
) -> bytes:
    """What a component is to do. address: type, key and method; rows: the first of the object; whole: they are all."""
    return _encode([*address, arguments, rows, whole, past])


def decode_answer(data: bytes) -> Done | Raised | Awaits:
    """What a component has done. Raises msgspec.MsgspecError for what is no answer."""
    return _answer.decode(data)


def decode_dispatch(data: bytes) -> Dispatch:
    """A message for later. Raises msgspec.MsgspecError for what is none."""
    return _dispatch.decode(data).dispatch()
