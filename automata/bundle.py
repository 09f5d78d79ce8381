"""One object as it travels between stores: everything that a store has of it, in pieces that fit a message.

bundle     = msgpack [header or nil, [[subkey, value]...], [record...], [[request key, row]...],
             [[request id, outcome]...], [[cause, parked]...], [payload...], [suspended...],
             [[store, epoch]...]]
suspended  = msgpack [invocation, [part...], [[part, index, answer]...]]
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

PIECE_BYTES = 1 << 20


class Suspended(msgspec.Struct, array_like=True):
    """A method that waits at a commit point. The rows are those of docs/FORMAT.md."""

    invocation: bytes
    parts: Sequence[bytes]
    answers: Sequence[tuple[int, int, bytes]]


class Bundle(msgspec.Struct, array_like=True):
    """What a store has of one object.

    header: its DIRECTORY row; state, requests: by subkey and by key; answers: by request id; parked: messages that are
    tried again, and dead letters, by cause; messages: what it was not given yet, in order, before all that comes later;
    leaders: the hosts that were heard where it was (`automata.leaders`).
    """

    header: bytes | None
    state: Sequence[tuple[bytes, bytes]]
    records: Sequence[bytes]
    requests: Sequence[tuple[bytes, bytes]]
    answers: Sequence[tuple[bytes, bytes]]
    parked: Sequence[tuple[int, bytes]]
    messages: Sequence[bytes]
    suspended: Sequence[Suspended]
    leaders: Sequence[tuple[bytes, int]] = ()


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Bundle).decode

NOTHING = Bundle(None, (), (), (), (), (), (), ())
"""Of an object that does not exist yet."""


def cut(bundle: Bundle) -> list[bytes]:
    """The bundle in pieces, at least one."""
    data = _encode(bundle)
    return [data[at : at + PIECE_BYTES] for at in range(0, len(data), PIECE_BYTES)]


def put_together(pieces: Sequence[bytes]) -> Bundle:
    """The bundle that was cut into these."""
    return _decode(b"".join(pieces))
