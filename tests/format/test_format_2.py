"""Stores of format 2 are read for ever, and this release writes it byte for byte."""

import json
from pathlib import Path

from darq import RocksStore, keys
from darq.codec import Timer, origin_of
from darq.folder import encode_released
from tests.format.scenario import IDENTITY, rows
from tests.format.stores import expect_the_scenario, load, opened

PINNED = load("format_2.json")


def test_this_release_writes_the_rows_of_the_fixture() -> None:
    assert rows() == PINNED.rows


def test_the_fixture_has_rows_of_each_kind_that_the_log_writes() -> None:
    of_objects = {keys.DIRECTORY, keys.LIFETIME, keys.INVOCATION, keys.JOURNAL}
    of_clusters = {keys.ANSWERS, keys.PREPARED, keys.DECIDED, keys.LEADER} | {
        kind for kind in vars(keys).values() if isinstance(kind, bytes) and b"\x60" <= kind < b"\x80"
    }
    kinds = {
        value for name, value in vars(keys).items() if name.isupper() and isinstance(value, bytes) and len(value) == 1
    }
    assert {key[:1] for key in PINNED.rows} == kinds - of_objects - of_clusters


def test_a_store_of_format_2_is_read() -> None:
    log = opened(PINNED)
    assert log.group.number == 3
    expect_the_scenario(log)
    look = log.timers.look(log.group, 1_000_699)
    assert [timer for _, timer in look.due] == [Timer(0, b"", b"other", b"once")]
    assert look.next_ms == 1_000_700
    [(key, timer)] = log.timers.look(log.group, 1_000_700).due
    assert (timer.rule, timer.partition, timer.payload) == (b"rule", b"other", b"again")
    assert log.timers.find(origin_of(log.store.identity(), timer.schedule), None, log.group) == (
        key,
        timer.schedule_key,
    )


def test_the_files_beside_the_database(tmp_path: Path) -> None:
    assert encode_released(7).hex() == PINNED.released_7
    folder = tmp_path / "store"
    RocksStore(folder).close()
    assert json.loads((folder / "FORMAT").read_bytes()).keys() == json.loads(PINNED.format).keys()
    (folder / "FORMAT").write_text(PINNED.format)
    store = RocksStore(folder)
    assert store.identity() == IDENTITY
    store.close()
    assert (folder / "FORMAT").read_text() == PINNED.format
