"""Self-messages of one partition, as they lie in a store (SSMS §2): read in pages, so that a long log is never held."""

from __future__ import annotations

from collections.abc import Iterator

from darq import keys
from darq.store import Scannable

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
