"""A cluster without disks and networks: machines, and copies of stores that keep real chains and enforce epochs.

Each copy does what `ssms.server` does as far as the coordinator can see it: it says hello, leads and follows, ships its
groups, drops backups that are silent, adds those that have caught up. An audit watches all of them.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from automata.errors import ModuleRefused
from automata.sandbox.record import CORE, UploadRecord
from darq.errors import AutomataError, Fenced
from ssms.coordinator import Machine, MachineFailed
from ssms.deployed import DeployedType
from ssms.peers import Peer, Unreachable
from ssms.placement import NOWHERE, Placement

HOP_SECONDS = 0.001
LEASE_SECONDS = 1.0
RESTART_SECONDS = 0.3
HELLO_SECONDS = 0.2
WRITE_SECONDS = 0.1

Group = tuple[int, int]
"""(epoch, number)."""


@dataclass
class Audit:
    """What must never happen is noted in `faults`, as it happens."""

    leaders: dict[tuple[bytes, int], set[str]] = field(default_factory=lambda: defaultdict(set))
    epochs: dict[bytes, int] = field(default_factory=dict)
    released: dict[bytes, list[Group]] = field(default_factory=lambda: defaultdict(list))
    faults: list[str] = field(default_factory=list)

    def leads(self, copy: FakeCopy, epoch: int) -> None:
        """A copy has begun to lead."""
        named = self.leaders[copy.store, epoch]
        named.add(f"{copy.name}/{copy.pid}")
        if len(named) > 1:
            self.faults.append(f"epoch {epoch} has the leaders {sorted(named)}")
        if epoch <= self.epochs.get(copy.store, 0):
            self.faults.append(f"{copy.name} leads under {epoch}, after {self.epochs[copy.store]}")
        self.epochs[copy.store] = epoch
        missing = set(self.released[copy.store]) - set(copy.disk.groups)
        if missing:
            self.faults.append(f"{copy.name} leads without {sorted(missing)}, which were acknowledged")


@dataclass
class FakeDisk:
    """A copy's directory. epoch: the highest that it was told of."""

    epoch: int = 0
    groups: list[Group] = field(default_factory=list)


