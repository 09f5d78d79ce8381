"""Workers of one machine: processes beside the host's, for methods of types with `compute="worker"` (SSMS §4.1).

Each runs one task at a time; there are no more than cores, started as they are needed. A thread of the host's process
talks to each, so that neither its loop nor its interpreter lock is held while a worker works. A worker knows types by
importing the modules that define them.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

from automata.errors import WorkerDied
from automata.types import REGISTRY
from automata.worker import Done, Rows, Source, Task, Want, decode_answer, decode_rows, decode_task, encode
from automata.worker_turn import Surroundings, run_task
from darq.errors import StoreClosed

_STOP_SECONDS = 5.0
_fresh = multiprocessing.get_context("spawn")  # a fork of a process with threads may hang, and would hold its files


class _Process:
    """One worker process and the line to it."""

    def __init__(self) -> None:
        self._line, its_end = _fresh.Pipe()
        self._process: SpawnProcess = _fresh.Process(target=_work, args=(its_end,), name="worker", daemon=True)
        self._process.start()
        its_end.close()  # so that its death is the end of the line

    def run(self, task: Task, source: Source, loop: asyncio.AbstractEventLoop) -> Done:
        """Have it run a task, and answer what it wants. Blocks; raises WorkerDied."""
        try:
            self._line.send_bytes(encode(task))
            while isinstance(answer := decode_answer(self._line.recv_bytes()), Want):
                self._line.send_bytes(encode(_on_loop(loop, source, answer)))
        except (EOFError, OSError) as error:
            self.end()
            raise WorkerDied(
                f"the worker that ran {task.type_name}/{task.key} {task.method} has ended "
                f"(exit code {self._process.exitcode}): nothing of the method happened"
            ) from error
        return answer

    def end(self) -> None:
        """Make sure that it is gone."""
        self._process.kill()
        self._process.join(_STOP_SECONDS)
        self._line.close()


class WorkerPool:
    """The workers of one app. surroundings: what hosts have; a process has its own clock, randomness and types."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._size = os.cpu_count() or 1
        self._threads = ThreadPoolExecutor(self._size, thread_name_prefix="worker")
        self._free: list[_Process] = []
        self._places = asyncio.Semaphore(self._size)
        self._closed = False

    async def run(self, task: Task, source: Source) -> Done:
        """Have a free process run it, or a new one while there are fewer than cores."""
        loop = asyncio.get_running_loop()
        async with self._places:
            if self._closed:
                raise StoreClosed("the app is closed: no worker takes a task any more")
            process = self._free.pop() if self._free else await loop.run_in_executor(self._threads, _Process)
            running = loop.run_in_executor(self._threads, process.run, task, source, loop)
            try:
                done = await asyncio.shield(running)
            except asyncio.CancelledError:
                process.end()
                with suppress(WorkerDied):
                    await running
                raise
            self._free.append(process)
            return done

    async def close(self) -> None:
        """End all processes. What still ran was cancelled before."""
        self._closed = True
        while self._free:
            self._free.pop().end()
        self._threads.shutdown(wait=False)


def _on_loop(loop: asyncio.AbstractEventLoop, source: Source, want: Want) -> Rows:
    """The rows that a worker wants, read where the host's loop runs."""
    answer: Future[Rows] = Future()

    def read() -> None:
        try:
            answer.set_result(source.rows(want))
        except Exception as error:  # noqa: BLE001 - whatever the store raises belongs to who waits for it
            answer.set_exception(error)

    loop.call_soon_threadsafe(read)
    return answer.result()


class _Host:
    """The host, as its worker reaches it."""

    def __init__(self, line: Connection) -> None:
        self._line = line

    def rows(self, want: Want) -> Rows:
        """A range in one call."""
        self._line.send_bytes(encode(want))
        return decode_rows(self._line.recv_bytes())


def _work(line: Connection) -> None:
    """The life of a worker process: one task after the other, until the line ends."""
    surroundings, host = Surroundings(time.time, random.SystemRandom(), REGISTRY), _Host(line)
    with suppress(EOFError, KeyboardInterrupt), asyncio.Runner() as runner:
        while True:
            task = decode_task(line.recv_bytes())
            line.send_bytes(encode(runner.run(run_task(task, host, surroundings))))
