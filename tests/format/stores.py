"""Stores made of the rows of a fixture, and what the scenario has left in them, whatever the format."""

import json
from dataclasses import dataclass
from pathlib import Path

from darq import Log, MemoryStore, keys
from darq.codec import Cause, Parked
from tests.format.scenario import LIMITS, RECEIVER


@dataclass(frozen=True)
class Pinned:
    """One fixture. released_7, format: files beside the database."""

    rows: dict[bytes, bytes]
    released_7: str
    format: str


def load(name: str) -> Pinned:
    """A fixture of this folder."""
    pinned = json.loads(Path(__file__).with_name(name).read_text())
    rows = {bytes.fromhex(key): bytes.fromhex(value) for key, value in pinned["rows"].items()}
    return Pinned(rows, pinned["released_7"], pinned["FORMAT"])


def opened(pinned: Pinned) -> Log:
    """The log over a store that holds the rows of the fixture."""
    store = MemoryStore()
    batch = store.batch()
    for key, value in pinned.rows.items():
        batch.put(key, value)
    store.write(batch)
    store.flush()
    return Log(store, LIMITS, lambda: 1_000.0)


def expect_the_scenario(log: Log) -> None:
    """All that the scenario wrote in format 1 is there."""
    assert log.lease.epoch == 2
    assert log.read(keys.partition_key(keys.STATE, b"a\x00b"), b"sub") == b"value"
    [(_, recorded_message)] = log.replay(b"a\x00b")
    assert recorded_message == b"recorded"
    message = log.inbox.next(log.group)
    assert message is not None
    assert (message.partition, message.body) == (b"other", b"second")
    assert log.inbox.next(log.group) is None
    assert log.outbox.batch(RECEIVER, 10, 1000) == (1, [b"\x00\x03farsent"])
    recorded = log.requests.find(b"a\x00b", b"request", 1_000_000, log.group)
    assert recorded is not None
    assert (recorded.due_ms, recorded.fingerprint, recorded.outcome) == (1_010_000, b"f" * 16, b"outcome")
    [(_, data)] = log.store.scan(keys.PARKED, keys.after(keys.PARKED), 10)
    assert Parked.decode(data) == Parked(Cause.RETRY, 1_000_100, 1, b"it raised", b"other", b"first")