class FakeCopy:
    """One process that holds a copy."""

    def __init__(self, cluster: FakeCluster, name: str, node: str, store: bytes) -> None:
        self.cluster, self.name, self.node, self.store = cluster, name, node, store
        self.disk = cluster.disks.setdefault((node, name), FakeDisk())
        self.pid = cluster.next_pid()
        self.role = ""
        self.epoch = 0
        self.backups: list[str] = []
        self.changes = 0
        self.forgotten: set[str] = set()
        self.types: dict[str, int] = {}
        self.uploads: dict[str, int] = {}
        self.revision = 0
        self.placement = NOWHERE
        self.granted_until = 0.0
        self.writing: asyncio.Task[None] | None = None
        self.ended = asyncio.get_running_loop().create_future()
        self.tasks = [self._spawn(self._report())]
        self.leading = asyncio.Lock()

    def _spawn(self, work: Any) -> asyncio.Task[None]:
        return asyncio.get_running_loop().create_task(work)

    def end(self) -> None:
        """The process ends."""
        self.cluster.processes.pop(self.name, None)
        if not self.ended.done():
            self.ended.set_result(None)
        for task in self.tasks:
            if task is not asyncio.current_task():
                task.cancel()

    async def head(self) -> tuple[int, int, bytes]:
        epoch, number = self.disk.groups[-1] if self.disk.groups else (0, 0)
        return epoch, number, b""

    async def lead(self, epoch: int, backups: list[str], old_is_dead: bool) -> None:
        async with self.leading:
            if self.role == "leader":
                if epoch == self.epoch:
                    return
                self.cluster.restart(self)
                raise Unreachable("begins anew")
            if epoch <= self.disk.epoch and self.disk.epoch:
                raise Fenced(f"{self.name} knows epoch {self.disk.epoch}")
            await asyncio.sleep(self.cluster.recovery_seconds)
            if not old_is_dead:
                await asyncio.sleep(max(0.0, self.granted_until - self.cluster.now()))
            self.role, self.epoch, self.backups, self.disk.epoch = "leader", epoch, list(backups), epoch
            self.cluster.audit.leads(self, epoch)
            self.writing = self._spawn(self._write())
            self.tasks.append(self.writing)

    async def resign(self, epoch: int) -> None:
        async with self.leading:
            if self.role == "leader":
                if epoch != self.epoch:
                    raise Fenced(f"{self.name} leads under {self.epoch}")
                self.role = "resigned"
                assert self.writing is not None
                self.writing.cancel()

    async def follow(self, epoch: int, primary: str) -> None:
        if self.role == "leader":
            if self.epoch >= epoch:
                raise Fenced(f"{self.name} leads under {self.epoch}")
            self.cluster.restart(self)
            return
        self.role, self.epoch, self.disk.epoch = "backup", epoch, max(epoch, self.disk.epoch)
        self.tasks.append(self._spawn(self._attach(primary, epoch)))

    async def attach(self, copy: str) -> None:
        if self.role != "leader":
            raise AutomataError("does not lead")
        self.forgotten.discard(copy)
        self.tasks.append(self._spawn(self._bring(copy)))

    async def forget(self, copy: str) -> None:
        self.forgotten.add(copy)

    async def ship(self, epoch: int, groups: list[Group]) -> None:
        if epoch < self.disk.epoch or self.role == "leader":
            raise Fenced(f"{self.name} knows epoch {self.disk.epoch}")
        self.disk.epoch = epoch
        self.disk.groups = list(groups)
        self.granted_until = self.cluster.now() + LEASE_SECONDS

    async def load(self, types: list[bytes]) -> None:
        for made in map(DeployedType.decode, types):
            if made.name == "Broken" or (self.name, made.name) in self.cluster.unloadable:
                raise AutomataError("it cannot be imported")
            if made.version >= self.types.get(made.name, 0):
                self.types[made.name] = made.version

    async def examine(self, name: str, uploader: str, digest: str, limits: object) -> tuple[str, int, bytes]:
        data = await self.cluster.coordinator.call("module", digest)
        if data == b"bad":
            raise ModuleRefused("it is bad")
        if data == b"deadly":
            self.cluster.restart(self)
            await asyncio.sleep(1)
        return CORE, len(data), b'{"interface": 1, "types": [{"name": "Tally"}]}'

    async def load_uploads(self, revision: int, records: list[bytes], ready: bool) -> dict[str, str]:
        if revision > self.revision:
            self.revision = revision
            self.uploads = {record.name: record.current for record in map(UploadRecord.decode, records)}
        return {}

    async def place(self, data: bytes) -> None:
        self.placement = Placement.decode(data)

    async def watch(self) -> None:
        await asyncio.shield(self.ended)

    async def give(self, partition: bytes, target: bytes) -> None:
        self.cluster.given.append((self.store, partition, target))

    async def settled_slots(self, numbers: bytes) -> bool:
        return not self.cluster.unsettled

    async def give_slots(self, numbers: bytes, target: bytes) -> None:
        self.cluster.slot_moves.append((self.store, numbers, target))
        if self.cluster.refused:
            self.cluster.refused -= 1
            raise AutomataError("it was interrupted half way")
        self.cluster.given.append((self.store, numbers, target))

    # inside

    async def _report(self) -> None:
        coordinator = self.cluster.coordinator
        while True:
            try:
                if self.role:
                    await coordinator.call("alive", self.name)
                else:
                    epoch, number, _ = await self.head()
                    await coordinator.call("hello", self.name, self.pid, self.disk.epoch or epoch, number)
            except (Unreachable, AutomataError):
                pass
            await asyncio.sleep(HELLO_SECONDS)

    async def _attach(self, primary: str, epoch: int) -> None:
        while self.role == "backup" and self.epoch == epoch:
            try:
                await self.cluster.copy(primary).call("attach", self.name)
                return
            except (Unreachable, AutomataError):
                await asyncio.sleep(HELLO_SECONDS)

    async def _bring(self, copy: str) -> None:
        """Bring a copy up to date, and add it."""
        while copy not in self.backups and copy not in self.forgotten:
            try:
                await self.cluster.copy(copy).call("ship", self.epoch, self.disk.groups)
                self.backups = await self.cluster.coordinator.call("add", self.store, self.epoch, copy, self.number())
                return
            except Fenced:
                self.cluster.restart(self)
                return
            except (Unreachable, AutomataError):
                await asyncio.sleep(HELLO_SECONDS)

    async def _write(self) -> None:
        """A group every now and then, which is released once all in-sync copies have it."""
        while True:
            group = (self.epoch, len(self.disk.groups) + 1)
            self.disk.groups.append(group)
            while silent := [copy for copy in self.backups if not await self._shipped(copy)]:
                await asyncio.sleep(LEASE_SECONDS)
                await self._drop(silent[0])
                self.tasks.append(self._spawn(self._bring(silent[0])))
            self.cluster.audit.released[self.store].append(group)
            await asyncio.sleep(WRITE_SECONDS)

    async def _shipped(self, copy: str) -> bool:
        try:
            await self.cluster.copy(copy).call("ship", self.epoch, self.disk.groups)
        except Fenced:
            self.cluster.restart(self)
            await asyncio.sleep(3600)
        except (Unreachable, AutomataError):
            return False
        return True

    def number(self) -> int:
        self.changes += 1
        return self.changes

    async def _drop(self, copy: str) -> None:
        try:
            self.backups = await self.cluster.coordinator.call("drop", self.store, self.epoch, copy, self.number())
        except Fenced:
            self.cluster.restart(self)
            await asyncio.sleep(3600)
        except (Unreachable, AutomataError):
            return


