"""Calls between the processes of a cluster under a real coordinator, all on one event loop."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import Any

from automata.testing.death import die
from darq.errors import AutomataError
from ssms.peers import Unreachable
from ssms.server import Server


@dataclass
class Network:
    """Calls between the processes. Each may be lost on its way there or back, doubled or delayed, by chance."""

    random: random.Random = field(default_factory=lambda: random.Random(0))
    lost: float = 0.0
    doubled: float = 0.0
    delay_seconds: float = 0.0
    servers: dict[str, Server] = field(default_factory=dict)
    paused: set[str] = field(default_factory=set)
    calls: list[tuple[str, str]] = field(default_factory=list)
    late: set[asyncio.Task[Any]] = field(default_factory=set)
    waiting: dict[Server, set[asyncio.Future[Any]]] = field(default_factory=dict)  # calls that are not answered yet

    async def carry(self, name: str, what: str, args: tuple[Any, ...]) -> Any:
        self.calls.append((name, what))
        await self._pause()
        if self.random.random() < self.lost:
            raise Unreachable(f"{what} to {name} was lost")
        if self.random.random() < self.doubled:
            again = asyncio.get_running_loop().create_task(self._again(name, what, args))
            self.late.add(again)
            again.add_done_callback(self.late.discard)
        answer = await self._serve(name, what, args)
        if self.random.random() < self.lost:
            raise Unreachable(f"the answer to {what} from {name} was lost")
        return answer

    async def _again(self, name: str, what: str, args: tuple[Any, ...]) -> None:
        await asyncio.sleep(self.random.random() * 0.05)
        try:
            await self._serve(name, what, args)
        except (AutomataError, Unreachable):
            return

    async def _serve(self, name: str, what: str, args: tuple[Any, ...]) -> Any:
        server = self.servers.get(name)
        if server is None:
            raise Unreachable(f"{name} is not there")
        if name in self.paused:
            await asyncio.get_running_loop().create_future()
        answer = asyncio.ensure_future(server.serve(what, args))
        waiting = self.waiting.setdefault(server, set())
        waiting.add(answer)
        try:
            await asyncio.wait([answer])
            if self.servers.get(name) is not server:
                raise Unreachable(f"{name} has died")
            return answer.result()
        finally:
            waiting.discard(answer)
            answer.cancel()

    def died(self, server: Server) -> None:
        """A process has ended, which breaks the calls that it has not answered."""
        for answer in list(self.waiting.pop(server, ())):
            answer.cancel()

    async def _pause(self) -> None:
        if self.delay_seconds:
            await asyncio.sleep(self.random.random() * self.delay_seconds)


@dataclass
class Wire:
    """The way to one process."""

    network: Network
    name: str

    async def call(self, what: str, *args: Any) -> Any:
        return await self.network.carry(self.name, what, args)


async def end_process(server: Server) -> None:
    """A server ends as a killed process does."""
    for task in list(server._tasks):
        task.cancel()
    leading, server._leading = server._leading, None
    if leading is not None:
        await leading.lanes.close()
        await leading.primary.stop()
        await die(leading.engine)
