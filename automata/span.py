"""What hosts say to each other about a transaction whose objects live in several stores.

    transaction = store:16 epoch:u64 number:u64     the store that began it, and what no later life of it gives again
    age         = ms:u64 transaction                of its first try: it keeps its place among others when it runs anew

Its calls follow each other, never two at a time, so that the calls which each store has run, counted, say whether what
a store remembers is all that has happened there.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from enum import IntEnum

import msgspec

from automata.envelope import Payload, decode_payload, encode_payload
from darq.step import Message

STORE_BYTES = 16
_numbers = struct.Struct(">QQ")
_ABOUT = b"\x00transaction "  # no type has an empty name, so these partitions are no objects'

COMMIT, DONE = "commit", "done"
"""Messages: what was prepared happens, to each store that has changed something; and that it has, back again."""


class Span(msgspec.Struct, array_like=True):
    """The transaction that a call is part of. counts: how many of its calls each store has run before this one."""

    id: bytes
    age: bytes
    counts: dict[bytes, int]


class Ended(IntEnum):
    """How a call of a transaction has ended: as any call, or so that the transaction cannot go on.

    DIED: it has to run anew; UNDONE: an error undoes all of it, caught or not.
    """

    AS_ANY = 0
    DIED = 1
    UNDONE = 2


class Answered(msgspec.Struct, array_like=True):
    """The answer to a call. counts: as in `Span`, after it; outcome: of the method, or the error that undoes all."""

    ended: Ended
    counts: dict[bytes, int]
    outcome: bytes = b""


class Voted(IntEnum):
    """What a store says when it is to prepare: it has written down what will change; nothing will; it cannot.

    FAILED: it cannot for a reason that will not go away, which is the transaction's outcome.
    """

    CHANGES = 0
    UNCHANGED = 1
    LOST = 2
    FAILED = 3


class Vote(msgspec.Struct, array_like=True):
    """A vote. outcome: the error of one that FAILED."""

    voted: Voted
    outcome: bytes = b""


class Decision(IntEnum):
    """What became of a transaction, as far as the store knows that began it."""

    OPEN = 0
    COMMITTED = 1
    ABORTED = 2


encode: Callable[[object], bytes] = msgspec.msgpack.Encoder().encode
decode_span = msgspec.msgpack.Decoder(Span).decode
decode_answered = msgspec.msgpack.Decoder(Answered).decode
decode_vote = msgspec.msgpack.Decoder(Vote).decode


def new_id(store: bytes, epoch: int, number: int) -> bytes:
    """The id of one try of a transaction."""
    return store + _numbers.pack(epoch, number)


def store_of(transaction: bytes) -> bytes:
    """The store that began it, and decides."""
    return transaction[:STORE_BYTES]


def epoch_of(transaction: bytes) -> int:
    """Under which it was begun."""
    return int(_numbers.unpack(transaction[STORE_BYTES:])[0])


def is_about(partition: bytes) -> bool:
    """Whether a message to this partition is one about a transaction."""
    return partition.startswith(_ABOUT)


def message(transaction: bytes, what: str, store: bytes = b"") -> Message:
    """A message about a transaction. store: whose, where that matters."""
    return Message(_ABOUT + transaction.hex().encode(), encode_payload(Payload(what, store)))


def read_message(received: Message) -> tuple[bytes, str, bytes]:
    """(transaction, what, store) of a message."""
    payload = decode_payload(received.payload())
    return bytes.fromhex(received.partition[len(_ABOUT) :].decode()), payload.method, payload.arguments
