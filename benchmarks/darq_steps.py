"""How fast the log takes steps, against RocksDB writing the same rows with nothing around it.

A step consumes a stored message, records a self-message and sends a message to another partition, which is written:
three rows of a batch that is synced for each group. The next group runs while one is flushed on a thread, as in the
committer; the floor syncs as it writes. Rounds of log and floor alternate, since the machine is noisy.
"""

import json
import struct
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

from rocksdict import Options, Rdict, WriteBatch, WriteOptions

from darq import Log, Message, RocksStore

GROUPS = (256, 1024)
PARTITIONS = 64
RECORD, SENT = b"s" * 64, b"o" * 64
_pair = struct.Struct(">QQ").pack


class Floor:
    """Bare RocksDB: each step deletes one row and puts two, in synced batches."""

    def __init__(self, folder: Path) -> None:
        options = Options(raw_mode=True)
        options.set_write_buffer_size(64 << 20)
        self._db = Rdict(str(folder), options)
        self._synced = WriteOptions()
        self._synced.sync = True
        self._lsn = 0

    def run(self, group: int, groups: int) -> None:
        """Write `groups` batches of `group` steps."""
        for _ in range(groups):
            batch = WriteBatch(raw_mode=True)
            for i in range(group):
                self._lsn += 3
                batch.delete(_pair(i % PARTITIONS, self._lsn - 3))
                batch.put(_pair(i % PARTITIONS, self._lsn), RECORD)
                batch.put(_pair(i % PARTITIONS + 1000, self._lsn + 1), SENT)
            self._db.write(batch, write_opt=self._synced)

    def close(self) -> None:
        """Let go of the database."""
        self._db.close()


class Steps:
    """The log: what a step sends is written with its group, and consumed by a step of the next."""

    def __init__(self, folder: Path, group: int) -> None:
        self._log = Log(RocksStore(folder))
        self._names = [b"partition-%d" % i for i in range(PARTITIONS)]
        self._thread = ThreadPoolExecutor(1)
        self._in_flight: tuple[int, Future[None]] | None = None
        first = self._log.step(b"source")
        for i in range(group):
            first.send(Message(self._names[i % PARTITIONS], SENT))
        self._log.commit(first)
        self._log.commit_now()

    def run(self, group: int, groups: int) -> None:
        """Commit `groups` groups of `group` steps."""
        log, names = self._log, self._names
        for _ in range(groups):
            for i in range(group):
                message = log.inbox.next(log.group)
                assert message is not None
                step = log.step(message.partition)
                step.consume(message)
                step.record(RECORD)
                step.send(Message(names[(i + 1) % PARTITIONS], SENT))
                log.commit(step)
            self._settle()
            sealed = log.seal()
            self._in_flight = sealed, self._thread.submit(log.flush)
        self._settle()

    def _settle(self) -> None:
        if self._in_flight is not None:
            group, flush = self._in_flight
            flush.result()
            self._log.settle(group)
            self._in_flight = None

    def close(self) -> None:
        """Let go of the store."""
        self._thread.shutdown()
        self._log.close()


def steps_per_second(run: Callable[[int, int], None], group: int, groups: int) -> float:
    """Steps a second of one short round."""
    begun = time.perf_counter()
    run(group, groups)
    return group * groups / (time.perf_counter() - begun)


def compare(folder: Path, group: int, rounds: int, seconds: float) -> tuple[float, float]:
    """(log, floor) in steps a second: medians of alternating rounds of about the given length."""
    floor, steps = Floor(folder / "floor"), Steps(folder / "log", group)
    groups = max(1, int(seconds * 100_000 / group))
    taken: list[tuple[float, float]] = []
    for _ in range(rounds):
        bare = steps_per_second(floor.run, group, groups)
        taken.append((steps_per_second(steps.run, group, groups), bare))
    floor.close()
    steps.close()
    return median(log for log, _ in taken), median(bare for _, bare in taken)


def measure(quick: bool) -> list[dict[str, Any]]:
    """One result for each group size."""
    results = []
    for group in GROUPS:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            log, floor = compare(Path(folder), group, *((5, 0.1) if quick else (15, 0.3)))
        results.append(
            {
                "name": f"darq steps, groups of {group}",
                "value": round(log),
                "unit": "steps/s",
                "floor": round(floor),
                "ratio": round(log / floor, 3),
                "must": 0.6,
                "aim": 0.85,
            }
        )
    return results


def main() -> None:
    """Print the results as JSON."""
    print(json.dumps(measure(quick=False), indent=1))


if __name__ == "__main__":
    main()
