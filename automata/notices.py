"""What stores tell each other about objects and slots that move: messages to a partition that no object can have.

They go through outbox, lane and inbox as all messages do, so each arrives once, behind what was sent before it.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from darq.step import Message

NOTICES = b"\x00moving"
"""Their partition: no type has an empty name."""


class Piece(msgspec.Struct, array_like=True, tag=1):
    """A part of a bundle: the object of `partition` moves to whom this is sent. number: of the move."""

    partition: bytes
    number: int
    index: int
    count: int
    data: bytes


class Recall(msgspec.Struct, array_like=True, tag=2):
    """To where an object is: all that was sent to it there lies before this; it is to come home to its slot's store."""

    partition: bytes
    number: int
    home: bytes


class Given(msgspec.Struct, array_like=True, tag=4):
    """The sender has nothing left of a slot, and is no longer its store. leaders: the hosts that it has heard."""

    slot: int
    leaders: Sequence[tuple[bytes, int]] = ()


class Fence(msgspec.Struct, array_like=True, tag=5):
    """Passed on the way of messages to the store of the slot of an object, and answered from there to `sender`."""

    partition: bytes
    sender: bytes
    number: int


class Passed(msgspec.Struct, array_like=True, tag=6):
    """What was sent to a slot before the fence, or the mark, of this number has come to its store."""

    slot: int
    number: int
    store: bytes


class Held(msgspec.Struct, array_like=True, tag=7):
    """A message that waits in its sender's own store until it can overtake none that was sent another way before."""

    partition: bytes
    payload: bytes


class Alarm(msgspec.Struct, array_like=True, tag=8):
    """A timer of a slot that moves. store, lsn: what its id says; due_ms: when it is due next."""

    store: bytes
    lsn: int
    due_ms: int
    timer: bytes


Notice = Piece | Recall | Given | Fence | Passed | Held | Alarm

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Notice).decode


def message_of(notice: Notice) -> Message:
    """A notice as a message."""
    return Message(NOTICES, _encode(notice))


def notice_of(message: Message) -> Notice:
    """The notice in a message to NOTICES."""
    notice: Notice = _decode(message.payload())
    return notice
