"""Every kind of fault by chance, the full disk among them: what is left is what a run without any leaves."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from automata import List, Map, gather, object_type, readonly, ref, send, sleep
from automata.errors import Interrupted
from automata.testing import Fault, Faults, VirtualApp, run
from tests.memory_app import listed

SHELVES = ["s0", "s1"]


@object_type
class Shelf:
    key: str
    taken: Map[str, int]

    async def take(self, order: str) -> int:
        self.taken[order] = self.taken.get(order, 0) + 1
        return len(self.taken)

    @readonly
    async def all(self) -> dict[str, int]:
        return dict(self.taken.items())


@object_type
class Order:
    key: str
    steps: List[str]

    async def place(self) -> None:
        self.steps.append("begins")
        await gather(*(ref(Shelf, shelf).take(self.key) for shelf in SHELVES))
        self.steps.append("taken")
        await sleep(5)
        send(ref(self).note("sent"))
        self.steps.append("ends")

    async def note(self, what: str) -> None:
        self.steps.append(what)

    @readonly
    async def all(self) -> list[str]:
        return list(self.steps)


async def place_orders(app: VirtualApp) -> tuple[list[dict[str, int]], list[list[str]]]:
    keys = [f"o{n}" for n in range(4)]
    for outcome in await asyncio.gather(*(ref(Order, key).place() for key in keys[:2]), return_exceptions=True):
        assert outcome is None or isinstance(outcome, Interrupted)  # the engine has died too often meanwhile
    for key in keys[2:]:
        await send(ref(Order, key).place())
        await asyncio.sleep(1)
    await asyncio.sleep(600)
    while letters := await listed(app.dead_letters()):  # of messages during which the disk has failed three times
        await app.retry(letters[0].id)
        await asyncio.sleep(600)
    while stopped := await listed(app.interrupted()):  # and methods
        await app.retry(stopped[0].id)
        await asyncio.sleep(600)
    return [await ref(Shelf, shelf).all() for shelf in SHELVES], [await ref(Order, key).all() for key in keys]


EXPECTED = ([{f"o{n}": 1 for n in range(4)}] * 2, [["begins", "taken", "ends", "sent"]] * 4)


def test_without_faults() -> None:
    assert run(place_orders) == EXPECTED


@given(st.integers(0, 1 << 32), st.sets(st.sampled_from(Fault), min_size=1))
def test_whatever_fails_each_part_happens_once(seed: int, kinds: set[Fault]) -> None:
    assert run(place_orders, seed=seed, faults=Faults(seed, dict.fromkeys(kinds, 0.08))) == EXPECTED


@given(st.integers(0, 1 << 32))
def test_a_full_disk_and_crashes_lose_and_repeat_nothing(seed: int) -> None:
    faults = Faults(seed, {Fault.DISK_FULL: 0.4, Fault.FLUSH_FAILS: 0.05, Fault.WRITE_FAILS: 0.05})
    assert run(place_orders, seed=seed, faults=faults) == EXPECTED
