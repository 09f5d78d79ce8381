"""Stores of format 1 are read for ever."""

import json
from pathlib import Path

from darq import Log, RocksStore
from darq.codec import FORMAT_VERSION, Timer
from darq.step import Step
from tests.format.stores import expect_the_scenario, load, opened

PINNED = load("format_1.json")


def test_a_store_of_format_1_is_read() -> None:
    log = opened(PINNED)
    assert log.group.number == 3
    assert log.next_lsn == 5
    expect_the_scenario(log)
    assert not log.timers.look(log.group, 1 << 60).due


def test_what_format_1_lacks_can_be_written_to_it() -> None:
    log = opened(PINNED)
    step = Step(b"", b"")
    timer = Timer(0, b"", b"other", b"later")
    log.timers.add(step, 1_000_500, log.take_lsn(), timer)
    log.commit(step)
    log.close()
    again = Log(log.store.reopen())  # type: ignore[attr-defined]
    assert [found for _, found in again.timers.look(again.group, 1_000_500).due] == [timer]


def test_opening_its_folder_makes_it_the_present_format(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    RocksStore(folder).close()
    (folder / "FORMAT").write_text(PINNED.format)
    store = RocksStore(folder, read_only=True)
    assert store.identity() == bytes(range(16))
    store.close()
    assert (folder / "FORMAT").read_text() == PINNED.format
    store = RocksStore(folder)
    assert store.identity() == bytes(range(16))
    store.close()
    assert json.loads((folder / "FORMAT").read_bytes())["version"] == FORMAT_VERSION
    store = RocksStore(folder)
    assert store.identity() == bytes(range(16))
    store.close()
