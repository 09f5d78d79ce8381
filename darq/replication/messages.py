"""What primary and backup say to each other: msgpack arrays that begin with the version of this protocol."""

import msgspec

from darq.errors import NewerFormat
from darq.replication.chain import Head
from darq.replication.entry import Entry

VERSION = 1


class Chunk(msgspec.Struct, array_like=True, frozen=True):
    """All rows in [begin, end) as they are after group `after`; end: None behind the last row of the store."""

    after: int
    begin: bytes
    end: bytes | None
    rows: list[tuple[bytes, bytes]]


class Wipe(msgspec.Struct, array_like=True, frozen=True):
    """Begin anew, as a copy of which nothing is copied yet, at `head`; only by a copy that is still at `judged`.

    So a late double of it does nothing: a head that was not on the chain, or too far back, never comes again.
    """

    judged: Head
    head: Head


class Ship(msgspec.Struct, array_like=True):
    """From the primary; without groups it is a heartbeat.

    committed: the highest group that is released. heard: the backup's own stamp of its newest acknowledgement that the
    primary has got while it holds all its leases and counts on this backup; 0.0 otherwise.
    """

    version: int
    epoch: int
    committed: int
    heard: float
    entries: list[Entry]
    chunk: Chunk | None
    wipe: Wipe | None

    @property
    def writes(self) -> bool:
        """Whether the backup has to write something."""
        return bool(self.entries) or self.chunk is not None or self.wipe is not None


class Reply(msgspec.Struct, array_like=True, frozen=True):
    """From a backup: how far its disk is.

    epoch: the one that it follows; if it is higher than the primary's, this is no acknowledgement but a refusal.
    cursor: the first key that is not copied yet; None for a whole copy. stamp: when this was sent, by the backup's
    clock. eager: somebody waits there, or did lately, to hear that groups are released.
    """

    version: int
    epoch: int
    head: Head
    cursor: bytes | None
    stamp: float
    eager: bool


encode = msgspec.msgpack.Encoder().encode
_ship = msgspec.msgpack.Decoder(Ship).decode
_reply = msgspec.msgpack.Decoder(Reply).decode


def decode_ship(data: bytes) -> Ship:
    """The primary's message in `data`. Raises NewerFormat if a later release has written it."""
    ship = _ship(data)
    _check(ship.version)
    return ship


def decode_reply(data: bytes) -> Reply:
    """The backup's answer in `data`. Raises NewerFormat if a later release has written it."""
    reply = _reply(data)
    _check(reply.version)
    return reply


def epoch_of(data: bytes) -> int:
    """The epoch that a primary's message was sent under."""
    return decode_ship(data).epoch


def _check(version: int) -> None:
    if version != VERSION:
        raise NewerFormat(f"another release replicates with protocol {version}, this one with {VERSION}")
