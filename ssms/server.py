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
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from automata.asking import Told, client_of, encode
from automata.engine import Neighbours, run
from automata.errors import InvalidArgument
from automata.replica_reads import ReplicaReads
from automata.residence import Residence
from automata.standby import Standby
from darq.errors import Fenced, OutcomeUnknown
from darq.log import Log
from darq.replication import Backup, Outside, Primary
from darq.store import Store
from ssms import backup_reads, questions
from ssms.backup_reads import BackupReads
from ssms.first_group import hold_something
from ssms.giving import Giving
from ssms.lanes import Lanes
from ssms.leading import Beginning, Leading
from ssms.learning import Learning
from ssms.neighbourhood import CatalogMembers, NotLeading, StoreTransport, be_attached
from ssms.peers import Unreachable
from ssms.placement import Placement
from ssms.reporting import report
from ssms.routes import Routes
from ssms.server_surroundings import Surroundings
from ssms.shown import decode_arguments, encode_shown
from ssms.slots import slot_of
from ssms.uploaded_modules import UploadedModules

T = TypeVar("T")

RESIGNED_SECONDS_MAX = 15.0
RESIGNING_SECONDS = (0.05, 2.0)
"""How long a copy that resigns waits to hear who leads; for methods, which go on elsewhere, and for effects."""


