"""The network and the disks of a simulated cluster: what can be lost, doubled, late or torn, and who is told of it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from darq.errors import AutomataError
from darq.memory import MemoryBatch, MemoryStore
from ssms.peers import Unreachable
from tests.cluster.processes import PROCESS, Dead, Process


class Serving(Protocol):
    """What a process does for others."""

    async def serve(self, what: str, args: Sequence[Any]) -> Any:
        """Do what is asked."""


@dataclass(frozen=True)
class Event:
    """A place where a process can die. who: its name; what: of the call or the disk; peer: whom it called, or ""."""

    who: str
    what: str
    peer: str = ""


def _nobody(event: Event) -> None:
    """Nobody looks on."""


@dataclass
class Network:
    """Calls between the processes. Each may be lost on its way there or back, doubled or delayed, by chance.

    silent: how many of the lost ones are not noticed for a long time. cut: pairs of caller and called ("client" are all
    clients) between which nothing passes. watch: is told of each step; it may kill.
    answered: is told of each answer, and of who gave it to which call.
    """

    random: random.Random = field(default_factory=lambda: random.Random(0))
    lost: float = 0.0
    silent: float = 0.0
    doubled: float = 0.0
    delay_seconds: float = 0.0
    cut: set[tuple[str, str]] = field(default_factory=set)
    servers: dict[str, Serving] = field(default_factory=dict)
    processes: dict[str, Process] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    late: set[asyncio.Task[Any]] = field(default_factory=set)
    watch: Callable[[Event], None] = _nobody
    answered: Callable[[Process, str, Any], None] = lambda process, what, answer: None
    closed: bool = False

    async def carry(self, name: str, what: str, args: tuple[Any, ...]) -> Any:
        """Call a process from whichever one this is."""
        me = PROCESS.get()
        self.check()
        self.calls.append((name, what))
        self.tell(f"calls {what}", name)
        await self._pause()
        way = ("client" if me is None else me.name, name)
        if way in self.cut or self.random.random() < self.lost:
            await self._lose(f"{what} to {name} was lost")
        if self.random.random() < self.doubled:
            self.keep(asyncio.get_running_loop().create_task(self._again(name, what, args)))
        answer = await self.serve(name, what, args)
        if me is None or not me.dead:
            await self._pause()
        if way in self.cut or self.random.random() < self.lost:
            await self._lose(f"the answer to {what} from {name} was lost")
        self.tell(f"hears {what}", name)
        return answer

    async def serve(self, name: str, what: str, args: tuple[Any, ...]) -> Any:
        """Let a process do what is asked, without faults on the way."""
        server, process = self.servers.get(name), self.processes.get(name)
        if server is None or process is None or self.closed:
            raise Unreachable(f"{name} is not there")
        work = self.keep(process.spawn(self._work(server, what, args)))
        await asyncio.wait({work, process.over}, return_when=asyncio.FIRST_COMPLETED)
        if process.dead or not work.done():
            raise Unreachable(f"{name} has died")
        return work.result()

    def keep(self, task: asyncio.Task[Any]) -> asyncio.Task[Any]:
        """Hold on to a task until it is done."""
        self.late.add(task)
        task.add_done_callback(self._done)
        return task

    def tell(self, what: str, peer: str = "") -> None:
        """A process takes a step: it may be its last."""
        process = PROCESS.get()
        self.watch(Event("client" if process is None else process.name, what, peer))

    def check(self) -> None:
        """Raise Unreachable where no call gets out."""
        me = PROCESS.get()
        if self.closed or (me is not None and me.dead):
            raise Unreachable("the network is down")

    async def _work(self, server: Serving, what: str, args: tuple[Any, ...]) -> Any:
        self.tell(f"takes {what}")
        answer = await server.serve(what, args)
        self.tell(f"answers {what}")
        process = PROCESS.get()
        if process is not None and not process.dead:
            self.answered(process, what, answer)
        return answer

    async def _lose(self, why: str) -> None:
        if self.silent and self.random.random() < self.silent:
            await asyncio.sleep(self.random.random() * 30)
        raise Unreachable(why)

    async def _again(self, name: str, what: str, args: tuple[Any, ...]) -> None:
        await asyncio.sleep(self.random.random() * 0.05)
        try:
            await self.serve(name, what, args)
        except (AutomataError, Unreachable):
            return

    async def _pause(self) -> None:
        if self.delay_seconds:
            await asyncio.sleep(self.random.random() * self.delay_seconds)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self.late.discard(task)
        if not task.cancelled():
            task.exception()  # its caller may be gone


@dataclass
class Wire:
    """The way to one process."""

    network: Network
    name: str

    def call(self, what: str, *args: Any) -> Coroutine[Any, Any, Any]:
        """Ask it, over the network."""
        return self.network.carry(self.name, what, args)


class Disk:
    """A store as one process has it open: once that is dead, nothing reaches the disk any more."""

    def __init__(self, store: MemoryStore, process: Process, network: Network) -> None:
        self._store = store
        self._process = process
        self._network = network
        self._open = True

    def get(self, key: bytes) -> bytes | None:
        """The value of `key`, or None."""
        return self._live().get(key)

    def scan(self, begin: bytes, end: bytes, limit: int, reverse: bool = False) -> list[tuple[bytes, bytes]]:
        """Up to `limit` rows of [begin, end)."""
        return self._live().scan(begin, end, limit, reverse)

    def batch(self) -> MemoryBatch:
        """A new empty batch."""
        return self._store.batch()

    def write(self, batch: MemoryBatch) -> None:
        """Apply a batch."""
        self._tell("writes")
        self._live().write(batch)
        self._tell("has written")

    def flush(self) -> None:
        """Make every written batch durable."""
        self._tell("flushes")
        self._live().flush()
        self._tell("has flushed")

    def rotate(self) -> None:
        """Begin a new log file."""
        self._live().rotate()

    def free_bytes(self) -> int:
        """The space that is left."""
        return self._store.free_bytes()

    def released(self) -> int:
        """The highest group number noted."""
        return self._live().released()

    def mark_released(self, group: int) -> None:
        """Note that a group was acknowledged."""
        self._live().mark_released(group)

    def identity(self) -> bytes:
        """The name of this store in lanes."""
        return self._store.identity()

    def close(self) -> None:
        """Let go of it."""
        self._open = False

    def _tell(self, what: str) -> None:
        if self._open and not self._process.dead:
            self._network.watch(Event(self._process.name, what))

    def _live(self) -> MemoryStore:
        if self._process.dead or not self._open:
            raise Dead("the process that had this store open is no more")
        return self._store
