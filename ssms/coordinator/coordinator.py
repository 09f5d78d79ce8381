"""The coordinator of one cluster: it answers calls, keeps watch, and lets workflows do what has to be done (SSMS §3.3).

It is on no hot path: while it is away, everything goes on but changes of who leads, of machines, of code.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from automata import send
from automata.context import logger
from darq.errors import InvalidArgument, StorageFull
from darq.limits import Limits
from darq.store import Store
from ssms.catalog import beginnings, deployments, placements, stores, versions
from ssms.catalog.elections import lose_part
from ssms.catalog.outlook import outlook
from ssms.catalog.rows import StoreRow
from ssms.coordinator.cluster_steps import ClusterSteps, Keepers
from ssms.coordinator.forbidden import check_token
from ssms.coordinator.informing import Informing
from ssms.coordinator.keeper import Keeper
from ssms.coordinator.overseer import Mover, Overseer
from ssms.coordinator.roll_call import RollCall
from ssms.coordinator.store_steps import StoreSteps
from ssms.coordinator.surroundings import Surroundings
from ssms.coordinator.upload_desk import UploadDesk
from ssms.coordinator.upload_steps import UploadSteps
from ssms.coordinator.uploading import Uploading
from ssms.coordinator.vigil import Vigil
from ssms.coordinator.workshop import Workshop, workflow
from ssms.deployed import DeployedType
from ssms.placement import Placement

FREE_BYTES_RESERVE = 16 << 20
"""Less than of stores: where those take no more, on the same disk, somebody still has to say who leads."""


class Coordinator:
    """A coordinator over a store of its own, which `open_store` opens. world: what it works with; limits: of the store.

    Runs on one event loop. `serve` answers calls; `open` resumes every workflow that a killed one has left unfinished.
    """

    def __init__(self, world: Surroundings, open_store: Callable[[], Store], limits: Limits | None = None) -> None:
        self._world = world
        self._vigil = Vigil(world.peers, world.settings)
        self._roll = RollCall(world.machines, world.settings)
        self._informing = Informing(world, self._vigil, self._roll)
        self._steps = StoreSteps(world, self._vigil, self._roll, self._informing)
        cluster = ClusterSteps(
            world, self._vigil, self._roll, self._informing, Keepers(self._wake_soon, self._hand_soon)
        )
        self._keeper = workflow(Keeper, steps=self._steps)
        self._overseer = workflow(Overseer, steps=cluster)
        self._mover = workflow(Mover, steps=cluster)
        self._uploading = workflow(Uploading, steps=UploadSteps(world, self._vigil, self._informing.uploads))
        types = (self._keeper, self._overseer, self._mover, self._uploading)
        own = replace(limits or Limits(), free_bytes_reserve=FREE_BYTES_RESERVE)
        self._workshop = Workshop(open_store, types, world.clock, world.random, own)
        self._known: Placement | None = None
        self._loads: dict[str, float] = {}
        self._beside: set[asyncio.Task[None]] = set()
        self._joining: set[str] = set()
        self._ticking: asyncio.Task[None] | None = None
        self._vigil.suspected = self._vigil.returned = self._copy_changed
        self._vigil.lost_part = self._copy_lost_part
        self._calls: dict[str, Callable[..., Awaitable[Any]]] = {name: getattr(self, name) for name in CALLS}
        self._desk = UploadDesk(world, self._of_upload, self._informing.uploads)
        self._calls |= self._desk.calls

    # its life

    async def open(self) -> None:
        """Begin: resume workflows, and look at all stores. Raises what opening its store raises, and CatalogAway."""
        await self._look_for_nodes(0)
        for copy in await self._world.read(stores.all_copies):
            if copy.told >= 0:
                self._vigil.watch(copy.name)
        await self._workshop.open()
        self._ticking = asyncio.get_running_loop().create_task(self._tick())
        self._ticking.add_done_callback(self._ended)
        self._wake_soon()
        self._informing.placement_changed()

    async def close(self) -> None:
        """End, in the middle of whatever it does; opened again it goes on."""
        beside = [task for task in (self._ticking, *self._beside) if task is not None]
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        await self._vigil.close()
        await self._informing.close()
        await self._workshop.close()

    async def serve(self, what: str, args: tuple[Any, ...]) -> Any:
        """Answer a call. Raises InvalidArgument for one that there is not, and whatever it raises."""
        answer = self._calls.get(what)
        if answer is None:
            raise InvalidArgument(f"a coordinator has no call {what!r}: it has {', '.join(sorted(self._calls))}")
        if self._ticking is not None and self._ticking.done():
            self._ticking.result()  # raises what has ended its watch
        return await answer(*args)

    # calls of copies

    async def hello(self, copy: str, pid: int, epoch: int, group: int) -> None:
        """A process that holds a copy has begun. It is told its part later. epoch, group: what its disk holds.

        Raises InvalidArgument for a copy that there is not: its process should end.
        """
        row = await self._world.write(stores.greet, copy, pid, epoch)
        if row is None:
            raise InvalidArgument(f"there is no copy {copy!r} in this cluster: its process has no part, and should end")
        if row.told < 0:
            self._vigil.reported(copy)
        logger.info("copy %s has reported: process %d, epoch %d, group %d", copy, pid, epoch, group)
        await self._mend(row.store)

    async def alive(self, copy: str, load: float = 0.0) -> None:
        """A heartbeat. load: groups that the copy makes durable a second."""
        self._vigil.heard(copy)
        self._loads[copy] = load

    async def drop(self, store: bytes, epoch: int, copy: str, number: int) -> list[str]:
        """The primary of `epoch` drops an in-sync backup, whose read lease has run out; the backups that are left.

        number: of the call, higher for each in an epoch. Raises Fenced when it leads no longer, Outrun for a number
        that is lower than another that was seen.
        """
        return await self._member_change(store, (epoch, number), copy, False)

    async def add(self, store: bytes, epoch: int, copy: str, number: int) -> list[str]:
        """The primary of `epoch` adds a backup that holds all it has; the backups then. Otherwise as `drop`."""
        return await self._member_change(store, (epoch, number), copy, True)

    async def placement(self, known_version: int = 0) -> bytes | None:
        """The newest placement, None if its version is the known one."""
        version = await self._world.read(versions.placement_version)
        if version == known_version:
            return None
        if self._known is None or self._known.version != version:
            self._known = await self._informing.placement()
        return self._known.encode()

    # calls of operators

    async def start(self, replicas: int = 1, hosts_per_node: int = 1) -> None:
        """Start the cluster. Its stores are led a little later: the placement says when."""
        await self._of_cluster().start(replicas, hosts_per_node)

    async def stop(self) -> None:
        """End the processes of all copies."""
        await self._of_cluster().stop()

    async def deploy(self, types: list[bytes], token: str = "") -> list[bytes]:
        """Register types, and load them everywhere. Raises Forbidden, and InvalidArgument for what cannot be loaded."""
        check_token(self._world.settings.token, token)
        return await self._of_cluster().deploy(types)

    async def types(self) -> list[bytes]:
        """The newest version of each deployed type."""
        found: list[DeployedType] = await self._world.read(deployments.newest_types)
        return [made.encode() for made in found]

    async def join_node(self, node: str) -> None:
        """A node takes its share. Slots move to it in the background."""
        await self._look_for_nodes(0)
        _, hosts_per_node = await self._world.read(beginnings.sizes)
        await self._of_cluster().join_node(node, hosts_per_node)

    async def drop_node(self, node: str) -> None:
        """A node gives everything away, if it can, and is forgotten. That goes on in the background.

        It joins again when it is asked to, not by itself.
        """
        await self._look_for_nodes(0)
        await self._of_cluster().drop_node(node)

    async def drain(self, node: str) -> None:
        """As `drop_node`, and wait until the node is empty."""
        await self.drop_node(node)
        while node in [row.id for row in await self._world.read(stores.all_nodes)]:  # noqa: ASYNC110 - others write it too
            await asyncio.sleep(self._world.settings.tick_seconds)

    async def move(self, partition: bytes, node: str) -> bytes:
        """Move one object to a node; the store that has it then. Raises InvalidArgument for a node without copies."""
        key = hashlib.sha256(partition).hexdigest()
        return await self._workshop.ref(self._mover, Mover, key).move(partition, node)

    async def where(self, partition: bytes) -> bytes:
        """The identity of the store that has an object."""
        return await self._world.read(placements.holder, partition)

    async def nodes(self) -> list[tuple[str, bool, bool]]:
        """(id, alive, is_head) of each node."""
        return [(node.id, node.alive, node.is_head) for node in self._roll.present.values()]

    async def status(self) -> dict[str, Any]:
        """What there is, as plain Python, for people."""
        found = await self._world.read(outlook)
        owners = Counter(await self._world.read(placements.slot_owners))
        types: list[DeployedType] = await self._world.read(deployments.newest_types)
        return {
            "state": found.state.value,
            "placement": await self._world.read(versions.placement_version),
            "catalog": self._world.catalog.where,
            "nodes": [
                {**vars(row), "state": row.state.value, "alive": self._roll.alive.get(row.id, False)}
                for row in found.nodes
            ],
            "stores": [
                {**vars(row), "slots": owners[row.identity], "trouble": self._trouble(row)} for row in found.stores
            ],
            "copies": [
                {
                    **vars(row),
                    "state": row.state.value,
                    "suspect": row.name in self._vigil.suspects,
                    "unloadable": self._informing.trouble(row.name),
                }
                for row in found.copies
            ],
            "uploads": await self._desk.shown(),
            "types": [{"name": made.name, "version": made.version, "reference": made.reference} for made in types],
        }

    # inside

    def _trouble(self, store: StoreRow) -> str:
        """Why nobody leads a store, where that needs somebody's help; "" for none."""
        empty = self._steps.emptied.get(store.identity, ())
        if not empty:
            return ""
        away = [copy for copy in store.in_sync if copy not in empty]
        others = f"bring back {', '.join(away)}, or restore" if away else "restore"
        lost = f"{', '.join(empty)} lost what they held, and would empty the store"
        return f"nobody leads: {lost}: {others} a copy from a backup"

    def _of_cluster(self) -> Overseer:
        return self._workshop.ref(self._overseer, Overseer, "cluster")

    def _of_upload(self, name: str) -> Uploading:
        return self._workshop.ref(self._uploading, Uploading, name)

    async def _member_change(self, store: bytes, leading: tuple[int, int], copy: str, joins: bool) -> list[str]:
        backups: tuple[str, ...] = await self._world.write(stores.member_change, store, leading, copy, joins)
        self._informing.placement_changed()
        await self._mend(store)
        return list(backups)

    async def _mend(self, store: bytes) -> None:
        """Let a store be looked at: durably, so that it is even if this process dies at once."""
        try:
            await send(self._workshop.ref(self._keeper, Keeper, store.hex()).mend())
        except StorageFull as error:
            logger.error("store %s is not seen to until there is room: %s", store.hex(), error)

    def _wake_soon(self) -> None:
        self._do_beside(self._wake())

    def _hand_soon(self, store: bytes, copy: str) -> None:
        async def hand() -> None:
            await send(self._workshop.ref(self._keeper, Keeper, store.hex()).hand_to(copy))

        self._do_beside(hand())

    async def _wake(self) -> None:
        """Look at all stores, and let those be mended where something has to be done."""
        found = await self._world.read(outlook)
        for store in found.stores:
            if self._steps.next_act(found, store.identity) is not None:
                await self._mend(store.identity)

    def _copy_changed(self, copy: str) -> None:
        async def mend() -> None:
            row = await self._world.read(stores.copy, copy)
            if row is not None:
                await self._mend(row.store)

        self._do_beside(mend())

    def _copy_lost_part(self, copy: str) -> None:
        async def lose() -> None:
            store = await self._world.write(lose_part, copy)
            if store is not None:
                await self._mend(store)

        self._do_beside(lose())

    def _do_beside(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._beside.add(task)
        task.add_done_callback(self._done_beside)

    def _done_beside(self, task: asyncio.Task[None]) -> None:
        self._beside.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("a change was not looked at: the next sweep does", exc_info=error)

    def _ended(self, ticking: asyncio.Task[None]) -> None:
        """A coordinator that keeps watch no more is worse than none."""
        if not ticking.cancelled() and (error := ticking.exception()) is not None:
            logger.error("this coordinator keeps watch no more, and ends", exc_info=error)
            self._world.leave(error)

    async def _tick(self) -> None:
        """Count time, and what did not happen in it. A loop that comes late has stood still itself."""
        settings, loop = self._world.settings, asyncio.get_running_loop()
        while True:
            begun = loop.time()
            await asyncio.sleep(settings.tick_seconds)
            self._vigil.tick(stalled=loop.time() - begun > _STALLED_TICKS * settings.tick_seconds)
            ticks = self._vigil.ticks
            changed = ticks % settings.look_ticks == 0 and await self._look_for_nodes(settings.look_ticks)
            if changed:
                await self._world.write(versions.raise_version)
                self._informing.placement_changed()
            if changed or ticks % settings.sweep_ticks == 0:
                loads, self._loads = self._loads, {}
                await self._world.write(stores.set_loads, loads)
                await self._wake()
                self._do_beside(self._informing.uploads.catch_up())
                if settings.auto_join:
                    await self._let_newcomers_join()

    async def _let_newcomers_join(self) -> None:
        alive = [node.id for node in self._roll.present.values() if node.alive]
        for node in await self._world.read(beginnings.newcomers, alive):
            if node not in self._joining:
                logger.info("node %s is new, and joins", node)
                self._joining.add(node)
                self._do_beside(self._let_join(node))

    async def _let_join(self, node: str) -> None:
        try:
            await self.join_node(node)
        finally:
            self._joining.discard(node)

    async def _look_for_nodes(self, ticks: int) -> bool:
        rows = await self._world.read(stores.all_nodes)
        return await self._roll.look([row.id for row in rows], ticks)


_STALLED_TICKS = 3

CALLS = (
    "add",
    "alive",
    "deploy",
    "drain",
    "drop",
    "drop_node",
    "hello",
    "join_node",
    "move",
    "nodes",
    "placement",
    "start",
    "status",
    "stop",
    "types",
    "where",
)
"""What a coordinator answers."""
