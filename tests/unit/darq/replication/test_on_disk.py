"""Copies on real disks: the rows, the log files and the files beside them."""

import asyncio
import time
from pathlib import Path

import pytest

from darq import Committer, Limits, Log, RocksStore
from darq.errors import StorePathError
from darq.replication import Backup, Outside, Primary, head_of
from darq.replication.options import Options
from darq.store import Store

LIMITS = Limits(wal_bytes_max=20_000, inline_flush_seconds_max=-1)
OPTIONS = Options(chunk_rows=50)


class Alone:
    """A catalog that agrees to everything."""

    async def add(self, copy: str) -> None:
        return

    async def drop(self, copy: str) -> None:
        return


def rows(store: Store) -> list[tuple[bytes, bytes]]:
    return [*store.scan(b"", b"\x70", 1 << 30), *store.scan(b"\x71", b"\xff", 1 << 30)]


def write(log: Log, count: int) -> None:
    for number in range(count):
        step = log.step(b"rows")
        step.put(b"%d" % (number % 300), bytes(200))
        step.delete(b"%d" % (number * 7 % 300))
        if number % 50 == 0:
            assert step.overlay is not None
            step.overlay.drop_range(b"1", b"2")
        log.commit(step)


@pytest.mark.parametrize("begins", ["together", "later"])
def test_a_backup_on_disk_equals_its_primary_and_opens_in_its_place(tmp_path: Path, begins: str) -> None:
    async def scenario() -> None:
        store = RocksStore(tmp_path / "a")
        there = RocksStore(tmp_path / "b", identity=store.identity())
        backup = Backup(there, time.monotonic, OPTIONS, LIMITS)

        async def ship(copy: str, data: bytes) -> bytes:
            return await backup.receive(data)

        primary = Primary(
            store, 1, ["b"] if begins == "together" else [], Outside(time.monotonic, ship, Alone()), OPTIONS
        )
        await primary.ready()
        log = Log(primary.store, LIMITS, epoch=1, copies=primary)
        committer = Committer(log, asyncio.get_running_loop(), lambda seconds: False)
        for turn in range(20):
            write(log, 60)
            await committer.settle()
            if turn == 10:
                primary.recent.trim(0)
                primary.attach("b")
        while not primary.in_sync:
            await primary._change()
        log.mark_closed()
        await committer.settle()
        assert rows(there) == rows(store)
        assert head_of(there) == head_of(store)
        await primary.stop()
        committer.stop()
        log.close()
        backup.stop()
        there.close()

    asyncio.run(scenario())
    store = RocksStore(tmp_path / "b")
    log = Log(store, epoch=2)
    assert not log.was_killed
    assert log._head.generation > 3
    log.close()


def test_a_folder_that_holds_another_store_is_no_copy(tmp_path: Path) -> None:
    first = RocksStore(tmp_path / "a", identity=bytes(16))
    assert first.identity() == bytes(16)
    first.close()
    with pytest.raises(StorePathError, match="holds another store"):
        RocksStore(tmp_path / "a", identity=bytes(range(16)))
    RocksStore(tmp_path / "a", identity=bytes(16)).close()
