"""Linearizable reads at a copy that follows (LambdaObjects §4.2.1): a batch of readonly methods, or "ask the primary".

    batch  = msgpack [ask...]      asks as in `automata.asking`, all READ
    answer = msgpack [outcome...]  in the same order; AGAIN for what the primary has to be asked

All reads of a batch see one group, and are shown when that is known to be released: it has happened in all copies then,
and everything that was acknowledged before the batch came is in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from automata.asking import AGAIN, Ask
from automata.replica_reads import ReplicaReads
from darq.errors import StaleCopy
from darq.replication import Backup

READABLE_SECONDS_MAX = 0.4
"""How long a batch waits to hear that what it has seen is released: a little longer than between two heartbeats."""

encode = msgspec.msgpack.Encoder().encode
_decode_asks = msgspec.msgpack.Decoder(list[Ask]).decode
decode_answers = msgspec.msgpack.Decoder(list[bytes]).decode


class BackupReads:
    """The door for reads of one copy, while it follows."""

    def __init__(self, backup: Backup, reads: ReplicaReads) -> None:
        self._backup = backup
        self._reads = reads

    async def answer(self, data: bytes) -> bytes:
        """The answers to a batch."""
        asks = _decode_asks(data)
        try:
            async with asyncio.timeout(READABLE_SECONDS_MAX):
                return encode(await self._read(asks))
        except (StaleCopy, TimeoutError):
            return refusal(len(asks))

    async def _read(self, asks: Sequence[Ask]) -> list[bytes]:
        """The point is taken, and all is read at it without a pause. Raises StaleCopy."""
        point = self._backup.read_point()
        outcomes = self._reads.read(asks)
        if any(outcome is not None for outcome in outcomes):
            await self._backup.readable(point)
        return [AGAIN if outcome is None else outcome for outcome in outcomes]


def refuse(data: bytes) -> bytes:
    """The answer of a copy that does not follow: it answers nothing here."""
    return refusal(len(_decode_asks(data)))


def refusal(count: int) -> bytes:
    """All has to be asked of the primary."""
    return encode([AGAIN] * count)
