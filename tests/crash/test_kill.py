"""A process killed with SIGKILL at any moment keeps every step that it was promised, each whole and once.

A kill keeps the page cache, so an engine that never flushed would survive it: the log file is cut back to its length at
the last flush as well, as a power cut may.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from darq import Log, RocksStore, keys
from darq.errors import StoreDamaged
from tests.crash import writer

KILLS = max(3, int(os.environ.get("SIM_EXAMPLES", "0")) // 100)
pytestmark = pytest.mark.process


@dataclass(frozen=True)
class Promise:
    """The last step that was released, and the lengths of the log files that were flushed by then."""

    step: int
    flushed: dict[str, int]


def run_and_kill(store: Path, side: Path, groups: int, *flags: str) -> Promise:
    """Let the writer release at least `groups` groups, kill it some time later, and return its last promise."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "tests.crash.writer", str(store), str(side), *flags]
    process = subprocess.Popen(command, cwd=root)
    try:
        while not (side.exists() and side.read_text().count('{"step"') > groups):
            assert process.poll() is None, "the writer ended by itself"
            time.sleep(0.002)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    promise: dict[str, Any] = {"flushed": {}}
    for line in side.read_text().splitlines(keepends=True):
        if line.endswith("\n"):
            promise |= json.loads(line)
    return Promise(**promise)


def cut_power(store: Path, promise: Promise) -> None:
    """Drop what was not flushed from each log file."""
    for log in (store / "rocks").glob("*.log"):
        os.truncate(log, min(log.stat().st_size, promise.flushed.get(log.name, 0)))


def check(store: Path, promised: int) -> int:
    """Everything up to `promised` is there, and the whole is some number of whole steps, which is returned."""
    log = Log(RocksStore(store))
    prefix = keys.partition_key(keys.STATE, b"worker")
    state = [int(key) for key, _ in log.scan(prefix, (b"", b"\xff"), keys.ALL)]
    done = len(state)
    assert state == list(range(1, done + 1))
    assert done >= promised
    assert [int(payload) for _, payload in log.replay(b"worker")] == state
    pending = []
    while (message := log.inbox.next(log.group)) is not None:
        pending.append(int(message.body))
    assert pending == list(range(max(1, done - done % 3), done + 1))  # each third step consumes all there is
    log.close()
    return done


@pytest.mark.parametrize("kill", range(KILLS))
@pytest.mark.parametrize("power_cut", [False, True])
def test_nothing_promised_is_lost(tmp_path: Path, kill: int, power_cut: bool) -> None:
    store, side = tmp_path / "store", tmp_path / "side"
    promise = run_and_kill(store, side, random.Random(kill).randint(1, 300))
    if power_cut:
        cut_power(store, promise)
    check(store, promise.step)


def test_an_engine_that_never_flushed_would_be_found_out(tmp_path: Path) -> None:
    store, side = tmp_path / "store", tmp_path / "side"
    promise = run_and_kill(store, side, 20, "no-flush")
    cut_power(store, promise)
    with pytest.raises(StoreDamaged, match="was acknowledged"):
        check(store, promise.step)


def test_the_writer_rotates_its_log_so_that_kills_meet_two_files(tmp_path: Path) -> None:
    assert writer.LIMITS.wal_bytes_max < 100 * 1024
    store, side = tmp_path / "store", tmp_path / "side"
    run_and_kill(store, side, 200)
    names = {name for line in side.read_text().splitlines()[:-1] for name in json.loads(line).get("flushed", {})}
    assert len(names) > 2
