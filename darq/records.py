"""Self-messages of one partition, as they lie in a store (SSMS §2): read in pages, so that a long log is never held."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from darq import keys, overlay
from darq.overlay import Overlay
from darq.store import Scannable, Store

_FIRST_PAGE_ROWS, _PAGE_ROWS_MAX = 64, 2048


def stored(store: Scannable, partition: bytes, after_lsn: int = 0) -> Iterator[tuple[int, bytes]]:
    """(lsn, payload) of what is stored and numbered above `after_lsn`, in order."""
    prefix = keys.partition_key(keys.RECORD, partition)
    begin, end = prefix + keys.number(after_lsn + 1), keys.after(prefix)
    number_of, page = keys.number_of, _FIRST_PAGE_ROWS
    while rows := store.scan(begin, end, page):
        for key, payload in rows:
            yield number_of(key), payload
        if len(rows) < page:
            return
        begin = rows[-1][0] + b"\x00"
        page = min(page * 4, _PAGE_ROWS_MAX)


class StoreReader:
    """State and records of a store that nobody steps through this object: what is stored is all there is."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def read(self, prefix: bytes, subkey: bytes, /) -> bytes | None:
        """One value of a partition's state."""
        return self._store.get(prefix + subkey)

    def scan(
        self,
        prefix: bytes,
        bounds: tuple[bytes, bytes],
        limit: int,
        reverse: bool = False,
        over: Sequence[Overlay] = (),
    ) -> list[tuple[bytes, bytes]]:
        """Up to `limit` rows of a partition's state within [begin, end), with the layers `over` on top."""
        return overlay.scan(self._store, prefix, over, bounds, limit, reverse)

    def replay(self, partition: bytes, after_lsn: int = 0) -> Iterator[tuple[int, bytes]]:
        """(lsn, payload) of the self-messages of a partition above `after_lsn`, in order."""
        return stored(self._store, partition, after_lsn)
