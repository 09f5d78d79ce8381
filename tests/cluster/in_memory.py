"""A cluster in one process: servers over stores in memory, behind a network with faults.

What decides who leads is a stand-in (the coordinator has tests of its own); everything else is what runs on Ray. On a
`ProcessLoop` all of it is in virtual time, and a killed process stops where it stands; on any other loop, nearly so.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from automata.options import Options
from automata.testing.death import die
from darq.errors import Fenced
from darq.limits import Limits
from darq.memory import MemoryStore
from darq.replication import Options as CopyOptions
from ssms import slots
from ssms.cluster_app import ClusterApp, Reads
from ssms.coordinator import Forbidden
from ssms.peers import Unreachable
from ssms.placement import NodePlace, Placement, StorePlace
from ssms.server import Server
from ssms.server_surroundings import Surroundings
from tests.cluster.network import Disk, Network, Wire
from tests.cluster.processes import Process, ProcessLoop

BEGINNING = 1_800_000_000.0
"""What wall clocks show when virtual time begins, in seconds since the epoch."""
DELAY_SECONDS = 0.001
"""Of calls, at most, where time is virtual: without any it would stand still while there is work."""


class Catalog:
    """Stands in for the coordinator: it says who leads, and takes copies in and out."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.placement = Placement(0, b"", ())
        self.deployed: list[bytes] = []
        self.token = ""
        self.loads = True  # hosts of this process share its modules, in which what is loaded takes places
        self.away = 0  # so many calls about types are lost

    async def serve(self, what: str, args: Sequence[Any]) -> Any:
        """Do what is asked."""
        return await getattr(self, "_" + what)(*args)

    async def _hello(self, copy: str, pid: int, epoch: int, group: int) -> None:
        await asyncio.sleep(0)

    async def _alive(self, copy: str) -> None:
        await asyncio.sleep(0)

    async def _placement(self, known: int) -> bytes | None:
        await asyncio.sleep(0)
        return self.placement.encode() if self.placement.version > known else None

    async def _nodes(self) -> list[tuple[str, bool, bool]]:
        return [(node.id, node.alive, node.is_head) for node in self.placement.nodes]

    async def _types(self) -> list[bytes]:
        await asyncio.sleep(0)
        if self.away:
            self.away -= 1
            raise Unreachable("the coordinator is away")
        return self.deployed

    async def _uploads(self) -> tuple[int, list[bytes]]:
        return 0, []

    async def _deploy(self, types: list[bytes], token: str) -> None:
        if token != self.token:
            raise Forbidden("the token is another one")
        self.deployed += types
        for name in self._cluster.running() if self.loads else ():
            await self._cluster.network.serve(name, "load", (types,))

    async def _drop(self, store: bytes, epoch: int, copy: str, number: int) -> None:
        self._change(store, epoch, lambda in_sync: tuple(name for name in in_sync if name != copy))

    async def _add(self, store: bytes, epoch: int, copy: str, number: int) -> None:
        self._change(store, epoch, lambda in_sync: (*(name for name in in_sync if name != copy), copy))

    def _change(self, identity: bytes, epoch: int, change: Any) -> None:
        place = self.placement.store(identity)
        if place.epoch != epoch:
            raise Fenced(f"epoch {place.epoch} has begun")
        self.set_store(place, backups=change(place.backups))

    def set_store(self, place: StorePlace, **changes: Any) -> StorePlace:
        """A store is led or backed up by others from now on."""
        fields = {name: getattr(place, name) for name in place.__struct_fields__} | changes
        new = StorePlace(**fields)
        old = self.placement
        stores = tuple(new if store.identity == place.identity else store for store in old.stores)
        self.placement = Placement(old.version + 1, old.slots, stores, old.nodes)
        return new


