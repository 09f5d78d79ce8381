"""An automaton that records, and counts how often anything is applied in this process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from automata import apply, automaton, delete, readonly, record


@dataclass(frozen=True)
class Counted:
    n: int


@dataclass(frozen=True)
class Bad:
    n: int


@dataclass(frozen=True)
class Padded:
    text: str


@automaton(name="ClusterTally")
class Tally:
    """applications: of all its instances; fails: which application of `Bad` raises, counted down."""

    applications: ClassVar[int] = 0
    fails: ClassVar[int] = 0

    key: str
    total: int = 0
    last: list[int] = []
    padding: str = ""

    async def count(self, n: int, times: int) -> int:
        for _ in range(times):
            record(Counted(n))
        return self.total

    async def pad(self, size: int) -> None:
        record(Padded("x" * size))

    async def spoil(self, n: int) -> None:
        record(Bad(n))

    async def empty(self) -> None:
        delete()

    @readonly
    async def look(self) -> int:
        return self.total

    @apply
    def counted(self, e: Counted) -> None:
        Tally.applications += 1
        self.total += e.n
        self.last = [*self.last[-2:], e.n]

    @apply
    def padded(self, e: Padded) -> None:
        self.padding = e.text

    @apply
    def spoiled(self, e: Bad) -> None:
        Tally.fails -= 1
        if Tally.fails == 0:
            raise ValueError("it does not apply here")
        self.total -= e.n
