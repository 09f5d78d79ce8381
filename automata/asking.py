"""What clients and hosts of other stores send to a host, and what they are told. All of it may be lost or come twice.

    batch = msgpack [client, epoch, number, [forget...], [[tag, ask]...]]
    told  = msgpack [epoch, pending, [[tag, outcome]...]]

A batch that is not newer than the last one of its client is refused, so a delayed one does nothing. What is asked
again, in a newer batch, carries the same request id, and so has happened at most once.

client = 16 random bytes, or of a host the identity of the store that it leads and its epoch: u64. Who leads a store
may let outcomes be forgotten that its predecessor has asked for too, so nothing of that is looked at any more then.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

CALL, READ, POST, CANCEL, LOOK, DELETE = 0, 1, 2, 3, 4, 5
PART, PREPARE, ABORT, DECISION = 6, 7, 8, 9
"""Of transactions that span stores: a call that belongs to one; to prepare, or to undo, what it has done in a store;
and what became of it, asked of the store that began it."""

WHERE, EXISTS, INSPECT = "where", "exists", "inspect"
"""What can be looked for: the identity of the store that has an object, whether it is there, and its fields."""

MOVED, AGAIN = b"\x04", b"\x05"
"""In place of an outcome (`automata.outcomes`): it lives in another store, whose identity follows if it is known; or
it is unknown what became of it: ask again."""


CLIENT_BYTES = 16
_EPOCH_BYTES = 8


class Ask(msgspec.Struct, array_like=True, gc=False):
    """One call, read or message for one object.

    kind: CALL, READ (a readonly method), POST (one-way), CANCEL (a message that is due later), LOOK (from outside of
    any method), DELETE; of a transaction PART, PREPARE, ABORT, DECISION; method: of the object, or the id of the
    message to be cancelled, or what is looked for; request: its id, also a user's idempotency key; behind: its sender
    has sent messages to the object, which it must not overtake; due_ms, rule: of a message that is due later; span:
    the transaction that it is part of (`automata.span`).
    """

    kind: int
    partition: bytes
    method: str
    arguments: bytes
    request: bytes
    behind: bool = False
    due_ms: int = 0
    rule: bytes = b""
    span: bytes = b""


class Batch(msgspec.Struct, array_like=True):
    """What one client asks at once.

    client: see above; epoch: of the host that it is for; number: grows with each batch to that host; forget: request
    ids whose outcomes the client has got; asks: each with a tag, under which it is answered.
    """

    client: bytes
    epoch: int
    number: int
    forget: Sequence[bytes]
    asks: Sequence[tuple[int, Ask]]


class Told(msgspec.Struct, array_like=True):
    """What a host says. epoch: its own, which differs if it has not looked at the batch; pending: how many of this
    client's asks are not answered yet; told: tags with outcomes."""

    epoch: int
    pending: int
    told: Sequence[tuple[int, bytes]]


def client_of(store: bytes, epoch: int) -> bytes:
    """The client that the host is which leads a store under `epoch`: no other one ever is."""
    return store + epoch.to_bytes(_EPOCH_BYTES, "big")


def store_of(client: bytes) -> bytes:
    """The store that a client leads; b"" for one that is no host."""
    return client[:-_EPOCH_BYTES] if len(client) > CLIENT_BYTES else b""


def epoch_of(client: bytes) -> int:
    """The epoch under which a host leads its store."""
    return int.from_bytes(client[-_EPOCH_BYTES:], "big")


encode = msgspec.msgpack.Encoder().encode
decode_batch = msgspec.msgpack.Decoder(Batch).decode
decode_told = msgspec.msgpack.Decoder(Told).decode
