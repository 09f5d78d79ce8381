"""A worker on Ray: an actor that runs methods of types with `compute="worker"`, one at a time (SSMS §4.1).

It is driven from outside: `begin` gives it a task, and whatever it then wants is the answer, which `give` meets, until
it is done. So it needs no way to its host, and may be on any machine.
"""

from __future__ import annotations

import asyncio
import os
import random
import threading
import time
from collections.abc import Sequence
from queue import SimpleQueue

from automata.types import REGISTRY
from automata.worker import Rows, Task, Want, decode_rows, decode_task, encode
from automata.worker_turn import Surroundings, run_task
from ssms.deployed import DeployedType


class Worker:
    """The code of one worker actor. types: deployed ones, encoded; others it imports as tasks name them."""

    def __init__(self, types: Sequence[bytes] = ()) -> None:
        for data in types:
            made = vars(DeployedType.decode(data).load())["__automaton__"]
            if REGISTRY.find(made.name) is None:
                REGISTRY.add(made)
        self._surroundings = Surroundings(time.time, random.SystemRandom(), REGISTRY)
        self._tasks: SimpleQueue[Task] = SimpleQueue()
        self._given: SimpleQueue[bytes] = SimpleQueue()
        self._said: SimpleQueue[bytes] = SimpleQueue()
        threading.Thread(target=self._work, daemon=True).start()

    def begin(self, task: bytes) -> bytes:
        """Run a task up to the first rows that it wants, or to its end: the `Want` or `Done`, encoded."""
        self._tasks.put(decode_task(task))
        return self._said.get()

    def give(self, rows: bytes) -> bytes:
        """Go on with the rows that it has wanted, as `begin`."""
        self._given.put(rows)
        return self._said.get()

    def pid(self) -> int:
        """Its process."""
        return os.getpid()

    def rows(self, want: Want) -> Rows:
        """A range in one call: as the source of what runs."""
        self._said.put(encode(want))
        return decode_rows(self._given.get())

    def _work(self) -> None:
        with asyncio.Runner() as runner:
            while True:
                self._said.put(encode(runner.run(run_task(self._tasks.get(), self, self._surroundings))))
