"""A cluster in one process: servers over stores in memory, behind a network with faults.

What decides who leads is a stand-in (the coordinator has tests of its own); everything else is what runs on Ray.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from automata.options import Options
from automata.testing.death import die
from darq.errors import AutomataError, Fenced
from darq.limits import Limits
from darq.memory import MemoryStore
from darq.replication import Options as CopyOptions
from ssms import slots
from ssms.cluster_app import ClusterApp
from ssms.coordinator import Forbidden
from ssms.peers import Unreachable
from ssms.placement import NodePlace, Placement, StorePlace
from ssms.server import Server, Surroundings


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
        answer = await server.serve(what, args)
        if self.servers.get(name) is not server:
            raise Unreachable(f"{name} has died")
        return answer

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


class Catalog:
    """Stands in for the coordinator: it says who leads, and takes copies in and out."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.placement = Placement(0, b"", ())
        self.deployed: list[bytes] = []
        self.token = ""
        self.away = 0  # so many calls about types are lost

    async def call(self, what: str, *args: Any) -> Any:
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

    async def _deploy(self, types: list[bytes], token: str) -> None:
        if token != self.token:
            raise Forbidden("the token is another one")
        self.deployed += types
        for server in list(self._cluster.network.servers.values()):
            await server.load(types)

    async def _drop(self, store: bytes, epoch: int, copy: str) -> None:
        self._change(store, epoch, lambda in_sync: tuple(name for name in in_sync if name != copy))

    async def _add(self, store: bytes, epoch: int, copy: str) -> None:
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
        self.catalog = Catalog(self)
        self.limits = limits or Limits()
        self._random = random.Random(seed)
        self._replicas = replicas
        self._identities = [self._random.randbytes(16) for _ in range(stores)]
        self.disks: dict[str, MemoryStore] = {}
        for index, identity in enumerate(self._identities):
            for node in range(replicas):
                self.disks[f"s{index}.n{(index + node) % max(stores, replicas)}"] = MemoryStore(identity=identity)

    @property
    def coordinator(self) -> Catalog:
        return self.catalog

    def copy(self, name: str) -> Wire:
        return Wire(self.network, name)

    async def start(self) -> None:
        """Start all copies, and let one of each store lead."""
        count = len(self._identities)
        nodes = tuple(NodePlace(f"n{n}", True, n == 0) for n in range(max(count, self._replicas)))
        places = tuple(StorePlace(identity, 0, "", "", (), f"s{i}") for i, identity in enumerate(self._identities))
        owners = slots.assign(range(count))
        self.catalog.placement = Placement(1, slots.encode(owners), places, nodes)
        for name in self.disks:
            await self.begin(name)
        for index in range(count):
            names = [name for name in self.disks if name.startswith(f"s{index}.")]
            await self.lead(names[0], names[1:], old_is_dead=True)

    async def begin(self, name: str) -> None:
        """A process begins for a copy."""
        surroundings = Surroundings(
            self,
            self.disks[name].reopen,
            asyncio.get_running_loop().time,
            leave=lambda why: self._left(name),
            limits=self.limits,
            options=Options(random=random.Random(self._random.random())),
            copying=CopyOptions(),
            draw=self._random.randbytes,
        )
        server = Server(name, surroundings)
        await server.start()
        self.network.servers[name] = server

    async def lead(self, name: str, backups: list[str], old_is_dead: bool = False) -> None:
        """Let a copy lead, and the others follow."""
        place = self.catalog.placement.stores[int(name[1 : name.index(".")])]
        place = self.catalog.set_store(place, epoch=place.epoch + 1, primary="", node="", backups=(name, *backups))
        server = self.network.servers[name]
        await server.place(self.catalog.placement.encode())
        self.catalog.set_store(place, primary=name, node=name.partition(".")[2], backups=tuple(backups))
        await server.lead(place.epoch, backups, old_is_dead)
        for backup in backups:
            await self.network.servers[backup].follow(place.epoch, name)

    async def kill(self, name: str) -> None:
        """A process dies: what it had not flushed is lost."""
        server = self.network.servers.pop(name)
        for task in list(server._tasks):
            task.cancel()
        server.network = None  # type: ignore[attr-defined]
        leading, server._leading = server._leading, None
        if leading is not None:
            await leading.lanes.close()
            await leading.primary.stop()
            await die(leading.engine)
        self.disks[name].close()
        self.disks[name].crash()

    def _left(self, name: str) -> None:
        if name in self.network.servers:
            task = asyncio.get_running_loop().create_task(self.kill(name))
            self.network.late.add(task)
            task.add_done_callback(self.network.late.discard)

    async def stop(self) -> None:
        for task in list(self.network.late):
            task.cancel()
        await asyncio.gather(*self.network.late, return_exceptions=True)
        self.network.paused.clear()
        await asyncio.gather(*(server.stop() for server in self.network.servers.values()))

    def connect(self, deploys: bool = False) -> ClusterApp:
        """An app of this cluster. deploys: types that it does not know go there at their first use."""

        async def dial(loop: asyncio.AbstractEventLoop) -> Cluster:
            return self

        return ClusterApp(dial, deploys=deploys)


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
