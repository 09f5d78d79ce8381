"""An object type whose methods work in other processes: those of a pool, or Ray's."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from automata import List, Ref, object_type, send
from automata.errors import StateError


@object_type(compute="worker", num_cpus=0.5, name="tests.Hand")
class Hand:
    """Something that works in another process."""

    key: str
    done: int = 0
    notes: List[str]

    async def work(self) -> tuple[int, int]:
        self.done += 1
        return os.getpid(), self.done

    async def die(self) -> None:
        self.done += 100
        os.kill(os.getpid(), signal.SIGKILL)

    async def note(self, texts: list[str]) -> None:
        for text in texts:
            self.notes.append(text)

    async def read(self) -> int:
        return sum(map(len, self.notes))

    async def wait(self, file: str) -> None:
        Path(file).touch()  # noqa: ASYNC240 - one empty file
        await asyncio.Event().wait()

    async def pass_on(self, other: Ref[Hand]) -> None:
        send(other.note(["from another process"]))

    async def fail(self) -> None:
        raise StateError("as itself")
