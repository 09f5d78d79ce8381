"""Stores of format 1 are read for ever, and this release writes it byte for byte."""

import json
from pathlib import Path

import pytest

from darq import Log, MemoryStore, RocksStore, keys
from darq.codec import Cause, Parked
from darq.folder import encode_released
from tests.format.scenario import LIMITS, RECEIVER, run

FIXTURE = Path(__file__).with_name("format_1.json")
ROWS = {bytes.fromhex(key): bytes.fromhex(value) for key, value in json.loads(FIXTURE.read_text())["rows"].items()}


@pytest.fixture
def log() -> Log:
    store = MemoryStore()
    batch = store.batch()
    for key, value in ROWS.items():
        batch.put(key, value)
    store.write(batch)
    store.flush()
    return Log(store, LIMITS, lambda: 1_000.0)


def test_this_release_writes_the_rows_of_the_fixture() -> None:
    store = MemoryStore()
    run(store)
    assert dict(store.scan(b"", b"\xff", keys.ALL)) == ROWS


def test_the_fixture_has_rows_of_each_kind_that_the_log_writes() -> None:
    of_objects = {keys.DIRECTORY, keys.INVOCATION, keys.JOURNAL}
    kinds = {
        value for name, value in vars(keys).items() if name.isupper() and isinstance(value, bytes) and len(value) == 1
    }
    assert {key[:1] for key in ROWS} == kinds - of_objects


def test_a_store_of_format_1_is_read(log: Log) -> None:
    assert log.group.number == 3
    assert log.lease.epoch == 2
    assert log.read(keys.partition_key(keys.STATE, b"a\x00b"), b"sub") == b"value"
    assert list(log.replay(b"a\x00b")) == [(3, b"recorded")]
    message = log.inbox.next(log.group)
    assert message is not None
    assert (message.partition, message.body, message.lsn) == (b"other", b"second", 2)
    assert log.inbox.next(log.group) is None
    assert log.outbox.batch(RECEIVER, 10, 1000) == (1, [b"\x00\x03farsent"])
    recorded = log.requests.find(b"a\x00b", b"request", 1_000_000, log.group)
    assert recorded is not None
    assert (recorded.due_ms, recorded.fingerprint, recorded.outcome) == (1_010_000, b"f" * 16, b"outcome")
    [(_, data)] = log.store.scan(keys.PARKED, keys.after(keys.PARKED), 10)
    assert Parked.decode(data) == Parked(Cause.RETRY, 1_000_100, 1, b"it raised", b"other", b"first")


def test_the_files_beside_the_database(tmp_path: Path) -> None:
    pinned = json.loads(FIXTURE.read_text())
    assert encode_released(7).hex() == pinned["released_7"]
    store = RocksStore(tmp_path / "store")
    store.close()
    assert json.loads((tmp_path / "store" / "FORMAT").read_bytes()).keys() == json.loads(pinned["FORMAT"]).keys()
    (tmp_path / "store" / "FORMAT").write_text(pinned["FORMAT"])
    store = RocksStore(tmp_path / "store")
    assert store.identity() == bytes(range(16))
    store.close()
