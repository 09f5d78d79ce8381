"""What only the store on disk has to care for. tests/contract and tests/crash hold the rest."""

import threading
from pathlib import Path

from darq import RocksStore


class Watched:
    """RocksDB whose flush takes until it is let go, and which notes what happens in which order."""

    def __init__(self, database: object) -> None:
        self._database = database
        self.begun, self.go = threading.Event(), threading.Event()
        self.happened: list[str] = []

    def flush_wal(self, sync: bool) -> None:
        self.begun.set()
        assert self.go.wait(10)
        self._database.flush_wal(sync)  # type: ignore[attr-defined]
        self.happened.append("flushed")

    def close(self) -> None:
        self.happened.append("closed")
        self._database.close()  # type: ignore[attr-defined]


def test_closing_waits_for_a_flush_on_another_thread(tmp_path: Path) -> None:
    """RocksDB in use by another thread refuses to be closed, and would stay open and locked."""
    store = RocksStore(tmp_path / "store")
    watched = Watched(store._db)
    store._db = watched  # type: ignore[assignment]
    flushing, closing = threading.Thread(target=store.flush), threading.Thread(target=store.close)
    flushing.start()
    assert watched.begun.wait(10)
    closing.start()
    closing.join(0.1)  # time in which it could go wrong, not time that it needs
    watched.go.set()
    flushing.join()
    closing.join()
    assert watched.happened == ["flushed", "closed"]
    RocksStore(tmp_path / "store").close()