class _Peer:
    """The way to one process. The call is taken even if nobody waits for its answer any more."""

    def __init__(self, cluster: FakeCluster, name: str) -> None:
        self._cluster, self._name = cluster, name

    async def call(self, what: str, *args: Any) -> Any:
        await asyncio.sleep(HOP_SECONDS)
        copy = self._cluster.processes.get(self._name)
        if copy is None or self._name in self._cluster.cut_off:
            raise Unreachable(f"no process of {self._name} answers")
        self._cluster.asked.append((self._name, what))
        answer = asyncio.ensure_future(getattr(copy, what)(*args))
        await asyncio.wait([answer, copy.ended], return_when=asyncio.FIRST_COMPLETED)
        await asyncio.sleep(HOP_SECONDS)
        if not answer.done() or copy.ended.done():
            answer.cancel()
            raise Unreachable(f"the process of {self._name} has ended")
        return answer.result()


class _Coordinator:
    """The way to the coordinator."""

    def __init__(self, cluster: FakeCluster) -> None:
        self._cluster = cluster

    async def call(self, what: str, *args: Any) -> Any:
        await asyncio.sleep(HOP_SECONDS)
        if args[:1] and args[0] in self._cluster.cut_off:
            raise Unreachable("cut off")
        serve = self._cluster.serve
        if serve is None:
            raise Unreachable("there is no coordinator now")
        return await serve(what, args)


class FakeCluster:
    """Machines and peers at once. nodes: id -> alive."""

    def __init__(self, *nodes: str) -> None:
        self.alive = dict.fromkeys(nodes, True)
        self.head = nodes[0]
        self.disks: dict[tuple[str, str], FakeDisk] = {}
        self.processes: dict[str, FakeCopy] = {}
        self.supervised: dict[str, tuple[str, bytes]] = {}
        self.cut_off: set[str] = set()
        self.unsettled = False
        self.refused = 0
        self.slot_moves: list[tuple[bytes, bytes, bytes]] = []
        self.recovery_seconds = 0.0
        self.unloadable: set[tuple[str, str]] = set()
        self.asked: list[tuple[str, str]] = []
        self.given: list[tuple[bytes, bytes, bytes]] = []
        self.audit = Audit()
        self.serve: Any = None
        self._pids = 100
        self._restarting: set[asyncio.Task[None]] = set()

    # Peers

    @property
    def coordinator(self) -> Peer:
        return _Coordinator(self)

    def copy(self, name: str) -> Peer:
        return _Peer(self, name)

    # Machines

    async def nodes(self) -> list[Machine]:
        return [Machine(node, alive, node == self.head) for node, alive in self.alive.items()]

    async def start_copy(self, node: str, store: bytes, copy: str) -> None:
        await asyncio.sleep(HOP_SECONDS)
        if not self.alive.get(node):
            raise MachineFailed(f"node {node} is away")
        self.supervised[copy] = (node, store)
        if copy not in self.processes:
            self.processes[copy] = FakeCopy(self, copy, node, store)

    async def stop_copy(self, copy: str) -> None:
        await asyncio.sleep(HOP_SECONDS)
        self.supervised.pop(copy, None)
        self.kill(copy)

    async def wipe_copy(self, node: str, store: bytes, copy: str) -> None:
        await asyncio.sleep(HOP_SECONDS)
        if not self.alive.get(node):
            raise MachineFailed(f"node {node} is away")
        if copy in self.processes:
            self.audit.faults.append(f"{copy} was wiped under its process")
        self.disks.pop((node, copy), None)

    async def is_dead(self, copy: str) -> bool:
        return copy not in self.processes

    # faults

    def kill(self, copy: str) -> None:
        """The process of a copy is killed, and restarted if it is supervised and its node lives."""
        process = self.processes.get(copy)
        if process is not None:
            self.restart(process)

    def restart(self, process: FakeCopy) -> None:
        process.end()
        task = asyncio.get_running_loop().create_task(self._restart(process.name))
        self._restarting.add(task)
        task.add_done_callback(self._restarting.discard)

    async def _restart(self, copy: str) -> None:
        await asyncio.sleep(RESTART_SECONDS)
        placed = self.supervised.get(copy)
        if placed is not None and self.alive.get(placed[0]) and copy not in self.processes:
            self.processes[copy] = FakeCopy(self, copy, *placed)

    def lose(self, node: str) -> None:
        """A node ends, with all its processes."""
        self.alive[node] = False
        for process in [p for p in self.processes.values() if p.node == node]:
            process.end()

    def back(self, node: str) -> None:
        """A node is there again, with its disk."""
        self.alive[node] = True
        for copy, (where, store) in self.supervised.items():
            if where == node and copy not in self.processes:
                self.processes[copy] = FakeCopy(self, copy, where, store)

    def end(self) -> None:
        """End everything."""
        self.supervised.clear()
        for process in list(self.processes.values()):
            process.end()

    # inside

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def next_pid(self) -> int:
        self._pids += 1
        return self._pids
