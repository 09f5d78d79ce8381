"""Copying a store while its primary goes on.

Rows travel in key order, in chunks that are each read between two groups, in the same ordered stream as the groups. The
backup is at the same group whenever it takes a chunk, and applies each group to all of its rows, copied or not. Why
that ends with equal copies: take the first key not copied yet, the cursor.

- Below it, the backup holds what the primary holds after the same group: so the chunk said when it came, and both
  have done the same since, single deletes and range deletes too.
- From it on, the backup holds only rows that a group of the same chain has put there since the wipe and none has
  dropped: a part of what the primary holds, with the same values. A delete of a row that has not come yet does nothing
  here, and the chunk that is read later does not bring the row. So adding a chunk's rows makes its range whole.

The cursor is a row, written with each chunk: a copy that has it is not whole. It survives a crash, after which copying
goes on where it was if the groups since are still at hand. Rows of one copy's own (keys.LOCAL) stay out of it.
"""

from darq import keys
from darq.replication.chain import Head
from darq.replication.messages import Chunk
from darq.replication.options import Options
from darq.store import Store

_FIRST, _LAST = b"", b"\xff"
_AFTER_LOCAL = keys.after(keys.LOCAL)


def read_chunk(store: Store, begin: bytes, after: int, options: Options, groups_bytes: int = 0) -> Chunk:
    """The next rows from `begin` on, of a store that is at group `after`.

    groups_bytes: what goes with them in one call. The more that is, the more rows: else rows that are added behind the
    cursor could be ahead of it for ever.
    """
    times = 1 + 2 * groups_bytes // options.chunk_bytes
    bytes_max, rows_max = times * options.chunk_bytes, times * options.chunk_rows
    rows: list[tuple[bytes, bytes]] = []
    size = 0
    page_rows = 1  # doubled: rows may be as large as 16 MiB
    cursor: bytes | None = begin
    while cursor is not None and size < bytes_max and len(rows) < rows_max:
        page = store.scan(cursor, _LAST if cursor >= _AFTER_LOCAL else keys.LOCAL, page_rows)
        rows += page
        size += sum(len(key) + len(value) for key, value in page)
        cursor = _next(cursor, page[-1][0] if len(page) == page_rows else None)
        page_rows = min(2 * page_rows, rows_max - len(rows) or 1)
    return Chunk(after, begin, cursor, rows)


def _next(cursor: bytes, last: bytes | None) -> bytes | None:
    """Where to read on, behind the key `last` or behind a range that has come to its end."""
    if last is not None:
        return last + b"\x00"
    return None if cursor >= _AFTER_LOCAL else _AFTER_LOCAL


def write_chunk(store: Store, chunk: Chunk) -> int:
    """Add the rows, and move the cursor or, at the end, remove it. Returns the size in bytes."""
    batch = store.batch()
    for key, value in chunk.rows:
        batch.put(key, value)
    if chunk.end is None:
        batch.delete(keys.COPYING)
    else:
        batch.put(keys.COPYING, chunk.end)
    size = batch.size_in_bytes()
    store.write(batch)
    return size


def wipe(store: Store, head: Head) -> None:
    """Drop all replicated rows, and mark the store as a copy that begins at `head`, all at once."""
    batch = store.batch()
    batch.delete_range(_FIRST, keys.LOCAL)
    batch.delete_range(_AFTER_LOCAL, _LAST)
    batch.put(keys.CHAIN, head.encode())
    batch.put(keys.COPYING, _FIRST)
    store.write(batch)
