"""A store that is only looked at: beside its holder, if it has one, and without a trace.

What is shown had been written by the holder; it may be a few milliseconds short of being durable.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from darq import RocksStore, keys
from darq.codec import Head
from darq.errors import StoreDamaged
from darq.recovery import recover
from darq.store import Store

_TRIES = 6
_PAGE_ROWS = 4096
_PAUSE_SECONDS = 0.05


class Holder(msgspec.Struct):
    """The process that holds a store, as its `holder` file says. since_ms: when it took it."""

    pid: int
    command: str
    since_ms: int = 0


@dataclass(frozen=True)
class Reader:
    """An open store that cannot be changed."""

    store: RocksStore
    head: Head
    holder: Holder | None


@contextmanager
def reading(folder: Path) -> Iterator[Reader]:
    """Open the store in `folder` for reading.

    Raises StorePathError if there is none, NewerFormat, StoreDamaged.
    """
    store = _open(folder)
    try:
        holder = holder_of(folder)
        yield Reader(store, recover(store) if holder is None else _head(store), holder)
    finally:
        store.close()


def _head(store: Store) -> Head:
    """The head of a store that its holder goes on changing: what is acknowledged meanwhile may not be seen here yet."""
    data = store.get(keys.HEAD)
    return Head() if data is None else Head.decode(data)


def rows_of(store: Store, begin: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The rows of [begin, end), page by page."""
    while rows := store.scan(begin, end, _PAGE_ROWS):
        yield from rows
        begin = rows[-1][0] + b"\x00"


def holder_of(folder: Path) -> Holder | None:
    """Who holds the store now: what the `holder` file says, if that process is alive. The lock is not touched."""
    file = folder / "holder"
    try:
        holder = msgspec.json.decode(file.read_bytes(), type=Holder)
        holder.since_ms = int(file.stat().st_mtime * 1000)
    except (OSError, msgspec.MsgspecError):
        return None
    return holder if _is_alive(holder.pid) else None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def _open(folder: Path) -> RocksStore:
    """The holder may drop a file between being listed and being opened: that looks like damage, once."""
    for _ in range(_TRIES - 1):
        try:
            return RocksStore(folder, read_only=True)
        except StoreDamaged:
            time.sleep(_PAUSE_SECONDS)
    return RocksStore(folder, read_only=True)
