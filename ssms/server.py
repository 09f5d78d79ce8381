"""One copy of one store, as one process: a backup that follows, or the primary that runs its objects (SSMS §3.2, §4.3).

    serve(what, args):  submit, collect    calls of clients and other hosts     -> automata.reception
                        deliver            messages of other stores             -> darq.lane
                        ship               groups of the primary, to a backup   -> darq.replication
                        lead, follow, ...  what the coordinator decides

It knows nothing of Ray: time, loop, randomness and the way to others are given to it. A copy that may not go on as what
it is leaves: its process ends, and begins anew as a backup (fail-stop).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from automata.asking import Told, encode
from automata.engine import Doors, Engine, Neighbours, run, stop
from automata.errors import InvalidArgument
from automata.options import Options
from automata.residence import Residence
from darq.errors import AutomataError, Fenced
from darq.limits import Limits
from darq.log import Log
from darq.replication import Backup, Outside, Primary, Recent
from darq.replication import Options as CopyOptions
from darq.store import Store
from ssms import questions
from ssms.deployed_types import DeployedTypes
from ssms.giving import Giving
from ssms.lanes import Lanes
from ssms.neighbourhood import CatalogMembers, NotLeading, StoreTransport
from ssms.peers import Peers, Unreachable
from ssms.placement import Placement
from ssms.routes import Routes
from ssms.shown import decode_arguments, encode_shown
from ssms.slots import slot_of

HELLO_SECONDS = 0.2
"""How often a copy says that it is there, until it was told what to be; and that it is alive."""
ALIVE_SECONDS = 0.5


@dataclass(frozen=True)
class Surroundings:
    """What a copy is given. open_store: opens its directory; clock: seconds that never step back; leave: ends the
    process, with the reason; pid: of the process, for the coordinator; deployed: the types that it has loaded.
    """

    peers: Peers
    open_store: Callable[[], Store]
    clock: Callable[[], float]
    leave: Callable[[BaseException], None]
    pid: int = field(default_factory=os.getpid)
    limits: Limits = field(default_factory=Limits)
    options: Options = field(default_factory=Options)
    copying: CopyOptions = field(default_factory=CopyOptions)
    draw: Callable[[int], bytes] = os.urandom
    deployed: DeployedTypes = field(default_factory=DeployedTypes)


@dataclass(frozen=True)
class Leading:
    """The parts of a copy that leads."""

    epoch: int
    primary: Primary
    engine: Engine
    doors: Doors
    lanes: Lanes
    giving: Giving


class Server:
    """A copy by its name. Everything here runs on one event loop, but for `beat` and `beaten`."""

    def __init__(self, name: str, surroundings: Surroundings) -> None:
        self.name = name
        self._around = surroundings
        self._routes = Routes(surroundings.peers)
        self._store: Store | None = None
        self._backup: Backup | None = None
        self._leading: Leading | None = None
        self._following: tuple[int, str] | None = None
        self._changing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._over: asyncio.Future[None] | None = None
        self._calls: dict[str, Callable[..., Awaitable[Any]]] = {
            "submit": self.submit,
            "collect": self.collect,
            "deliver": self.deliver,
            "ship": self.ship,
            "head": self.head,
            "lead": self.lead,
            "follow": self.follow,
            "attach": self.attach,
            "forget": self.forget,
            "place": self.place,
            "load": self.load,
            "ask": self.ask,
            "give": self.give,
            "give_slots": self.give_slots,
            "take_slots": self.take_slots,
            "watch": self.watch,
        }

    async def start(self) -> None:
        """Open the store as a backup, and tell the coordinator. Raises what opening a store raises."""
        around = self._around
        self._over = asyncio.get_running_loop().create_future()
        self._store = around.open_store()
        self._backup = Backup(self._store, around.clock, around.copying, around.limits)
        self._spawn(self._report())

    async def stop(self) -> None:
        """Finish what runs, if this copy leads, and close the store."""
        if self._over is not None and not self._over.done():
            self._over.set_result(None)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        leading, self._leading = self._leading, None
        if leading is not None:
            await stop(leading.engine)  # before its lanes: what it still awaits from other stores is no outcome yet
            await leading.lanes.close()
            await leading.primary.stop()
        if self._backup is not None:
            self._backup.stop()
        if self._store is not None:
            self._store.close()

    async def serve(self, what: str, args: Sequence[Any]) -> Any:
        """Do what another process asks. Raises InvalidArgument for what is no call."""
        call = self._calls.get(what)
        if call is None:
            raise InvalidArgument(f"a copy of a store has no call {what!r}")
        return await call(*args)

    # the data plane

    async def submit(self, data: bytes) -> bytes:
        """A batch of calls: see `automata.reception`."""
        leading = self._leading
        return encode(Told(0, 0, ())) if leading is None else await leading.doors.reception.submit(data)

    async def collect(self, client: bytes, epoch: int, number: int) -> bytes:
        """Late answers."""
        leading = self._leading
        if leading is None:
            return encode(Told(0, 0, ()))
        return await leading.doors.reception.collect(client, epoch, number)

    async def deliver(self, receiver: bytes, sender: bytes, first: int, messages: Sequence[bytes]) -> int:
        """A batch of messages of another store: see `darq.lane`."""
        leading = self._led()
        if receiver != leading.engine.log.store.identity():
            raise NotLeading(f"copy {self.name} is of another store than {receiver.hex()}")
        return await leading.doors.receiver.deliver(sender, first, messages)

    # replication

    async def ship(self, data: bytes) -> bytes:
        """What a primary says to its backups: see `darq.replication`."""
        leading = self._leading
        if leading is not None:
            try:
                return leading.primary.receive(data)
            except Fenced as error:
                self._leave(error)
                raise
        return await self._followed().receive(data)

    async def attach(self, copy: str) -> None:
        """Another copy wants to be kept up to date."""
        self._led().primary.attach(copy)

    async def forget(self, copy: str) -> None:
        """A copy exists no more."""
        self._led().primary.forget(copy)

    def beat(self, copy: str) -> bytes | None:
        """From any thread: what to send to a backup so that it renews this primary's lease; None if nothing is due."""
        leading = self._leading
        return None if leading is None else leading.primary.beat(copy)

    def beaten(self, copy: str, sent_at: float, reply: bytes) -> None:
        """From any thread: what the backup has answered."""
        leading = self._leading
        if leading is not None:
            leading.primary.beaten(copy, sent_at, reply)

    @property
    def backups(self) -> list[str]:
        """The copies whose leases this one needs, if it leads."""
        leading = self._leading
        return [] if leading is None else leading.primary.in_sync

    # what the coordinator decides

    async def head(self) -> tuple[int, int, bytes]:
        """How far this copy's disk is: epoch, group, hash. A copy that is not whole holds nothing."""
        head = self._followed().head if self._leading is None else self._leading.primary.recent.head
        return head.epoch, head.group, head.hash

    async def lead(self, epoch: int, backups: Sequence[str], old_is_dead: bool) -> tuple[int, int, bytes]:
        """Be the primary under `epoch`. Asked again, it is no error. Raises Fenced for an old epoch."""
        async with self._changing:
            leading = self._leading
            if leading is not None:
                if leading.epoch != epoch:
                    self._leave(Fenced(f"copy {self.name} leads under epoch {leading.epoch}, and is to under {epoch}"))
                    raise Unreachable(f"copy {self.name} begins anew")
                return await self.head()
            await self._lead(epoch, backups, old_is_dead)
        return await self.head()

    async def follow(self, epoch: int, primary: str) -> None:
        """Be a backup of another copy. A copy that leads leaves, and begins anew."""
        if self._leading is not None:
            if self._leading.epoch >= epoch:
                raise Fenced(f"copy {self.name} leads under epoch {self._leading.epoch}")
            self._leave(Fenced(f"copy {primary} leads under epoch {epoch}"))
            return
        self._following = (epoch, primary)
        self._spawn(self._attach(epoch, primary))

    async def place(self, placement: bytes) -> None:
        """A newer placement."""
        self._routes.learn(Placement.decode(placement))

    async def load(self, types: Sequence[bytes]) -> None:
        """Types that were deployed. They come from the catalog alone."""
        for data in types:
            self._around.deployed.load(data)

    async def watch(self) -> None:
        """Answers only when this copy is stopped: that a process has ended shows in a call that it never answers."""
        assert self._over is not None, "it was started"
        await asyncio.shield(self._over)

    async def ask(self, what: str, arguments: bytes) -> bytes:
        """A question about the store: see `ssms.questions`."""
        leading = self._led()
        answered = await questions.answer(leading.engine, what, decode_arguments(arguments))
        await leading.primary.lease()
        return encode_shown(answered)

    async def give(self, partition: bytes, target: bytes, hops: int = 0) -> None:
        """Move an object to another store: see `ssms.giving`."""
        await self._led().giving.give(partition, target, hops)

    async def give_slots(self, numbers: bytes, target: bytes) -> None:
        """Give whole slots to another store."""
        await self._led().giving.give_slots(numbers, target)

    async def take_slots(self, numbers: bytes, source: bytes) -> None:
        """Expect slots of another store."""
        await self._led().giving.take_slots(numbers, source)

    # inside

    async def _lead(self, epoch: int, backups: Sequence[str], old_is_dead: bool) -> None:
        backup = self._followed()
        await self._routes.know(backup.store.identity())  # without a placement, all objects would seem to live here
        recent = await backup.lead(epoch, old_is_dead)
        try:
            self._leading = await self._run(epoch, backups, recent)
        except BaseException as error:
            self._leave(error)  # the store was handed over: a new process finds out what it holds
            raise

    async def _run(self, epoch: int, backups: Sequence[str], recent: Recent) -> Leading:
        """Run the objects of the store, which this copy leads from now on."""
        around, loop, store = self._around, asyncio.get_running_loop(), self._store
        assert store is not None, "it was started"
        outside = Outside(around.clock, self._ship, CatalogMembers(around.peers, store.identity(), epoch))
        primary = Primary(store, epoch, backups, outside, around.copying, recent)
        await primary.ready()
        log = Log(primary.store, around.limits, around.options.clock, epoch=epoch, copies=primary)
        lanes = Lanes(around.peers, self._routes, around.draw(16), loop, primary.lease)
        placement = Residence(log, lambda partition: self._routes.placement.owner(partition).identity, slot_of)
        transport = StoreTransport(around.peers, self._routes)
        engine = run(log, loop, around.options, Neighbours(placement, lanes, transport, epoch, primary))
        doors = engine.doors
        assert doors is not None, "it has neighbours"
        doors.reception.show = partial(questions.show, engine)
        log.gate.on_failure = self._failed
        giving = Giving(doors, self._routes, around.peers, store.identity())
        return Leading(epoch, primary, engine, doors, lanes, giving)

    async def _ship(self, copy: str, data: bytes) -> bytes:
        answer: bytes = await self._around.peers.copy(copy).call("ship", data)
        return answer

    def _failed(self, error: BaseException) -> None:
        """The log has failed: whatever the reason, the next life knows what is true."""
        if self._leading is not None:
            self._leave(error)

    def _leave(self, why: BaseException) -> None:
        self._around.leave(why)

    async def _attach(self, epoch: int, primary: str) -> None:
        """Ask the primary to bring this copy up to date, until it has heard."""
        while self._following == (epoch, primary):
            try:
                await self._around.peers.copy(primary).call("attach", self.name)
                return
            except (Unreachable, AutomataError):
                await asyncio.sleep(HELLO_SECONDS)

    async def _report(self) -> None:
        """Tell the coordinator of this process until it is known there, then that it is alive."""
        coordinator = self._around.peers.coordinator
        while True:
            try:
                if self._leading is None and self._following is None:
                    epoch, group, _ = await self.head()
                    await coordinator.call("hello", self.name, self._around.pid, epoch, group)
                    await asyncio.sleep(HELLO_SECONDS)
                else:
                    await coordinator.call("alive", self.name)
                    await asyncio.sleep(ALIVE_SECONDS)
            except (Unreachable, AutomataError):
                await asyncio.sleep(HELLO_SECONDS)

    def _followed(self) -> Backup:
        if self._backup is None:
            raise Unreachable(f"copy {self.name} is not open")
        return self._backup

    def _led(self) -> Leading:
        if self._leading is None:
            raise NotLeading(f"copy {self.name} does not lead its store now")
        return self._leading

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
