"""The stores that every contract is run on, with a crash that keeps what was flushed."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from darq import MemoryStore, RocksStore, Store


class Disk(Protocol):
    """Where a store lives: it can be opened again and again."""

    def open(self) -> Store: ...


class MemoryDisk:
    """A disk that is one MemoryStore."""

    def __init__(self) -> None:
        self.store = MemoryStore()

    def open(self) -> MemoryStore:
        return self.store.reopen()


class RocksDisk:
    """A folder that RocksDB lives in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def open(self) -> RocksStore:
        return RocksStore(self.folder)


MakeDisk = Callable[[Path], Disk]
DISKS: dict[str, MakeDisk] = {
    "memory": lambda folder: MemoryDisk(),
    "rocks": lambda folder: RocksDisk(folder / "store"),
}
