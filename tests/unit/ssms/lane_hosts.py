"""Hosts as the lanes of one process see them: what they are asked, and what they say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from automata import asking
from automata.asking import CALL, Ask, Batch, Told
from automata.request_ids import of_client
from automata.testing.loop import run_virtually
from ssms import slots
from ssms.lanes import Lanes
from ssms.peers import Unreachable
from ssms.placement import Placement, StorePlace
from ssms.routes import Routes

A, B, CLIENT = b"a" * 16, b"b" * 16, b"c" * 16
VALUE = b"\x00"


class Host:
    """A store's host as a client sees it: what it was asked, and what it will say."""

    def __init__(self, epoch: int = 1) -> None:
        self.epoch = epoch
        self.batches: list[Batch] = []
        self.answer: Callable[[Ask], bytes | None] = lambda ask: VALUE + ask.arguments
        self.late: list[tuple[int, bytes]] = []
        self.pending: dict[int, Ask] = {}
        self.seconds = 0.001
        self.lose_answers = 0
        self.errors: list[Exception] = []
        self.deaf = False
        self.collecting = asyncio.Event()

    async def call(self, what: str, *args: Any) -> Any:
        if self.deaf:
            await asyncio.get_running_loop().create_future()
        if self.errors:
            raise self.errors.pop()
        return await getattr(self, what)(*args)

    async def submit(self, data: bytes) -> bytes:
        batch = asking.decode_batch(data)
        if batch.epoch != self.epoch:
            return asking.encode(Told(self.epoch, 0, ()))
        self.batches.append(batch)
        await asyncio.sleep(self.seconds)
        told = []
        for tag, ask in batch.asks:
            outcome = self.answer(ask)
            if outcome is None:
                self.pending[tag] = ask
            else:
                told.append((tag, outcome))
        if self.lose_answers:
            self.lose_answers -= 1
            raise Unreachable("the answer was lost")
        return asking.encode(Told(self.epoch, len(self.pending), told))

    async def collect(self, client: bytes, epoch: int, number: int) -> bytes:
        if not self.late:
            self.collecting.clear()
            await self.collecting.wait()
        told, self.late = self.late, []
        return asking.encode(Told(self.epoch, len(self.pending), told))

    def finish(self, tag: int) -> None:
        self.late.append((tag, VALUE + self.pending.pop(tag).arguments))
        self.collecting.set()


class Coordinator:
    def __init__(self, placement: Placement) -> None:
        self.placement = placement
        self.asked = 0
        self.deaf = False

    async def call(self, what: str, known: int) -> bytes | None:
        self.asked += 1
        if self.deaf:
            await asyncio.get_running_loop().create_future()
        await asyncio.sleep(0.001)
        return self.placement.encode() if self.placement.version > known else None


class World:
    """Two stores, led by copies a and b. Slots of even number belong to A."""

    def __init__(self) -> None:
        self.hosts = {"a": Host(), "b": Host()}
        self.owners = tuple(slot % 2 for slot in range(slots.SLOTS))
        places = (StorePlace(A, 1, "a", "n1"), StorePlace(B, 1, "b", "n2"))
        self.coordinator = Coordinator(Placement(1, slots.encode(self.owners), places))
        self.lanes = Lanes(self, Routes(self), CLIENT, asyncio.get_running_loop())
        self._sequence = 0

    def copy(self, name: str) -> Host:
        return self.hosts[name]

    def lead(self, store: int, copy: str, epoch: int) -> None:
        """Another copy leads a store."""
        old = self.coordinator.placement
        places = list(old.stores)
        places[store] = StorePlace(places[store].identity, epoch, copy, "n3")
        self.hosts[copy] = Host(epoch)
        self.coordinator.placement = Placement(old.version + 1, old.slots, tuple(places))

    def ask(self, text: str, of: int = 0, kind: int = CALL, behind: bool = False) -> asyncio.Future[bytes]:
        """Ask an object of store A (0) or B (1)."""
        name = next(n for n in range(100) if slots.slot_of(b"T\x00%d" % n) % 2 == of)
        self._sequence += 1
        request = of_client(CLIENT, self._sequence) if kind == CALL else b""
        return self.lanes.start(Ask(kind, b"T\x00%d" % name, "m", text.encode(), request, behind))


def in_world(test: Callable[[World], Any]) -> Callable[[], None]:
    async def scenario() -> None:
        world = World()
        try:
            async with asyncio.timeout(3600):
                await test(world)
        finally:
            await world.lanes.close()

    def run() -> None:
        run_virtually(scenario())

    run.__name__ = test.__name__
    return run
