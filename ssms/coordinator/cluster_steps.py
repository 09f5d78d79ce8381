"""The steps of the workflows of the whole cluster. Each may be done again, as those of a store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from automata.context import logger
from darq.errors import AutomataError, InvalidArgument
from ssms import slots as slot_numbers
from ssms.catalog import Outrun, beginnings, deployments, placements, stores, uploads
from ssms.catalog.outlook import outlook
from ssms.catalog.rows import CopyState, NodeState
from ssms.coordinator.informing import Informing
from ssms.coordinator.plan import heirs
from ssms.coordinator.roll_call import RollCall
from ssms.coordinator.spreading import extra_copies, first_stores, next_slots
from ssms.coordinator.surroundings import Surroundings
from ssms.coordinator.vigil import Vigil
from ssms.deployed import DeployedType
from ssms.peers import Unreachable
from ssms.placement import StorePlace

_HEIR_SECONDS_MAX = 30.0  # for a node whose copies are being brought up to date


@dataclass(frozen=True)
class SlotMove:
    """Slots that go from one store to another."""

    source: bytes
    target: bytes
    slots: tuple[int, ...]


@dataclass(frozen=True)
class Way:
    """Where an object goes: from one store to another."""

    source: bytes
    target: bytes


@dataclass(frozen=True)
class Keepers:
    """How the keepers of stores are reached. wake: lets all stores be looked at; hand_to: lets a store be led by a copy
    of it.
    """

    wake: Callable[[], None]
    hand_to: Callable[[bytes, str], None]


class ClusterSteps:
    """What workflows of the cluster do, outside of their own state. keepers: of the stores, to be woken."""

    def __init__(
        self, world: Surroundings, vigil: Vigil, roll: RollCall, informing: Informing, keepers: Keepers
    ) -> None:
        self._world = world
        self._vigil = vigil
        self._roll = roll
        self._informing = informing
        self._wake = keepers.wake
        self._hand_to = keepers.hand_to

    @property
    def retry_seconds(self) -> float:
        """How long a workflow waits before it tries again what could not be done."""
        return self._world.settings.retry_seconds

    # nodes

    async def nodes(self) -> list[str]:
        """The nodes that are alive."""
        return [node.id for node in await self._world.machines.nodes() if node.alive]

    async def begin(self, nodes: list[str], identities: list[bytes], sizes: tuple[int, int]) -> None:
        """The cluster runs; a new one gets its stores."""
        made = first_stores(nodes, identities, sizes[0])
        await self._world.write(beginnings.begin, made, nodes, sizes)
        self._wake()

    async def rest(self) -> None:
        """The cluster does not run."""
        await self._world.write(beginnings.rest)

    async def stop_all(self) -> bool:
        """End the processes of all copies; whether all have."""
        rows = await self._world.read(stores.all_copies)
        for row in rows:
            self._vigil.forget(row.name)
        stop = [self._stop(row.name) for row in rows]
        return all(await asyncio.gather(*stop))

    async def _stop(self, copy: str) -> bool:
        return await self._world.try_machines(lambda machines: machines.stop_copy(copy))

    async def grow(self, node: str, identities: list[bytes]) -> None:
        """A node joins: with stores of its own if there are too few, else with copies of others."""
        before = await self._world.read(outlook)
        after = await self._world.write(beginnings.grow, node, identities)
        if after == len(before.stores):
            active = [row.id for row in before.nodes if row.state is NodeState.ACTIVE and row.id != node]
            for store in extra_copies(before.copies, [*active, node], node):
                await self._world.write(stores.add_copy, store, node)
        self._wake()

    async def leave(self, node: str) -> None:
        """A node is to be emptied; nothing to do if it was. Raises InvalidArgument for an unknown one, and the last."""
        found = await self._world.read(outlook)
        if node in self._roll.present and node not in [row.id for row in found.nodes]:
            await self._world.write(beginnings.keep_out, node)
            return
        if all(row.id == node or row.state is NodeState.LEAVING for row in found.nodes):
            raise InvalidArgument(f"node {node!r} is the last one: add another before, or stop the cluster")
        await self._world.write(beginnings.shrink, node)
        self._wake()

    async def forget(self, node: str) -> bool:
        """Forget a node that has been emptied; False while it has copies. One that stays after all is kept."""
        found = await self._world.read(outlook)
        if any(row.id == node and row.state is NodeState.ACTIVE for row in found.nodes):
            return True
        try:
            await self._world.write(stores.remove_node, node)
        except Outrun as error:
            logger.info("%s", error)
            return False
        return True

    # types

    async def try_types(self, types: list[bytes]) -> str:
        """Let all living copies load types before anybody calls them; what is wrong with them, "" if nothing is.

        Where any cannot, the others have what they had before.
        """
        taken = (await self._world.read(uploads.owners)).keys() & {DeployedType.decode(made).name for made in types}
        if taken:
            return f"the type {min(taken)} is that of an upload"
        rows = await self._world.read(stores.all_copies)
        living = [row.name for row in rows if row.told >= 0 and row.name not in self._vigil.suspects]
        wrong = [error for error in await asyncio.gather(*(self._try(copy, types) for copy in living)) if error]
        if wrong:
            await self._load(living, await self._world.read(deployments.newest_types))
        return wrong[0] if wrong else ""

    async def _try(self, copy: str, types: list[bytes]) -> str:
        try:
            await self._world.ask(copy, self._world.settings.load_seconds_max, "load", types)
        except Unreachable:
            return ""  # it loads all types when it reports
        except AutomataError as error:
            return f"{type(error).__name__}: {error} (copy {copy})"
        return ""

    async def register(self, types: list[bytes]) -> list[bytes]:
        """Put types into the catalog; as they are there."""
        given = [DeployedType.decode(made) for made in types]
        return [made.encode() for made in await self._world.write(deployments.add_types, given)]

    async def load(self, types: list[bytes]) -> None:
        """Let all copies load types. Those that do not answer get all types when they report."""
        rows = await self._world.read(stores.all_copies)
        able = [row.name for row in rows if row.pid and row.name not in self._vigil.suspects]
        await self._load(able, [DeployedType.decode(made) for made in types])

    async def _load(self, copies: list[str], types: list[DeployedType]) -> None:
        async def load(copy: str) -> None:
            try:
                await self._informing.load(copy, types, self._world.settings.load_seconds_max)
            except Unreachable as error:
                logger.info("copy %s loads the new types when it reports: %s", copy, error)

        await asyncio.gather(*(load(copy) for copy in copies))

    # slots

    async def next_slots(self) -> SlotMove | None:
        """The next slots that have to move, so that all stores have as many."""
        owners = await self._world.read(placements.slot_owners)
        rows = await self._world.read(stores.all_stores)
        found = next_slots(owners, [row.identity for row in rows], self._world.settings.slots_at_once)
        return None if found is None else SlotMove(*found)

    async def slots_settled(self, move: SlotMove) -> bool:
        """Whether nothing is under way still to where the slots were before, in any store: it could be overtaken."""
        numbers = slot_numbers.encode(move.slots)
        try:
            for store in (await self._informing.placement()).stores:
                if not store.primary:
                    return False
                seconds = self._world.settings.give_seconds_max
                if not await self._world.ask(store.primary, seconds, "settled_slots", numbers):
                    return False
        except (Unreachable, AutomataError) as error:
            logger.warning("whether slots can move again is not known: %s", error)
            return False
        return True

    async def give_slots(self, move: SlotMove) -> bool:
        """Let the source give the slots to the target; whether it has."""
        source, target = await self._led(move.source), await self._led(move.target)
        if source is None or target is None:
            return False
        try:
            numbers = slot_numbers.encode(move.slots)
            await self._ask_to_give(source, "give_slots", numbers, move.target)
        except (Unreachable, AutomataError) as error:
            logger.warning("store %s has not given its slots: %s; it is asked again", source.name, error)
            return False
        return True

    async def slots_moved(self, move: SlotMove) -> None:
        """The catalog knows that the slots were given."""
        try:
            await self._world.write(placements.move_slots, move.slots, move.source, move.target)
        except Outrun as error:
            logger.warning("%s", error)
        self._informing.placement_changed()

    # one object

    async def way(self, partition: bytes, node: str) -> Way:
        """Where an object has to go, to live on a node, which is given a store to lead if it leads none.

        Raises InvalidArgument for a node that can lead none.
        """
        tries = int(_HEIR_SECONDS_MAX / self._world.settings.retry_seconds)
        for _ in range(tries):
            found = await self._way(partition, node)
            if found is not None:
                return found
            await self._let_lead(node)
            await asyncio.sleep(self._world.settings.retry_seconds)
        raise InvalidArgument(f"no store is led by node {node!r}, and none of its copies is in sync: `ssms status`")

    async def _let_lead(self, node: str) -> None:
        """Ask for a store to be led by a node, from which others have taken over what it led."""
        found = await self._world.read(outlook)
        own = {copy.name for copy in found.copies if copy.node == node and copy.state is CopyState.STAYING}
        if not own or not self._roll.alive.get(node, False):
            raise InvalidArgument(f"node {node!r} has no copy of a store: `nodes` lists those that there are")
        if any(store.leader in own for store in found.stores):
            return  # it is about to
        able = [copy for copy in heirs(node, found.stores, found.copies) if copy.name not in self._vigil.suspects]
        if able:
            self._hand_to(able[0].store, able[0].name)

    async def _way(self, partition: bytes, node: str) -> Way | None:
        placement = await self._informing.placement()
        source = await self._world.read(placements.holder, partition)
        if placement.store(source).node == node:
            return Way(source, source)
        able = [store for store in placement.stores if store.node == node]
        if not able:
            return None
        home = placement.owner(partition)
        best = (
            home if home in able else min(able, key=lambda store: (len(placement.slots_of(store.identity)), store.name))
        )
        return Way(source, best.identity)

    async def give(self, partition: bytes, way: Way) -> None:
        """Let the source give the object to the target, asked until it answers. Raises its refusal."""
        while True:
            source = await self._led(way.source)
            if source is not None:
                try:
                    await self._ask_to_give(source, "give", partition, way.target)
                except Unreachable as error:
                    logger.warning("store %s has not given an object: %s; it is asked again", source.name, error)
                else:
                    return
            await asyncio.sleep(self._world.settings.retry_seconds)

    async def object_moved(self, partition: bytes, way: Way) -> bool:
        """The catalog knows that the object was given; False if somebody else has moved it."""
        try:
            await self._world.write(placements.place_one, partition, way.source, way.target)
        except Outrun as error:
            logger.warning("%s", error)
            return False
        return True

    async def _led(self, identity: bytes) -> StorePlace | None:
        place = (await self._informing.placement()).store(identity)
        return place if place.primary else None

    async def _ask_to_give(self, source: StorePlace, what: str, given: bytes, target: bytes) -> None:
        await self._world.ask(source.primary, self._world.settings.give_seconds_max, what, given, target)
