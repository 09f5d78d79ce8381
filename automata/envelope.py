"""Messages between automata, and the stored form of invocations. See docs/FORMAT.md.

payload    = msgpack [method:str, arguments:bin, attempts:int]
arguments  = msgpack [each argument in its declared type's encoding:bin]
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from automata.partitions import partition_of
from darq.step import Message

if TYPE_CHECKING:
    from automata.methods import Method, Packed


class Payload(msgspec.Struct, array_like=True):
    """The stored form of a message's content."""

    method: str
    arguments: bytes
    attempts: int = 0


class OpenInvocation(msgspec.Struct, array_like=True):
    """A method that has committed a part and has not finished: what it was asked, by whom, and what went wrong.

    caller: number, part and index of the journal that waits for its outcome; one_way: it came as a message.
    attempts: how often its last part has raised; deaths: how often the process died while it was resumed.
    trouble: why it waits for a person ("" if it does not); error, traceback: what was raised last.
    anew: a person had it begin again, so that it may have no parts. kept_ms: how long the outcome of its request is
    kept, where its type says so. alone: no other was resumed when the process died last. origin: the store and the
    number under which it began, if it has moved since: the ids of what it calls go by them.
    """

    partition: bytes
    method: str
    arguments: bytes
    request: bytes = b""
    fingerprint: bytes = b""
    started_ms: int = 0
    one_way: bool = False
    caller: tuple[int, int, int] | None = None
    attempts: int = 0
    deaths: int = 0
    trouble: str = ""
    error: str = ""
    traceback: str = ""
    anew: bool = False
    kept_ms: int | None = None
    alone: bool = False
    origin: tuple[bytes, int] | None = None


_encode = msgspec.msgpack.Encoder().encode
_decode_payload = msgspec.msgpack.Decoder(Payload).decode
_decode_open = msgspec.msgpack.Decoder(OpenInvocation).decode


class Envelope(Message):
    """A message whose arguments stay packed until it has to be stored. Most never are."""

    __slots__ = ("address", "attempts", "method", "packed")

    def __init__(self, address: tuple[str, str], method: Method, packed: Packed, attempts: int = 0) -> None:
        super().__init__(partition_of(*address))
        self.address = address
        self.method = method
        self.packed = packed
        self.attempts = attempts

    def payload(self) -> bytes:
        """The content as bytes."""
        return _encode(Payload(self.method.name, self.method.encode_arguments(self.packed), self.attempts))


def decode_payload(data: bytes) -> Payload:
    """The content of a stored message."""
    return _decode_payload(data)


def encode_payload(payload: Payload) -> bytes:
    """A message's content as bytes."""
    return _encode(payload)


def encode_open(invocation: OpenInvocation) -> bytes:
    """An unfinished invocation as a row."""
    return _encode(invocation)


def decode_open(data: bytes) -> OpenInvocation:
    """The unfinished invocation in a row."""
    return _decode_open(data)
