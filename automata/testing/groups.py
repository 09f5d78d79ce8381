"""What a commit group holds, for people: told from the batch that is about to be written."""

from __future__ import annotations

from typing import Any

import msgspec

from automata.envelope import decode_payload
from automata.partitions import address_of
from darq import keys
from darq.codec import decode_message
from darq.memory import MemoryBatch

_decode_notes = msgspec.msgpack.Decoder(list[tuple[Any, ...]]).decode
_PUT_OR_DELETE = 2


def is_group(batch: MemoryBatch) -> bool:
    """Whether a batch is a commit group, rather than a lease or another row of the log's own."""
    return any(change[0] == keys.HEAD for change in batch.changes)


def puts(batch: MemoryBatch, kind: bytes) -> list[tuple[bytes, bytes]]:
    """The rows of one kind that a batch sets."""
    return [
        (change[0], change[1])
        for change in batch.changes
        if len(change) == _PUT_OR_DELETE and change[0][:1] == kind and change[1] is not None
    ]


def deletes(batch: MemoryBatch, kind: bytes) -> list[bytes]:
    """The rows of one kind that a batch drops one by one."""
    return [
        change[0]
        for change in batch.changes
        if len(change) == _PUT_OR_DELETE and change[0][:1] == kind and change[1] is None
    ]


def describe(batch: MemoryBatch) -> str:
    """The steps of a group in one line, and the messages that it stores."""
    told = [_step(note) for _, row in puts(batch, keys.HISTORY) for note in _decode_notes(row)]
    told += [_message(data) for _, data in puts(batch, keys.INBOX)]
    return ", ".join(told) or "rows of the engine's own"


def _step(note: tuple[Any, ...]) -> str:
    """One note of the history: when, whose, method, how many written and sent, its error, and what came later."""
    _, partition, method, writes, sends, error, *_ = note
    type_name, key = address_of(partition)
    failed = f" failed with {error}" if error else ""
    return f"step {type_name}/{key} {method}{failed} ({writes} written, {sends} sent)"


def _message(data: bytes) -> str:
    partition, payload = decode_message(data)
    type_name, key = address_of(partition)
    return f"message to {type_name}/{key} {decode_payload(payload).method}"
