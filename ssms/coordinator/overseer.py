"""The workflows of the whole cluster, and those that move objects and slots, as durable objects (SSMS §3.3)."""

from __future__ import annotations

from typing import ClassVar

from automata import effect, ref, send, uuid4
from automata.errors import InvalidArgument
from ssms.coordinator.cluster_steps import ClusterSteps, SlotMove

_MOVES_MAX = 3


class Overseer:
    """What concerns all stores. It has the one key "cluster".

    move: the slots that are being moved: they are, before others are chosen, since a store that gives them takes none
    back half way. begun: whether they were asked for.
    """

    steps: ClassVar[ClusterSteps]
    key: str
    spreading: bool = False
    move: SlotMove | None = None
    begun: bool = False

    async def start(self, replicas: int, hosts_per_node: int) -> None:
        """Start the cluster: a new one gets `hosts_per_node` stores for each node, in `replicas` copies each."""
        if replicas < 1 or hosts_per_node < 1:
            raise InvalidArgument("a cluster has at least one host a node, and one copy of each store")
        nodes = await effect(self.steps.nodes)
        identities = [uuid4().bytes for _ in range(len(nodes) * hosts_per_node)]
        await effect(self.steps.begin, nodes, identities, (replicas, hosts_per_node))

    async def stop(self) -> None:
        """End all processes. What they hold stays on their disks."""
        await effect(self.steps.rest)
        while not await effect(self.steps.stop_all):
            pass

    async def join_node(self, node: str, hosts_per_node: int) -> None:
        """A node takes stores, or copies of stores, and slots."""
        identities = [uuid4().bytes for _ in range(hosts_per_node)]
        await effect(self.steps.grow, node, identities)
        if not self.spreading:
            self.spreading = True
            send(ref(self).spread())

    async def drop_node(self, node: str) -> None:
        """A node is emptied and then forgotten."""
        await effect(self.steps.leave, node)
        send(ref(self).forget_node(node))

    async def deploy(self, types: list[bytes]) -> list[bytes]:
        """Register types and load them everywhere; as they were registered. Raises InvalidArgument if they fail."""
        wrong = await effect(self.steps.try_types, types)
        if wrong:
            raise InvalidArgument(f"nothing was deployed, since a host could not load it: {wrong}")
        registered = await effect(self.steps.register, types)
        await effect(self.steps.load, registered)
        return registered

    async def forget_node(self, node: str) -> None:
        """Forget a node once it is empty."""
        if not await effect(self.steps.forget, node):
            send(ref(self).forget_node(node), delay=self.steps.retry_seconds)

    async def spread(self) -> None:
        """Finish the move that was chosen, or choose the next; then look again, until all stores have as many."""
        if self.move is None:
            self.move, self.begun = await effect(self.steps.next_slots), False
        if self.move is None:
            self.spreading = False
            return
        self.begun = self.begun or await effect(self.steps.slots_settled, self.move)
        given = self.begun and await effect(self.steps.give_slots, self.move)
        if given:
            await effect(self.steps.slots_moved, self.move)
            self.move = None
        send(ref(self).spread(), delay=0 if given else self.steps.retry_seconds)


class Mover:
    """Moves one object. key: the SHA-256 of its partition, in hexadecimal."""

    steps: ClassVar[ClusterSteps]
    key: str

    async def move(self, partition: bytes, node: str) -> bytes:
        """See to it that the object lives on a node; the store that has it. Raises InvalidArgument, and what its host
        refuses it with.
        """
        for _ in range(_MOVES_MAX):
            way = await effect(self.steps.way, partition, node)
            # also if it is said to be there: its slot may have taken it along since it was moved
            await effect(self.steps.give, partition, way)
            if await effect(self.steps.object_moved, partition, way):
                return way.target
        raise InvalidArgument("others move the object as well, elsewhere: agree first, then move it again")