class Server:
    """A copy by its name. Everything here runs on one event loop, but for `beat` and `beaten`."""

    def __init__(self, name: str, surroundings: Surroundings) -> None:
        self.name = name
        self._around = surroundings
        self._leave = surroundings.leave
        self._routes = Routes(surroundings.peers)
        self._store: Store | None = None
        self._backup: Backup | None = None
        self._reads: BackupReads | None = None
        self._standby: Standby | None = None
        self._leading: Leading | None = None
        self._beginning: Beginning | None = None
        self._following: tuple[int, str] | None = None
        self._measured = (0.0, 0)
        self._becoming = 0  # the epoch under which it is about to lead
        self._uploads = UploadedModules(surroundings, lambda: self._leading, self._spawn)
        self._learning = Learning(surroundings, self._uploads, self._spawn)
        self._changing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._over: asyncio.Future[None] | None = None
        self._calls: dict[str, Callable[..., Awaitable[Any]]] = {
            "submit": self.submit,
            "collect": self.collect,
            "read": self.read,
            "deliver": self.deliver,
            "ship": self.ship,
            "head": self.head,
            "lead": self.lead,
            "follow": self.follow,
            "resign": self.resign,
            "attach": self.attach,
            "forget": self.forget,
            "place": self.place,
            "load": self.load,
            "ask": self.ask,
            "give": partial(self._give, "give"),
            "give_slots": partial(self._give, "give_slots"),
            "take_slots": partial(self._give, "take_slots"),
            "settled_slots": partial(self._give, "settled_slots"),
            "watch": self.watch,
            **self._uploads.calls,
        }

    async def start(self) -> None:
        """Open the store as a backup, and tell the coordinator. Raises what opening a store raises."""
        self._over = asyncio.get_running_loop().create_future()
        self._open()
        self._spawn(report(self, self._around))

    def _open(self) -> None:
        around = self._around
        self._store = around.open_store()
        self._backup = Backup(self._store, around.clock, around.copying, around.limits)
        self._standby = self._backup.watcher = Standby(self._store, around.options.registry)
        rows = ReplicaReads(self._store, self._standby, around.options, self._routes.owner_of, slot_of)
        self._reads = BackupReads(self._backup, rows)

    async def stop(self) -> None:
        """Finish what runs, if this copy leads, and close the store."""
        if self._over is not None and not self._over.done():
            self._over.set_result(None)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        leading, self._leading = self._leading, None
        if leading is not None:
            await leading.stop()
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
        if leading is None:
            return encode(Told(0, 0, ()))
        return await leading.unless_over(leading.doors.reception.submit(data))

    async def collect(self, client: bytes, epoch: int, number: int) -> bytes:
        """Late answers."""
        leading = self._leading
        if leading is not None:
            return await leading.unless_over(leading.doors.reception.collect(client, epoch, number))
        return encode(Told(0, 0, ()))

    async def read(self, data: bytes) -> bytes:
        """A batch of readonly methods, of a copy that follows: see `ssms.backup_reads`."""
        reads = self._reads if self._leading is None else None
        return backup_reads.refuse(data) if reads is None else await reads.answer(data)

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
        try:
            return await self._followed().receive(data)
        except OutcomeUnknown as error:
            self._leave(error)  # its disk has failed it once: what it holds is known when it is opened again
            raise

    async def attach(self, copy: str) -> None:
        """Another copy wants to be kept up to date."""
        self._primary().attach(copy)

    async def forget(self, copy: str) -> None:
        """A copy exists no more."""
        self._primary().forget(copy)

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

    def busyness(self) -> float:
        """From any thread: how many groups were made durable a second, since this was asked last."""
        leading, now = self._leading, self._around.clock()
        durable = leading.engine.log.gate.durable if leading is not None else 0
        (since, before), self._measured = self._measured, (now, durable)
        return max(0.0, durable - before) / (now - since) if before and now > since else 0.0

    @property
    def placed(self) -> bool:
        """Whether this copy was told what to be; also while it becomes that, which may take long."""
        return bool(self._leads) or self._following is not None or self._changing.locked()

    # what the coordinator decides

    async def head(self) -> tuple[int, int, bytes]:
        """How far this copy's disk is: epoch, group, hash. A copy that is not whole holds nothing."""
        head = self._followed().head if self._leading is None else self._leading.primary.recent.head
        return head.epoch, head.group, head.hash

    async def lead(self, epoch: int, backups: Sequence[str], old_is_dead: bool) -> tuple[int, int, bytes]:
        """Be the primary under `epoch`. Asked again, it is no error. Raises Fenced for an old epoch.

        Where too few copies are in sync, it serves nobody before others are, which are attached to it meanwhile.
        """
        async with self._changing:
            if self._leads not in (0, epoch):
                self._leave(Fenced(f"copy {self.name} leads under epoch {self._leads}, and is to under {epoch}"))
                raise Unreachable(f"copy {self.name} begins anew")
            if not self._leads:
                self._becoming = epoch
                try:
                    await self._lead(epoch, backups, old_is_dead)
                except BaseException:
                    self._becoming = 0
                    raise
            if self._beginning is not None:
                await self._beginning.over_or_short()
        return await self.head()

    async def follow(self, epoch: int, primary: str) -> None:
        """Be a backup of another copy. A copy that leads leaves, and begins anew."""
        if self._leads:
            if self._leads >= epoch:
                raise Fenced(f"copy {self.name} leads under epoch {self._leads}")
            self._leave(Fenced(f"copy {primary} leads under epoch {epoch}"))
            raise Unreachable(f"copy {self.name} begins anew")
        if self._following is not None and self._following[0] > epoch:
            raise Fenced(f"copy {self.name} follows under epoch {self._following[0]}")
        self._following = (epoch, primary)
        self._spawn(be_attached(self._around.peers, self.name, primary, lambda: self._following == (epoch, primary)))

    async def resign(self, epoch: int) -> None:
        """Lead no more: finish what runs, let the backups have all of it, and become one, in this same process.

        Then another may lead without waiting for a lease. No error where it does not lead. Raises Fenced."""
        async with self._changing:
            leading = self._leading
            if leading is None and not self._becoming:
                return
            if leading is None:
                self._leave(Unreachable(f"copy {self.name} is to lead no more, before it has begun to"))
                raise Unreachable(f"copy {self.name} begins anew")
            if leading.epoch != epoch:
                raise Fenced(f"copy {self.name} leads under epoch {leading.epoch}")
            self._leading = self._backup = None  # from here on nobody is served
            self._following = (epoch, "")
            leading.over.set_result(None)
            try:
                await leading.stop(RESIGNING_SECONDS)
                self._open()
            except BaseException as error:
                self._leave(error)
                raise
        self._spawn(self._hear_of_successor(epoch))

    async def place(self, placement: bytes) -> None:
        """A newer placement."""
        self._routes.learn(Placement.decode(placement))

    async def load(self, types: Sequence[bytes]) -> None:
        """Types that were deployed. They come from the catalog alone. Raises Unloadable."""
        self._around.deployed.load_all(types)

    async def watch(self) -> None:
        """Answers only when this copy is stopped: that a process has ended shows in a call that it never answers."""
        assert self._over is not None, "it was started"
        await asyncio.shield(self._over)

    async def ask(self, what: str, arguments: bytes) -> bytes:
        """A question about the store: see `ssms.questions`."""
        leading = self._led()

        async def answer() -> bytes:
            answered = await questions.answer(leading.engine, what, decode_arguments(arguments))
            await leading.primary.lease()
            return encode_shown(answered)

        return await leading.unless_over(answer())

    async def _give(self, what: str, *args: Any) -> Any:
        """Move an object, or slots, to or from another store, or say how far that is: see `ssms.giving`."""
        leading = self._led()
        return await leading.unless_over(getattr(leading.giving, what)(*args))

    # inside

    @property
    def _leads(self) -> int:
        """The epoch under which it leads, or is about to; 0 if it is not."""
        return self._becoming if self._leading is None else self._leading.epoch

    async def _lead(self, epoch: int, backups: Sequence[str], old_is_dead: bool) -> None:
        """Begin to lead."""
        around, backup = self._around, self._followed()
        identity = backup.store.identity()
        await self._routes.know(identity)  # without a placement, all objects would seem to live here
        try:
            recent = await backup.lead(epoch, old_is_dead)
        except OutcomeUnknown as error:
            self._leave(error)
            raise
        try:
            outside = Outside(around.clock, self._ship, CatalogMembers(around.peers, identity, epoch))
            primary = Primary(backup.store, epoch, backups, outside, around.copying, recent)
        except BaseException as error:
            self._leave(error)  # the store was handed over: a new process finds out what it holds
            raise
        self._beginning = Beginning(primary, self._spawn(self._run_or_leave(primary, backup.store)))

    async def _run_or_leave(self, primary: Primary, store: Store) -> None:
        try:
            self._leading = await self._run(primary, store)
        except asyncio.CancelledError:  # it stops
            await primary.stop()
            raise
        except BaseException as error:
            self._leave(error)  # as above
            raise
        finally:
            self._beginning, self._becoming = None, 0

    async def _run(self, primary: Primary, store: Store) -> Leading:
        """Run the objects of the store, once enough copies hold what it holds."""
        around, loop, epoch = self._around, asyncio.get_running_loop(), primary.epoch
        await primary.ready()
        log = Log(primary.store, around.limits, around.options.clock, epoch=epoch, copies=primary)
        lanes = Lanes(around.peers, self._routes, client_of(store.identity(), epoch), loop, primary.lease)
        placement = Residence(log, self._routes.owner_of, slot_of)
        transport = StoreTransport(around.peers, self._routes)
        engine = run(log, loop, around.options, Neighbours(placement, lanes, transport, epoch, primary))
        self._uploads.lead(log)
        doors = engine.doors
        assert doors is not None and self._standby is not None, "it has neighbours, and was opened"  # noqa: PT018
        self._standby.hand_over(engine.host)
        doors.reception.show = partial(questions.show, engine)
        doors.reception.learn(self._learning.learn)
        engine.delivery.unknown = self._learning.soon
        log.gate.on_failure = self._failed
        await hold_something(log, engine.host.committer)
        giving = Giving(doors, self._routes, around.peers, store.identity())
        return Leading(epoch, primary, engine, doors, lanes, giving, loop.create_future())

    async def _ship(self, copy: str, data: bytes) -> bytes:
        answer: bytes = await self._around.peers.copy(copy).call("ship", data)
        return answer

    def _failed(self, error: BaseException) -> None:
        """The log has failed: whatever the reason, the next life knows what is true."""
        if self._leading is not None:
            self._leave(error)

    async def _hear_of_successor(self, epoch: int) -> None:
        """Begin anew if nobody tells this copy of one."""
        await asyncio.sleep(RESIGNED_SECONDS_MAX)
        if not self._leads and self._following == (epoch, ""):
            self._leave(Unreachable(f"copy {self.name} has resigned, and nobody leads"))

    def _followed(self) -> Backup:
        if self._backup is None:
            raise Unreachable(f"copy {self.name} is not open")
        return self._backup

    def _primary(self) -> Primary:
        return self._led().primary if self._beginning is None else self._beginning.primary

    def _led(self) -> Leading:
        if self._leading is None:
            raise NotLeading(f"copy {self.name} does not lead its store now")
        return self._leading

    def _spawn(self, work: Any) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
