"""The storage layer of the disaggregated variant: RocksDB in an actor, durable, with group commit.

It knows rows and no objects. All writes that are there when its loop comes round are one batch and one flush.
"""

import asyncio

from darq.rocks import RocksStore

Rows = list[tuple[bytes, bytes]]


class Storage:
    """One store behind calls. Each call is answered once it is durable."""

    def __init__(self, folder: str) -> None:
        self._store = RocksStore(folder)
        self._waiting: list[tuple[Rows, asyncio.Future[None]]] = []

    async def scan(self, begin: bytes, end: bytes, limit: int, reverse: bool = False) -> Rows:
        """Up to `limit` rows of [begin, end), or the last ones from the end backwards: a range in one call."""
        return self._store.scan(begin, end, limit, reverse)

    async def write(self, rows: Rows) -> None:
        """Set all these rows, or none of them: what a method writes, in one call."""
        loop = asyncio.get_running_loop()
        written: asyncio.Future[None] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._commit)
        self._waiting.append((rows, written))
        await written

    async def close(self) -> None:
        """Let go of the files."""
        self._store.close()

    def _commit(self) -> None:
        group, self._waiting = self._waiting, []
        batch = self._store.batch()
        for rows, _ in group:
            for key, value in rows:
                batch.put(key, value)
        self._store.write(batch)
        self._store.flush()  # in place, as the engine does where a flush is faster than a hop to a thread
        for _, written in group:
            if not written.done():
                written.set_result(None)
