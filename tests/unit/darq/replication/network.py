"""A slow disk, a bad network and a small catalog, in virtual time and from a seed."""

import asyncio
import random
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any, Protocol, TypeVar

from automata.testing.loop import VirtualLoop
from darq import MemoryStore
from darq.errors import AutomataError, Fenced, StoreClosed
from darq.memory import MemoryBatch
from darq.store import Batch

T = TypeVar("T")


class SlowLoop(VirtualLoop):
    """Work on threads takes a little virtual time, so that other things happen meanwhile."""

    seconds: Callable[[], float] = staticmethod(lambda: 0.0)

    def stand_still(self, seconds: float) -> None:
        """Time passes while nothing runs."""
        self._now += seconds

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        future: asyncio.Future[T] = self.create_future()

        def run() -> None:
            done = VirtualLoop.run_in_executor(self, executor, func, *args)
            error = done.exception()
            if future.cancelled():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(done.result())

        self.call_later(self.seconds(), run)
        return future


class Life:
    """A disk as one life of a process sees it: over, it reads and writes nothing, whatever its code still tries."""

    def __init__(self, disk: MemoryStore) -> None:
        self.disk = disk
        self.over = False

    def alive(self) -> MemoryStore:
        if self.over:
            raise StoreClosed("this life is over")
        return self.disk

    def get(self, key: bytes) -> bytes | None:
        return self.alive().get(key)

    def scan(self, begin: bytes, end: bytes, limit: int, reverse: bool = False) -> Sequence[tuple[bytes, bytes]]:
        return self.alive().scan(begin, end, limit, reverse)

    def batch(self) -> MemoryBatch:
        return self.alive().batch()

    def write(self, batch: Batch) -> None:
        self.alive().write(batch)

    def flush(self) -> None:
        self.alive().flush()

    def rotate(self) -> None:
        self.alive().rotate()

    def free_bytes(self) -> int:
        return self.alive().free_bytes()

    def released(self) -> int:
        return self.alive().released()

    def mark_released(self, group: int) -> None:
        self.alive().mark_released(group)

    def identity(self) -> bytes:
        return self.disk.identity()

    def close(self) -> None:
        self.over = True


class Receiver(Protocol):
    """Who messages go to."""

    name: str

    async def receive(self, data: bytes) -> bytes: ...


class Network:
    """Carries messages between copies by name. chaos: how often, of 1, each bad thing happens to a message."""

    def __init__(self, seed: int, chaos: float = 0.0) -> None:
        self.random = random.Random(seed)
        self.chaos = chaos
        self.receivers: dict[str, Receiver] = {}
        self.cut: set[frozenset[str]] = set()
        self.paused: dict[str, asyncio.Event] = {}
        self.late: set[asyncio.Task[None]] = set()
        self.carried = 0

    async def ship(self, sender: str, receiver: str, data: bytes) -> bytes:
        """Carry a message and its reply, or raise OSError."""
        self.carried += 1
        await self._travel(sender, receiver)
        if self._unlucky():
            self._again_later(receiver, data)
        reply = await self._hand_over(receiver, data)
        await self._travel(receiver, sender)
        return reply

    def pause(self, name: str) -> None:
        """Stop a process: nothing comes in or out until `resume`."""
        self.paused[name] = asyncio.Event()

    def resume(self, name: str) -> None:
        self.paused.pop(name).set()

    async def awake(self, *names: str) -> None:
        """Until none of them is paused."""
        for name in names:
            while name in self.paused:
                await self.paused[name].wait()

    async def _travel(self, sender: str, receiver: str) -> None:
        await self.awake(sender, receiver)
        await asyncio.sleep(self.random.random() * 0.004)
        if self._unlucky():
            await asyncio.sleep(self.random.random() * 3)  # late, also beyond any limit
        if self._unlucky() or frozenset((sender, receiver)) in self.cut:
            raise OSError("lost")
        await self.awake(sender, receiver)

    async def _hand_over(self, receiver: str, data: bytes) -> bytes:
        found = self.receivers.get(receiver)
        if found is None:
            raise OSError("nobody is there")
        return await found.receive(data)

    def _again_later(self, receiver: str, data: bytes) -> None:
        async def repeat() -> None:
            await asyncio.sleep(self.random.random() * 4)
            await self.awake(receiver)
            try:
                await self._hand_over(receiver, data)
            except (OSError, AutomataError):
                return

        task = asyncio.get_running_loop().create_task(repeat())
        self.late.add(task)
        task.add_done_callback(self.late.discard)

    def _unlucky(self) -> bool:
        return self.random.random() < self.chaos


class Catalog:
    """Who is in sync with whom, under which epoch."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.epoch = 0
        self.primary = ""
        self.in_sync: set[str] = set()

    async def change(self, epoch: int, caller: str, change: Callable[[], object]) -> None:
        """A compare-and-set under an epoch; its answer, or the call itself, may be lost."""
        await self.network.awake(caller)
        await asyncio.sleep(self.network.random.random() * 0.05)
        if self.network._unlucky():
            raise OSError("the catalog was not reached")
        if epoch != self.epoch:
            raise Fenced(f"epoch {epoch} is over, it is {self.epoch}")
        change()
        if self.network._unlucky():
            raise OSError("the catalog's answer was lost")


class Members:
    """The catalog as the primary of one epoch sees it."""

    def __init__(self, catalog: Catalog, epoch: int, primary: str) -> None:
        self.catalog, self.epoch, self.primary = catalog, epoch, primary

    async def add(self, copy: str) -> None:
        await self.catalog.change(self.epoch, self.primary, lambda: self.catalog.in_sync.add(copy))

    async def drop(self, copy: str) -> None:
        await self.catalog.change(self.epoch, self.primary, lambda: self.catalog.in_sync.discard(copy))
