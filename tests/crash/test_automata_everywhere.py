"""Automata, whose state is rebuilt from their self-messages, with a crash at every commit boundary."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from automata import List, apply, automaton, object_type, readonly, record, ref, send
from automata.testing import VirtualApp
from darq.limits import Limits
from tests.crash.boundaries import crash_everywhere


@dataclass
class Measured:
    n: int
    luma: int


@object_type
class Defects:
    key: str
    seen: List[int]

    async def note(self, n: int) -> None:
        self.seen.append(n)

    @readonly
    async def all(self) -> list[int]:
        return list(self.seen)


@automaton
class Monitor:
    key: str
    frames: int = 0
    dark: int = 0

    async def frame(self, n: int, luma: int) -> int:
        record(Measured(n, luma))
        if luma < 16:
            send(ref(Defects, "ops").note(n))
        return self.frames

    @apply
    def measured(self, event: Measured) -> None:
        self.frames += 1
        self.dark += event.luma < 16

    @readonly
    async def counts(self) -> tuple[int, int]:
        return self.frames, self.dark


async def watch(app: VirtualApp) -> None:
    monitor = ref(Monitor, "camera")
    assert [await monitor.frame(n, luma) for n, luma in enumerate((200, 3, 90))] == [1, 2, 3]
    for n in range(3, 6):
        await send(monitor.frame(n, n))
    await asyncio.sleep(60)
    assert await monitor.counts() == (6, 4)
    assert await ref(Defects, "ops").all() == [1, 3, 4, 5]


def test_an_automaton_is_rebuilt_as_it_was() -> None:
    assert crash_everywhere(watch).boundaries >= 13
    assert crash_everywhere(watch, limits=Limits(inline_flush_seconds_max=60.0)).boundaries > 0
