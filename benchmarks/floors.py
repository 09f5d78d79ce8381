"""What the machine reaches with next to nothing around it: the floors that the engine is held against.

One flush is a 4 KiB append and an fdatasync. The prototype is the least asyncio service that makes counters durable
with group commit over RocksDB: no API, no errors, no deduplication, no recovery. A round trip of a bare future is what
any asyncio service pays for an answer.
"""

import asyncio
import os
import tempfile
import time
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median

import msgspec
from rocksdict import Options, Rdict, WriteBatch, WriteOptions

from benchmarks.results import Result, print_json, told

COUNTERS = 1000
CALLERS = 64
_STRIDE = 7919  # callers start far apart, and each walks over all counters

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


class Flusher:
    """Appends to a file and flushes it."""

    def __init__(self, folder: Path) -> None:
        self._file = os.open(folder / "flushed", os.O_CREAT | os.O_WRONLY | os.O_APPEND)

    def once(self) -> None:
        """One flush of 4 KiB."""
        os.write(self._file, b"x" * 4096)
        os.fdatasync(self._file)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)


class BareRocks:
    """RocksDB as it comes, but for a write buffer that does not fill up within a benchmark."""

    def __init__(self, folder: Path) -> None:
        options = Options(raw_mode=True)
        options.set_write_buffer_size(64 << 20)
        self.database = Rdict(str(folder / "bare"), options)
        self.synced = WriteOptions()
        self.synced.sync = True
        self._written = 0

    def write_one(self) -> None:
        """One synced batch of one small entry."""
        self._written += 1
        batch = WriteBatch(raw_mode=True)
        batch.put(b"w" + self._written.to_bytes(8, "big"), b"v" * 16)
        self.database.write(batch, write_opt=self.synced)

    def close(self) -> None:
        """Let go of the database."""
        self.database.close()


class Prototype:
    """Durable counters: all calls that are there when the loop comes round are one synced batch."""

    def __init__(self, rocks: BareRocks) -> None:
        self._rocks = rocks
        self._waiting: deque[tuple[int, bytes, asyncio.Future[int]]] = deque()
        self._values: dict[int, int] = {}
        self._scheduled = False
        self._lsn = 0

    def add(self, counter: int, arguments: bytes) -> asyncio.Future[int]:
        """Add to a counter; the future has its new value once that is durable."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[int] = loop.create_future()
        self._waiting.append((counter, arguments, future))
        if not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._run)
        return future

    def _run(self) -> None:
        self._scheduled = False
        batch = WriteBatch(raw_mode=True)
        answers = []
        for _ in range(len(self._waiting)):
            counter, arguments, future = self._waiting.popleft()
            name = counter.to_bytes(8, "big")
            value = self._values.get(counter)
            if value is None:
                stored = self._rocks.database.get(b"s" + name)
                value = _decode(stored) if stored else 0
            value += _decode(arguments)[0]
            self._values[counter] = value
            self._lsn += 1
            batch.put(b"s" + name, _encode(value))
            batch.put(b"l" + name + self._lsn.to_bytes(8, "big"), _encode(("add", arguments, value)))
            answers.append((future, value))
        self._rocks.database.write(batch, write_opt=self._rocks.synced)
        for future, value in answers:
            future.set_result(value)

    async def call(self, counter: int) -> None:
        """What a caller does: one durable `add(1)`."""
        await self.add(counter, _encode([1]))


async def bare_future(_: int) -> None:
    """One round trip of a future through the event loop."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()
    loop.call_soon(future.set_result, None)
    await future


async def calls_per_second(call: Callable[[int], Awaitable[object]], callers: int, seconds: float) -> float:
    """How often `callers` tasks, each one call at a time, get an answer of `call(number of a counter)`."""
    end = time.perf_counter() + seconds

    async def caller(n: int) -> int:
        made = 0
        while time.perf_counter() < end:
            await call((n * _STRIDE + made) % COUNTERS)
            made += 1
        return made

    begun = time.perf_counter()
    made = await asyncio.gather(*(caller(n) for n in range(callers)))
    return sum(made) / (time.perf_counter() - begun)


def microseconds_p50(work: Callable[[], object], count: int) -> float:
    """The median time that `work` takes."""
    return median(_timed(work) for _ in range(count)) * 1e6


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def measure(quick: bool) -> list[Result]:
    """The floors of this machine."""
    seconds = 0.2 if quick else 3.0
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        flusher, rocks = Flusher(Path(folder)), BareRocks(Path(folder))
        prototype = Prototype(rocks)
        results = [
            told("one flush, p50", "us", microseconds_p50(flusher.once, 500)),
            told("RocksDB synced write of one entry, p50", "us", microseconds_p50(rocks.write_one, 500)),
        ]
        for callers in (1, CALLERS):
            rate = asyncio.run(calls_per_second(prototype.call, callers, seconds))
            results.append(told(f"prototype, {callers} callers", "calls/s", rate))
        rate = asyncio.run(calls_per_second(bare_future, CALLERS, seconds))
        results.append(told(f"bare future, {CALLERS} tasks", "trips/s", rate))
        flusher.close()
        rocks.close()
    return results


if __name__ == "__main__":
    print_json(measure)
