"""How methods that may have killed the process are tried, life after life."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from automata.envelope import OpenInvocation
from automata.journal import Journal
from automata.suspects import DEATHS_MAX, Suspects
from tests.memory_app import in_loop, settled


class FakeGate:
    failure: BaseException | None = None

    def release(self, group: int, action: Any) -> None:
        action(None)


class Life:
    """One life of a process that dies when any of `killers` is resumed."""

    def __init__(self, journals: list[Journal], killers: set[int]) -> None:
        self.parked: list[int] = []
        self.batches: list[list[int]] = []
        self.over = asyncio.Event()
        self.alive = True
        self._killers = killers
        self._batch: list[int] = []
        log = SimpleNamespace(gate=FakeGate(), touch=self._written)
        nothing = SimpleNamespace(touch=lambda: None, changed=lambda journal: None, quiet=True, runs=lambda j: False)
        host: Any = SimpleNamespace(
            loop=asyncio.get_running_loop(), log=log, committer=nothing, open_invocations=nothing, tasks=nothing
        )
        self._suspects = Suspects(host, self._resume, lambda journal: self.parked.append(journal.number))
        self._left = {journal.number for journal in journals}
        self._suspects.try_all(journals)

    def _written(self) -> int:
        self._batch = []
        self.batches.append(self._batch)
        if not self._left - set(self.parked):
            self.over.set()
        return 1

    def _resume(self, journal: Journal) -> None:
        if not self.alive:
            return
        self._batch.append(journal.number)
        self._left.discard(journal.number)
        if journal.number in self._killers:
            self.alive = False
            self._suspects.stop()
            self.over.set()


def journals(count: int) -> list[Journal]:
    return [Journal(number, OpenInvocation(b"p", "go", b"")) for number in range(1, count + 1)]


async def lives(left: list[Journal], killers: set[int]) -> tuple[int, list[int]]:
    """How often the process died, and what was parked, until it goes on living."""
    deaths = 0
    parked: list[int] = []
    while deaths < 100:
        life = Life([journal for journal in left if journal.number not in parked], killers)
        await asyncio.wait_for(life.over.wait(), 5)
        parked += life.parked
        if life.alive:
            return deaths, parked
        deaths += 1
    raise AssertionError("it dies for ever")


@pytest.mark.parametrize("count", [1, 2, 3, 4])
@in_loop
async def test_a_killer_among_few_is_parked_after_so_many_deaths(count: int) -> None:
    for killer in range(1, count + 1):
        assert await lives(journals(count), {killer}) == (DEATHS_MAX, [killer])


@pytest.mark.parametrize("killer", [1, 500, 1000])
@in_loop
async def test_a_killer_among_a_thousand_is_found_by_halves(killer: int) -> None:
    deaths, parked = await lives(journals(1000), {killer})
    assert parked == [killer]
    assert deaths <= 1 + 10 + 1


@in_loop
async def test_two_killers_are_parked_and_nobody_else() -> None:
    _, parked = await lives(journals(30), {3, 20})
    assert sorted(parked) == [3, 20]


@in_loop
async def test_innocents_that_died_together_are_cleared_in_few_steps() -> None:
    left = journals(1000)
    for journal in left:
        journal.row.deaths = 1
    life = Life(left, set())

    async def cleared() -> int:
        return sum(journal.row.deaths for journal in left)

    await settled(cleared, 0)
    assert len([batch for batch in life.batches if batch]) <= 11