class Cluster:
    """Stores s0, s1, ... each with copies s0.n0 (the first leader), s0.n1, ..."""

    def __init__(self, stores: int, replicas: int, seed: int = 0, limits: Limits | None = None) -> None:
        self.network = Network(random.Random(seed))
        if isinstance(asyncio.get_running_loop(), ProcessLoop):
            self.network.delay_seconds = DELAY_SECONDS
        self.catalog = Catalog(self)
        self.limits = limits or Limits()
        self.copying = CopyOptions()
        self._random = random.Random(seed)
        self._replicas = replicas
        self._identities = [self._random.randbytes(16) for _ in range(stores)]
        self.disks: dict[str, MemoryStore] = {}
        self.dead: list[tuple[Process, Server]] = []
        self.buried: list[Process] = []
        for index, identity in enumerate(self._identities):
            for node in range(replicas):
                name = f"s{index}.n{(index + node) % max(stores, replicas)}"
                self.disks[name] = MemoryStore(random.Random(self._random.random()), identity)

    @property
    def coordinator(self) -> Wire:
        return Wire(self.network, "coordinator")

    def copy(self, name: str) -> Wire:
        return Wire(self.network, name)

    def server(self, name: str) -> Server:
        """The server of a copy that runs."""
        server = self.network.servers[name]
        assert isinstance(server, Server)
        return server

    def running(self) -> list[str]:
        """The copies whose processes run."""
        return [name for name in self.disks if name in self.network.servers]

    def copies_of(self, index: int) -> list[str]:
        """The copies of a store, the first leader first."""
        return [name for name in self.disks if name.startswith(f"s{index}.")]

    async def start(self) -> None:
        """Start all copies, and let one of each store lead."""
        count = len(self._identities)
        nodes = tuple(NodePlace(f"n{n}", True, n == 0) for n in range(max(count, self._replicas)))
        places = tuple(StorePlace(identity, 0, "", "", (), f"s{i}") for i, identity in enumerate(self._identities))
        owners = slots.assign(range(count))
        self.catalog.placement = Placement(1, slots.encode(owners), places, nodes)
        self.network.servers["coordinator"] = self.catalog
        self.network.processes["coordinator"] = Process("coordinator")
        for name in self.disks:
            await self.begin(name)
        for index in range(count):
            names = self.copies_of(index)
            await self.lead(names[0], names[1:], old_is_dead=True)

    async def begin(self, name: str) -> None:
        """A process begins for a copy."""
        process = Process(name)
        loop = asyncio.get_running_loop()
        store = self.disks[name].reopen()
        given = Options(random=random.Random(self._random.random()))
        if isinstance(loop, ProcessLoop):
            given = Options(random=given.random, clock=lambda: BEGINNING + loop.time())
        surroundings = Surroundings(
            self,
            lambda: Disk(store, process, self.network),  # type: ignore[arg-type, return-value]
            loop.time,
            leave=lambda why: self.end(name, process),
            limits=self.limits,
            options=given,
            copying=self.copying,
        )
        server = Server(name, surroundings)
        self.network.servers[name] = server
        self.network.processes[name] = process
        await process.spawn(server.start())

    async def lead(self, name: str, backups: list[str], old_is_dead: bool = False) -> None:
        """Let a copy lead, and the others follow."""
        place = self.catalog.placement.stores[int(name[1 : name.index(".")])]
        place = self.catalog.set_store(place, epoch=place.epoch + 1, primary="", node="", backups=(name, *backups))
        serve = self.network.serve
        await serve(name, "place", (self.catalog.placement.encode(),))
        self.catalog.set_store(place, primary=name, node=name.partition(".")[2], backups=tuple(backups))
        await serve(name, "lead", (place.epoch, backups, old_is_dead))
        for backup in backups:
            await serve(backup, "place", (self.catalog.placement.encode(),))
            await serve(backup, "follow", (place.epoch, name))

    def pause(self, name: str) -> None:
        """A process stands still."""
        self.network.processes[name].pause()

    def wake(self, name: str) -> None:
        """It goes on."""
        self.network.processes[name].wake()

    async def kill(self, name: str) -> None:
        """A process dies: what it had not flushed is lost."""
        self.end(name, self.network.processes[name])
        if not isinstance(asyncio.get_running_loop(), ProcessLoop):
            await end_server(self.dead.pop()[1])

    def end(self, name: str, process: Process) -> None:
        """A life of a process is over, at once."""
        if process.dead:
            return
        process.kill()
        self.dead.append((process, self.server(name)))
        if self.network.processes[name] is process:
            del self.network.servers[name], self.network.processes[name]
        self.disks[name].close()
        self.disks[name].crash()

    async def stop(self) -> None:
        """Stop all processes. Clients are gone by now."""
        network = self.network
        for process in network.processes.values():
            process.wake()
        network.watch = _no_more
        network.cut.clear()
        await asyncio.gather(*(self._stop(name) for name in self.running()))
        network.closed = True
        for process in self.buried:
            process.bury()
        for process, server in self.dead:
            process.bury()
            await end_server(server)
        for task in list(network.late):
            task.cancel()
        await asyncio.gather(*network.late, return_exceptions=True)
        for process, _ in self.dead:  # also those that have left only now, as what they were doing was cancelled
            process.bury()

    async def _stop(self, name: str) -> None:
        process = self.network.processes[name]
        stopping = self.network.keep(process.spawn(self.server(name).stop()))
        await asyncio.wait([stopping, process.over], return_when=asyncio.FIRST_COMPLETED)  # or it leaves meanwhile

    def connect(self, reads: Reads = "primary", deploys: bool = False) -> ClusterApp:
        """An app of this cluster. deploys: types that it does not know go there at their first use."""

        async def dial(loop: asyncio.AbstractEventLoop) -> Cluster:
            return self

        loop = asyncio.get_running_loop()
        if not isinstance(loop, ProcessLoop):
            app = ClusterApp(dial, deploys=deploys)
        else:
            app = ClusterApp(dial, deploys=deploys, draw=self._random.randbytes, clock=lambda: BEGINNING + loop.time())
        app.spread_reads(reads)
        return app


async def end_server(server: Server) -> None:
    """Of a process that has died, let all tasks end: nothing that they do has any effect."""
    tasks = list(server._tasks)
    for task in tasks:
        task.cancel()
    leading, server._leading = server._leading, None
    if leading is not None:
        await leading.lanes.close()
        await leading.primary.stop()
        await die(leading.engine)
    await asyncio.gather(*tasks, return_exceptions=True)


def _no_more(event: object) -> None:
    """The test is over."""


@asynccontextmanager
async def cluster(
    stores: int = 2, replicas: int = 1, seed: int = 0, limits: Limits | None = None
) -> AsyncIterator[Cluster]:
    """A running cluster in this process."""
    running = Cluster(stores, replicas, seed, limits)
    await running.start()
    try:
        yield running
    finally:
        await running.stop()
