"""A whole cluster in one process and in virtual time: the real coordinator, its catalog, and real servers.

Machines are objects of this process, disks are in memory, and everything can be killed at any moment.
"""

from __future__ import annotations

import asyncio
import contextvars
import math
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from automata.options import Options
from automata.testing.death import die
from automata.types import REGISTRY, Registry
from darq.limits import Limits
from darq.memory import MemoryStore
from darq.replication import Options as CopyOptions
from ssms.catalog import Catalog, placements
from ssms.catalog.outlook import Outlook, outlook
from ssms.cluster_app import ClusterApp
from ssms.coordinator import Coordinator, Machine, MachineFailed, Settings
from ssms.coordinator import Surroundings as World
from ssms.peers import Unreachable
from ssms.placement import Placement
from ssms.server import Server
from ssms.server_surroundings import Surroundings
from tests.cluster.in_memory import end_server
from tests.cluster.network import Disk, Network, Wire
from tests.cluster.processes import Process

RESTART_SECONDS = 0.2
BEGINNING = 1_900_000_000.0


class Coordinated:
    """Machines and peers at once. nodes: id -> alive. modules: of uploads, a folder of each copy in it; its types are
    known to each process for itself then, as they are where processes are real.
    """

    modules: Path | None = None

    def __init__(self, folder: Path, *nodes: str, seed: int = 0, settings: Settings | None = None) -> None:
        self.network = Network(random.Random(seed), delay_seconds=0.004)  # else no time would pass
        self.alive = dict.fromkeys(nodes, True)
        self.head = nodes[0]
        self.disks: dict[tuple[str, str], MemoryStore] = {}
        self.homes: dict[str, tuple[str, bytes]] = {}
        self.limits = Limits(inline_flush_seconds_max=math.inf)
        self.copying = CopyOptions()
        self.restart_seconds = RESTART_SECONDS
        self.serve: Callable[..., Any] | None = None
        self.lives = 0
        self._random = random.Random(seed)
        self._settings = settings or Settings()
        self._catalog = Catalog(f"sqlite:///{folder}/catalog.db", "c1")
        self._disk = MemoryStore(identity=self._random.randbytes(16))
        self._coordinator: Coordinator | None = None
        self._beginning: set[str] = set()
        self._beside: set[asyncio.Task[None]] = set()
        self._pids = 100

    # Peers

    @property
    def coordinator(self) -> _Office:
        return _Office(self)

    def copy(self, name: str) -> Wire:
        return Wire(self.network, name)

    def connect(self, deploys: bool = False) -> ClusterApp:
        """An app of this cluster. deploys: types that it does not know go there at their first use."""

        async def dial(loop: asyncio.AbstractEventLoop) -> Coordinated:
            return self

        loop = asyncio.get_running_loop()
        return ClusterApp(dial, deploys=deploys, draw=self._random.randbytes, clock=lambda: BEGINNING + loop.time())

    # Machines

    async def nodes(self) -> list[Machine]:
        return [Machine(node, alive, node == self.head) for node, alive in self.alive.items()]

    async def start_copy(self, node: str, store: bytes, copy: str) -> None:
        await asyncio.sleep(0.001)
        if not self.alive.get(node):
            raise MachineFailed(f"node {node} is away")
        self.homes[copy] = (node, store)
        await self._begin(copy)

    async def stop_copy(self, copy: str) -> None:
        self.homes.pop(copy, None)
        await self._end(copy)

    async def wipe_copy(self, node: str, store: bytes, copy: str) -> None:
        if not self.alive.get(node):
            raise MachineFailed(f"node {node} is away")
        assert copy not in self.network.servers, "it was stopped"
        self.disks.pop((node, copy), None)

    async def is_dead(self, copy: str) -> bool:
        return copy not in self.network.servers

    # faults

    async def kill(self, copy: str) -> None:
        """A process dies, and is restarted where its node lives."""
        await self._end(copy)
        self._do_beside(self._restart(copy))

    async def lose(self, node: str) -> None:
        """A machine is gone, with its disks."""
        self.alive[node] = False
        for copy in [copy for copy, (where, _) in self.homes.items() if where == node]:
            await self._end(copy)

    async def kill_coordinator(self) -> None:
        """The coordinator dies; another is there when this returns."""
        dead, self._coordinator, self.serve = self._coordinator, None, None
        assert dead is not None, "it lives"
        engine, dead._workshop._engine = dead._workshop._engine, None
        beside = [task for task in (dead._ticking, *dead._beside) if task is not None]
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        await dead._vigil.close()
        await dead._informing.close()
        if engine is not None:
            await die(engine)
        await asyncio.sleep(RESTART_SECONDS)
        self._disk.close()
        self._disk.crash()
        await self.open()

    # its life

    async def open(self) -> None:
        """A life of the coordinator begins."""
        loop = asyncio.get_running_loop()
        world = World(
            self._catalog,
            self,
            self,
            self._settings,
            clock=lambda: BEGINNING + loop.time(),
            random=random.Random(self._random.random()),
        )
        self.lives += 1

        self._coordinator = Coordinator(world, self._disk.reopen, self.limits)
        await self._coordinator.open()
        self.serve = self._coordinator.serve

    async def close(self) -> None:
        for task in list(self._beside):
            task.cancel()
        await asyncio.gather(*self._beside, return_exceptions=True)
        assert self._coordinator is not None, "it lives"
        await self._coordinator.close()
        for copy in list(self.network.servers):
            await self._end(copy)
        for task in list(self.network.late):
            task.cancel()
        await asyncio.gather(*self.network.late, return_exceptions=True)
        self._catalog.close()

    async def call(self, what: str, *args: Any) -> Any:
        """Ask the coordinator, whoever dies meanwhile."""
        while True:
            try:
                return await self.coordinator.call(what, *args)
            except Unreachable:
                await asyncio.sleep(0.05)

    async def started(self, replicas: int, hosts_per_node: int = 1) -> None:
        """A cluster whose stores are all led, by as many copies as there can be."""
        await self.call("start", replicas, hosts_per_node)
        await self.until(lambda: self.settled(replicas))

    def rows(self) -> Outlook:
        """What the catalog says."""
        return self._catalog.read(outlook)

    def placement(self) -> Placement:
        """What routers are told."""
        return self._catalog.read(placements.placement, {})

    def settled(self, copies: int) -> bool:
        """Whether each store is led and has so many copies in sync, and no others on machines that live.

        What a lost machine's disk holds stays in the catalog: it is of use if the machine comes back.
        """
        found = self.rows()
        told = {copy.name: copy.told for copy in found.copies}
        return bool(found.stores) and all(
            row.leader
            and told.get(row.leader) == row.epoch
            and row.leader in self.network.servers
            and len(row.in_sync) == copies
            and {copy.name for copy in found.copies if copy.store == row.identity and self.alive.get(copy.node)}
            == set(row.in_sync)
            for row in found.stores
        )

    def leader(self, index: int) -> str:
        """The copy that leads a store, "" while none does."""
        return self.rows().stores[index].leader

    async def until(self, condition: Callable[[], bool], seconds: float = 120.0) -> None:
        """Wait, in virtual time."""
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - it looks from outside
                await asyncio.sleep(0.05)

    # inside

    async def _begin(self, copy: str) -> None:
        if copy in self.network.servers or copy in self._beginning:
            return
        node, store = self.homes[copy]
        disk = self.disks.setdefault((node, copy), MemoryStore(identity=store))
        loop, process, store_here = asyncio.get_running_loop(), Process(copy), disk.reopen()
        self._pids += 1
        around = Surroundings(
            self,
            lambda: Disk(store_here, process, self.network),  # type: ignore[arg-type, return-value]
            loop.time,
            leave=lambda why: self._left(copy, server),
            pid=self._pids,
            limits=self.limits,
            copying=self.copying,
            options=self._options(copy),
        )
        self._beginning.add(copy)
        server = Server(copy, around)
        await process.spawn(server.start())
        self._beginning.discard(copy)
        self.network.servers[copy], self.network.processes[copy] = server, process

    def _options(self, copy: str) -> Options:
        loop = asyncio.get_running_loop()
        options = Options(random=random.Random(self._random.random()), clock=lambda: BEGINNING + loop.time())
        if self.modules is None:
            return options
        own = Registry()
        for made in REGISTRY.newest.values():
            own.add(made)
        return replace(options, registry=own, modules=self.modules / copy, sandbox_threads=False)

    async def _end(self, copy: str) -> None:
        server = self.network.servers.pop(copy, None)
        if server is not None:
            assert isinstance(server, Server)
            self.network.processes.pop(copy).kill()
            await end_server(server)
            disk = next(disk for (_, name), disk in self.disks.items() if name == copy)
            disk.close()
            disk.crash()

    async def _restart(self, copy: str) -> None:
        await asyncio.sleep(self.restart_seconds)
        if copy in self.homes and self.alive[self.homes[copy][0]]:
            await self._begin(copy)

    def _left(self, copy: str, server: Server) -> None:
        if self.network.servers.get(copy) is server:  # else it is dead already, and another process may be there
            self._do_beside(self.kill(copy))

    def _do_beside(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)


