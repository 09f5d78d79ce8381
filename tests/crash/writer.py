"""A process that writes steps until it is killed, and says in a side channel what it was promised.

usage: python -m tests.crash.writer STORE SIDE [no-flush]

SIDE gets a JSON line after each flush, with how long each log file then was for certain, and one for each released
group, with its last step. The lengths are taken and written where RocksDB is called: a store that forgets to flush
cannot claim to have, and whatever was released after a flush finds that flush's line written.
"""

import contextlib
import json
import sys
from pathlib import Path
from typing import TextIO

from darq import Limits, Log, Message, RocksStore

STEPS_PER_GROUP = 5
LIMITS = Limits(wal_bytes_max=60_000)


class Watched:
    """RocksDB, with a record of what it was told to flush."""

    def __init__(self, database: object, folder: Path, said: TextIO) -> None:
        self._database = database
        self._folder = folder
        self._said = said

    def __getattr__(self, name: str) -> object:
        return getattr(self._database, name)

    def flush_wal(self, sync: bool) -> None:
        """Flush, and note how long each log file is for certain."""
        lengths = {}
        for log in self._folder.glob("*.log"):
            with contextlib.suppress(FileNotFoundError):  # RocksDB drops logs that became tables at any moment
                lengths[log.name] = log.stat().st_size
        self._database.flush_wal(sync)  # type: ignore[attr-defined]
        if sync:
            self._said.write(json.dumps({"flushed": lengths}) + "\n")


class NoFlush(RocksStore):
    """A store that forgets to flush: the tests must notice."""

    def flush(self) -> None:
        """Nothing."""


def main(store: Path, side: Path, *flags: str) -> None:
    """Write and flush groups of steps for ever."""
    opened = (NoFlush if "no-flush" in flags else RocksStore)(store)
    with side.open("w", buffering=1) as said:
        opened._db = Watched(opened._db, store / "rocks", said)  # type: ignore[assignment]
        log = Log(opened, LIMITS)
        number = 0
        while True:
            for _ in range(STEPS_PER_GROUP):
                number += 1
                step = log.step(b"worker")
                while number % 3 == 0 and (message := log.inbox.next(log.group)) is not None:
                    step.consume(message)
                step.put(b"%08d" % number, b"v" * 100)
                step.record(b"%08d" % number)
                step.send(Message(b"other", b"%08d" % number))
                log.commit(step)
            log.commit_now()
            said.write(json.dumps({"step": number}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
