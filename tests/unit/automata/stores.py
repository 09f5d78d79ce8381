"""Several engines in one process and in virtual time, each over a store of its own, whose lanes lead to each other.

A node dies at any border of its commit groups that a test names, before the group is durable or just after.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from automata import asking, engine
from automata.asking import AGAIN, CALL, MOVED, POST, READ, Ask
from automata.calls import Call
from automata.journal import ANYTHING
from automata.moving import Moving
from automata.options import Options
from automata.outcomes import decode_outcome
from automata.partitions import partition_of
from automata.reference import make_ref
from automata.residence import Residence
from automata.testing.death import die
from automata.testing.loop import run_virtually
from automata.types import REGISTRY
from darq.errors import AutomataError
from darq.limits import Limits
from darq.log import Log
from darq.memory import MemoryStore
from ssms.cancelling import cancel_anywhere

SLOTS = 8
EPOCH = 1
_PAUSE_SECONDS = 0.01
_PATIENCE_SECONDS = 120.0  # of virtual time


class Killed(Exception):
    """The process dies in the middle of a flush."""


class Disk(MemoryStore):
    """Tells the node of each border between commit groups."""

    border: Callable[[str], None] = staticmethod(lambda what: None)

    def flush(self) -> None:
        self.border("before")
        super().flush()
        self.border("after")


class Node:
    """One engine. It lives, dies, and lives again on the same disk."""

    def __init__(self, stores: Stores, number: int) -> None:
        self.stores = stores
        self.number = number
        self.disk = Disk(random.Random(stores.seed * 10 + number))
        self.disk.border = self._border
        self.identity = self.disk.identity()
        self.alive = False
        self.owner_of: Callable[[bytes], bytes] = stores.owner_of

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self.died: asyncio.Future[None] = loop.create_future()
        log = Log(self.disk, self.stores.limits, loop.time)
        self.residence = Residence(log, self._owner_of, slot_of)
        neighbours = engine.Neighbours(self.residence, self.stores, self.stores, EPOCH)
        options = Options(clock=loop.time, random=self.stores.random, registry=REGISTRY)
        self.engine = engine.run(log, loop, options, neighbours)
        self.alive = True

    @property
    def moving(self) -> Moving:
        doors = self.engine.doors
        assert doors is not None
        assert doors.moving is not None
        return doors.moving

    async def submit(self, ask: Ask) -> bytes:
        """Ask through the door, as another process would."""
        doors = self.engine.doors
        assert doors is not None
        client = self.stores.random.randbytes(16)
        batch = asking.Batch(client, EPOCH, 1, (), ((0, ask),))
        told = asking.decode_told(await doors.reception.submit(asking.encode(batch)))
        question = 0
        while not told.told:
            question += 1
            told = asking.decode_told(await doors.reception.collect(client, EPOCH, question))
        return told.told[0][1]

    async def outlive(self, work: Coroutine[Any, Any, Any]) -> Any:
        """What comes of `work`; OSError if the process dies first."""
        if not self.alive:
            work.close()
            raise OSError("nobody is there")
        task = asyncio.ensure_future(work)
        await asyncio.wait([task, self.died], return_when=asyncio.FIRST_COMPLETED)
        if not self.alive or not task.done():
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                task.exception()
            raise OSError("the process has died")
        return task.result()

    async def crash(self) -> None:
        """Lose what was not durable, then live again."""
        self.alive = False
        if not self.died.done():
            self.died.set_result(None)
        await die(self.engine)
        await asyncio.sleep(_PAUSE_SECONDS)
        self.disk.crash()
        self.start()

    async def stop(self) -> None:
        await engine.stop(self.engine)

    def _owner_of(self, partition: bytes) -> bytes:
        return self.owner_of(partition)

    def _border(self, what: str) -> None:
        stores = self.stores
        if not self.alive:
            return
        stores.borders += 1
        if stores.borders == stores.die_at:
            self.alive = False
            stores.reviving = asyncio.get_running_loop().create_task(self.crash())
            raise Killed(f"node {self.number} died at border {stores.borders}, {what}")


def slot_of(partition: bytes) -> int:
    return sum(partition) % SLOTS


class Stores:
    """The nodes, the lanes between them, and the way of calls. The first node has all slots unless a test says else.

    die_at: at which border of commit groups, counted over all nodes, one dies. chaos: how often, of 1, a batch of a
    lane is lost or doubled.
    """

    def __init__(self, count: int = 2, seed: int = 1, die_at: int = 0, chaos: float = 0.0) -> None:
        self.seed = seed
        self.random = random.Random(seed)
        self.chaos = chaos
        self.limits = Limits(inline_flush_seconds_max=math.inf, group_steps_max=1 if die_at else 1024)
        self.die_at = die_at
        self.borders = 0
        self.reviving: asyncio.Task[None] | None = None
        self.owners: dict[int, int] = {}
        self.slow: dict[tuple[int, int], float] = {}  # seconds that a lane between two nodes takes
        self.nodes = [Node(self, number) for number in range(count)]

    async def __aenter__(self) -> Stores:
        for node in self.nodes:
            node.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        self.die_at = 0
        if self.reviving is not None:
            await self.reviving
        for node in self.nodes:
            await node.stop()

    def owner_of(self, partition: bytes) -> bytes:
        return self.nodes[self.owners.get(slot_of(partition), 0)].identity

    def node(self, identity: bytes) -> Node:
        return next(node for node in self.nodes if node.identity == identity)

    # lanes

    async def deliver(self, receiver: bytes, sender: bytes, first: int, messages: Sequence[bytes]) -> int:
        node = self.node(receiver)
        slow = self.slow.get((self.node(sender).number, node.number), 0.0)
        await asyncio.sleep(slow + self.random.random() * 0.002)
        if self.random.random() < self.chaos:
            raise OSError("the batch was lost")
        if not node.alive:
            raise OSError("nobody is there")
        if self.random.random() < self.chaos:
            node.engine.doors.receiver.accept(sender, first, messages)  # type: ignore[union-attr]
        doors = node.engine.doors
        assert doors is not None
        mark: int = await node.outlive(doors.receiver.deliver(sender, first, messages))
        if self.random.random() < self.chaos:
            raise OSError("the acknowledgement was lost")
        return mark

    # calls

    async def ask(self, ask: Ask, store: bytes | None = None) -> bytes:
        """Ask wherever the object lives, or a store, as often as it takes."""
        target = store or self.owner_of(ask.partition)
        until = asyncio.get_running_loop().time() + _PATIENCE_SECONDS
        while asyncio.get_running_loop().time() < until:
            node = self.node(target)
            try:
                outcome: bytes = await node.outlive(node.submit(ask))
            except (OSError, AutomataError):
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            if outcome[:1] not in (MOVED, AGAIN):
                return outcome
            target = outcome[1:] if outcome[:1] == MOVED and outcome[1:] else store or self.owner_of(ask.partition)
            await asyncio.sleep(self.random.random() * 0.002)
        raise AssertionError(f"nobody answers {ask.method}")

    async def cancel(self, ask: Ask) -> bool:
        """Have whichever store keeps a message drop it."""
        return await cancel_anywhere(ask, [node.identity for node in self.nodes], self.ask)

    def forget(self, partition: bytes, request: bytes) -> None:
        """Hosts may keep an outcome for longer than they need to."""

    async def call(self, invocation: Any, request: str = "", behind: bool = False) -> Any:
        """Call a method as a client would, under a request id of its own if none is given."""
        call: Call = invocation
        method = call.method
        invocation.tried = True
        kind = READ if method.readonly else CALL
        key = request.encode() if request else b"\x00" + self.random.randbytes(24)
        partition = partition_of(call.ref.type_name, call.ref.key)
        ask = Ask(kind, partition, method.name, method.encode_arguments(call.pack()), key, behind)
        return decode_outcome(await self.ask(ask), method.result, 0).take()

    async def post(self, invocation: Any, delay_ms: int = 0) -> str:
        """Send a message as a client would."""
        call: Call = invocation
        invocation.tried = True
        partition = partition_of(call.ref.type_name, call.ref.key)
        key = b"\x00" + self.random.randbytes(24)
        due = int(asyncio.get_running_loop().time() * 1000) + delay_ms if delay_ms else 0
        arguments = call.method.encode_arguments(call.pack())
        ask = Ask(POST, partition, call.method.name, arguments, key, due_ms=due)
        return str(decode_outcome(await self.ask(ask), ANYTHING, 0).take())

    async def move(self, type_name: str, key: str, target: int) -> None:
        """Move an object, as often as it takes."""
        partition = partition_of(type_name, key)
        while True:
            node = self.node(self.owner_of(partition))
            try:
                await node.outlive(node.moving.give(partition, self.nodes[target].identity))
                return
            except (OSError, AutomataError):
                await asyncio.sleep(_PAUSE_SECONDS)

    def home(self, type_name: str, key: str) -> list[int]:
        """The nodes in which an object lives, by their own word."""
        partition = partition_of(type_name, key)
        return [node.number for node in self.nodes if node.residence.store_of(partition) is None]

    async def idle(self) -> None:
        """Let everything happen that can happen within a while."""
        await asyncio.sleep(2.0)


async def give_slots(stores: Stores, slots: list[int], source: int, target: int) -> None:
    """Move slots as a coordinator would: the new placement is told last."""
    giver, taker = stores.nodes[source], stores.nodes[target]
    for node, step in ((taker, "take"), (giver, "give")):
        other = (giver if node is taker else taker).identity
        while True:
            try:
                doors = node.engine.doors
                assert doors is not None
                assert doors.slots is not None
                await node.outlive(getattr(doors.slots, step)(slots, other))
                break
            except (OSError, AutomataError):
                await asyncio.sleep(0.01)
    stores.owners.update(dict.fromkeys(slots, target))


def ref_to(type_name: str, key: str) -> Any:
    return make_ref(type_name, key)


def in_stores(
    count: int = 2, **options: Any
) -> Callable[[Callable[[Stores], Coroutine[Any, Any, None]]], Callable[[], None]]:
    """Let a test run with nodes of its own."""

    def decorate(test: Callable[[Stores], Coroutine[Any, Any, None]]) -> Callable[[], None]:
        def run() -> None:
            async def scenario() -> None:
                async with Stores(count, **options) as stores:
                    await test(stores)

            run_virtually(scenario())

        run.__name__ = test.__name__
        return run

    return decorate


def everywhere(scenario: Callable[[Stores], Coroutine[Any, Any, None]], count: int = 2) -> int:
    """Run a scenario with a death at each border of commit groups in turn. Returns how many there were."""
    borders, at = 1 << 30, 0
    while at < borders:
        at += 1
        stores = Stores(count, seed=at, die_at=at)

        async def life(stores: Stores = stores) -> int:
            async with stores:
                await scenario(stores)
                return stores.borders

        try:
            seen = run_virtually(life())
        except BaseException as error:
            error.add_note(f"the process died at border {at}")
            raise
        if seen < at:
            borders = 0
    return at - 1