class _Office:
    """The way to the coordinator."""

    def __init__(self, cluster: Coordinated) -> None:
        self._cluster = cluster

    async def call(self, what: str, *args: Any) -> Any:
        await asyncio.sleep(0.001)
        serve, life = self._cluster.serve, self._cluster.lives
        if serve is None:
            raise Unreachable("there is no coordinator now")
        outside = contextvars.Context()  # what the coordinator does goes on when its caller has died
        answer = asyncio.get_running_loop().create_task(serve(what, args), context=outside)
        try:
            while not answer.done():
                await asyncio.wait([answer], timeout=0.05)
                if self._cluster.serve is None or self._cluster.lives != life:
                    raise Unreachable("the coordinator has died")
            return answer.result()
        finally:
            answer.cancel()


@asynccontextmanager
async def coordinated(
    folder: Path,
    *nodes: str,
    replicas: int = 1,
    seed: int = 0,
    settings: Settings | None = None,
    modules: Path | None = None,
    copying: CopyOptions | None = None,
) -> AsyncIterator[Coordinated]:
    """A running cluster with a store for each node. modules: as `Coordinated` says."""
    running = Coordinated(folder, *nodes, seed=seed, settings=settings)
    running.modules = modules
    running.copying = copying or running.copying
    await running.open()
    try:
        await running.started(replicas)
        yield running
    finally:
        await running.close()
