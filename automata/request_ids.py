"""The ids under which hosts ask other hosts, and clients ask hosts: asked again under the same one, nothing runs twice.

client's call = 00 client:16 sequence:u64            a client counts its calls
nested call   = 01 store:16 number:u64 part:u32 index:u32
                the journal's place that waits for the answer: the same whenever the method is resumed

user's key    = its UTF-8, behind 0F if it begins with a byte up to that
"""

from __future__ import annotations

import struct

CLIENT, NESTED = b"\x00", b"\x01"
_USERS = b"\x0f"  # before a key of a user that begins with a byte up to this one

NO_FINGERPRINT = bytes(16)
"""Of what is asked under an id that no user gave: it stands for one call alone."""

_sequence = struct.Struct(">Q").pack
_place = struct.Struct(">QII").pack


def of_client(client: bytes, sequence: int) -> bytes:
    """The id of a client's call."""
    return CLIENT + client + _sequence(sequence)


def nested(store: bytes, number: int, part: int, index: int) -> bytes:
    """The id of a call that a method of another store awaits."""
    return NESTED + store + _place(number, part, index)


def of_user(key: str) -> bytes:
    """The id under which a user's idempotency key is recorded: never one of those above."""
    data = key.encode()
    return _USERS + data if data[:1] <= _USERS else data


def is_automatic(request: bytes) -> bool:
    """Whether no user gave it."""
    return request[:1] in (CLIENT, NESTED)


def is_nested(request: bytes) -> bool:
    """Whether a method of another store asks, which does so again whenever it is resumed."""
    return request[:1] == NESTED
