"""A process that writes steps until it is killed, and says in a side channel what it was promised.

usage: python writer.py STORE SIDE [no-flush]

SIDE gets lines "released-step log-file length": after a group is released, how long the log file was at its flush.
"""

import sys
from pathlib import Path

from darq import Limits, Log, Message, RocksStore

STEPS_PER_GROUP = 5
LIMITS = Limits(wal_bytes_max=60_000)


class NoFlush(RocksStore):
    """A store that forgets to flush: the tests must notice."""

    def flush(self) -> None:
        """Nothing."""


def main(store: Path, side: Path, *flags: str) -> None:
    """Write and flush groups of steps for ever."""
    log = Log((NoFlush if "no-flush" in flags else RocksStore)(store), LIMITS)
    with side.open("w", buffering=1) as said:
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
            group = log.seal()
            log.flush()
            newest = max((store / "rocks").glob("*.log"))
            # what an unflushed file may lose is what it grew by since its last flush; without one it may lose all
            length = 0 if "no-flush" in flags else newest.stat().st_size
            log.settle(group)
            said.write(f"{number} {newest.name} {length}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
