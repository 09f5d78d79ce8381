"""Copies of one store with clients that write and read, and the checks of what replication promises."""

import asyncio
import random
from collections.abc import Coroutine
from typing import Any, TypeVar

from darq import Committer, Limits, Log, MemoryStore, keys
from darq.errors import AutomataError, StaleCopy, StoreClosed
from darq.replication import Backup, Options, Outside, Primary, head_of
from darq.store import Store
from tests.unit.darq.replication.network import Catalog, Life, Members, Network, SlowLoop

T = TypeVar("T")
IDENTITY = bytes(range(16))
COUNTER = keys.partition_key(keys.STATE, b"count")
OTHERS = keys.partition_key(keys.STATE, b"others")
SMALL = Options(
    lag_bytes_max=4000, recent_bytes_max=6000, call_bytes_max=1500, chunk_bytes=400, chunk_rows=7, wal_bytes_max=2000
)
LIMITS = Limits(inline_flush_seconds_max=-1, wal_bytes_max=700, group_steps_max=5, history_bytes_max=500)


class Promises:
    """What was released, and what must be true of it."""

    def __init__(self) -> None:
        self.released: dict[int, bytes] = {}  # counter -> who counted to it
        self.highest = 0
        self.reads_here = self.reads_there = 0

    def release(self, value: int, writer: bytes) -> None:
        assert self.released.setdefault(value, writer) == writer, "two primaries have released"
        self.highest = max(self.highest, value)

    def adopt(self, store: Store) -> None:
        """All that a new primary has found is released with it, though nobody waits for it any more."""
        for value in range(1, counter_of(store) + 1):
            writer = store.get(COUNTER + keys.number(value))
            assert writer is not None
            self.release(value, writer)

    def check(self, store: Store) -> None:
        """Nothing that was released is missing."""
        for value, writer in self.released.items():
            assert store.get(COUNTER + keys.number(value)) == writer, f"lost {value}"


def counter_of(store: Store) -> int:
    """What the clients have counted to."""
    return keys.number_of(store.get(COUNTER + b"n") or keys.number(0))


class Watched(Primary):
    """A primary that says when what it has found is released."""

    promises: Promises | None = None

    def _advance(self) -> None:
        super()._advance()
        if self.promises is not None and self.released >= self._opened_at:
            promises, self.promises = self.promises, None
            promises.adopt(self.store.inner)


class Copy:
    """One process with one disk, a backup or a primary."""

    def __init__(self, world: "World", name: str) -> None:
        self.world = world
        self.name = name
        self.disk = MemoryStore(world.network.random, IDENTITY)
        self.offset = world.network.random.random() * 1000 + 1  # of its clock
        self.alive = False
        self.backup: Backup | None = None
        self.primary: Watched | None = None
        self.log: Log | None = None
        self.start()

    def clock(self) -> float:
        return asyncio.get_running_loop().time() + self.offset

    def start(self) -> None:
        self.life = Life(self.disk)
        self.alive = True
        self.backup = Backup(self.life, self.clock, self.world.options, LIMITS)
        self.world.network.receivers[self.name] = self

    async def crash(self) -> None:
        """The process dies, and its disk loses what was not flushed."""
        self.alive = False
        del self.world.network.receivers[self.name]
        await self._let_go()
        self.disk.crash()

    async def step_down(self) -> None:
        """Become a backup, in the same process."""
        await self._let_go()
        self.start()

    async def _let_go(self) -> None:
        self.life.over = True
        primary, log = self.primary, self.log
        self.backup = self.primary = self.log = None
        if log is not None and log.gate.failure is None:
            log.gate.fail(StoreClosed("crashed"))
        if primary is not None:
            await primary.stop()

    async def receive(self, data: bytes) -> bytes:
        if self.backup is not None:
            return await self.backup.receive(data)
        if self.primary is None:
            raise OSError("it is just changing")
        try:
            return self.primary.receive(data)
        except AutomataError as error:
            await self.step_down()
            raise OSError("it has stepped down") from error

    async def lead(self, epoch: int, backups: list[str], old_is_dead: bool) -> None:
        """As the coordinator tells it. Raises what `Backup.lead` raises."""
        backup, life = self.backup, self.life
        if backup is None:
            return
        recent = await backup.lead(epoch, old_is_dead)
        if life.over:
            return
        self.world.promises.check(life)
        self.backup = None
        members = Members(self.world.catalog, epoch, self.name)
        outside = Outside(self.clock, lambda to, data: self.world.network.ship(self.name, to, data), members)
        self.primary = primary = Watched(life, epoch, backups, outside, self.world.options, recent)
        for name in self.world.copies:
            if name != self.name:
                primary.attach(name)
        primary.promises = self.world.promises
        primary._advance()
        await primary.ready()
        if life.over or primary is not self.primary:
            return
        log = Log(primary.store, LIMITS, lambda: 0.0, epoch, primary)
        self.committer = Committer(log, asyncio.get_running_loop(), lambda seconds: False)
        if primary.failure is None:
            self.log = log


class World:
    """Three copies of one store, a catalog, and clients. Names: a, b, c."""

    def __init__(self, seed: int, chaos: float = 0.0, names: str = "abc", options: Options = SMALL) -> None:
        self.random = random.Random(seed)
        self.network = Network(seed, chaos)
        self.catalog = Catalog(self.network)
        self.options = options
        self.promises = Promises()
        self.copies = {name: Copy(self, name) for name in names}
        self.catalog.in_sync = set(names)
        self.tasks: set[asyncio.Task[Any]] = set()
        self.writes = 0

    # roles

    def promote(self, name: str, old_is_dead: bool = False, keep: bool = True) -> asyncio.Task[None]:
        """Take a new epoch in the catalog, and tell a copy to lead. keep: the old primary stays among those in sync."""
        catalog = self.catalog
        catalog.epoch += 1
        if not keep:
            catalog.in_sync.discard(catalog.primary)
        catalog.primary = name
        catalog.in_sync.add(name)
        backups = sorted(catalog.in_sync - {name})
        return self.begin(self._lead(name, catalog.epoch, backups, old_is_dead))

    async def _lead(self, name: str, epoch: int, backups: list[str], old_is_dead: bool) -> None:
        copy = self.copies[name]
        if copy.primary is not None:
            await copy.step_down()
        try:
            await copy.lead(epoch, backups, old_is_dead)
        except (AutomataError, asyncio.CancelledError):
            return

    def leader(self) -> Copy | None:
        """The copy whose primary is open under the newest epoch, if any."""
        copy = self.copies.get(self.catalog.primary)
        return copy if copy is not None and copy.log is not None else None

    async def led(self) -> Copy:
        """Wait until somebody leads."""
        await self.until(lambda: self.leader() is not None)
        copy = self.leader()
        assert copy is not None
        return copy

    # clients

    def write(self, copy: Copy) -> None:
        """Count by one, change some other rows, and note when that is released."""
        log = copy.log
        if log is None or log.gate.failure is not None:
            return
        self.writes += 1
        writer = b"%d" % self.writes
        value = keys.number_of(log.read(COUNTER, b"n") or keys.number(0)) + 1
        step = log.step(b"count")
        step.put(b"n", keys.number(value))
        step.put(keys.number(value), writer)
        log.commit(step)
        step = log.step(b"others")
        chosen, random_source = self.random.randrange(60), self.random
        step.put(b"%02d" % chosen, bytes(random_source.randrange(40)))
        if random_source.random() < 0.3:
            step.delete(b"%02d" % random_source.randrange(60))
        if random_source.random() < 0.15:
            assert step.overlay is not None
            step.overlay.drop_range(b"%02d" % chosen, b"%02d" % (chosen + 15))
        epoch = self.epoch_of(copy)

        def released(error: BaseException | None) -> None:
            if error is not None:
                return
            self.promises.release(value, writer)
            newest = self.leader()
            if newest is not None and newest is not copy and self.epoch_of(newest) > epoch:
                assert newest.life.get(COUNTER + keys.number(value)) == writer, "an old primary has released"

        log.gate.release(log.commit(step), released)
        if log.full:
            copy.committer.close_full_group()
        copy.committer.touch()

    @staticmethod
    def epoch_of(copy: Copy) -> int:
        return copy.primary.epoch if copy.primary is not None else 0

    async def read(self, copy: Copy) -> int | None:
        """A linearizable read at a copy: the counter, or None if it cannot say."""
        before = self.promises.highest
        value = await (self._read_there(copy) if copy.backup is not None else self._read_here(copy))
        if value is not None:
            assert before <= value, "a read has missed what was released"
            assert value <= self.promises.highest, "a read has shown what was not released"
        return value

    async def _read_here(self, copy: Copy) -> int | None:
        log, primary = copy.log, copy.primary
        if log is None or primary is None or log.gate.failure is not None:
            return None
        value = keys.number_of(log.read(COUNTER, b"n") or keys.number(0))
        group = log.group.number if log.group.dirty else log.group.number - 1
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        log.gate.release(group, waiting)
        try:
            async with asyncio.timeout(5):
                await waiting
                await self.network.awake(copy.name)
                await primary.lease()
        except (AutomataError, TimeoutError):
            return None
        if not primary.leased():
            return None
        self.promises.reads_here += 1
        # what was released since the value was read makes it no older than the beginning of the read
        return value

    async def _read_there(self, copy: Copy) -> int | None:
        backup, life = copy.backup, copy.life
        assert backup is not None
        if life.over:
            return None
        try:
            point, value = backup.read_point(), counter_of(life)
            async with asyncio.timeout(5):
                await backup.readable(point)
        except (StaleCopy, TimeoutError):
            return None
        await self.network.awake(copy.name)
        self.promises.reads_there += 1
        return value

    # time

    def begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        return task

    async def until(self, condition: Any, seconds: float = 120.0) -> None:
        """Let time pass until something is so; a scenario that hangs fails."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while not condition():
            assert loop.time() < end, "the scenario hangs"
            await asyncio.sleep(0.01)

    async def settle(self) -> None:
        """Heal everything, and wait until all copies are in sync and equal."""
        self.network.chaos = 0.0
        self.network.cut.clear()
        for name in list(self.network.paused):
            self.network.resume(name)
        for copy in self.copies.values():
            if not copy.alive:
                copy.start()
        await asyncio.sleep(10)
        if self.leader() is None or self.leader().primary.failure is not None:  # type: ignore[union-attr]
            candidates = sorted(self.catalog.in_sync, key=lambda name: head_of(self.copies[name].disk))
            await self.promote(candidates[-1])
        leader = await self.led()
        for copy in self.copies.values():
            if copy is not leader and copy.primary is not None:
                await copy.step_down()
        for name in self.copies:
            if name != leader.name:
                leader.primary.attach(name)  # type: ignore[union-attr]
        await self.until(lambda: self.catalog.in_sync == set(self.copies))
        before = self.promises.highest
        self.write(leader)
        await self.until(lambda: self.promises.highest > before)
        await self.until(lambda: len({head_of(copy.disk) for copy in self.copies.values()}) == 1)
        await asyncio.sleep(5)

    def check_equal(self) -> None:
        """All copies have the same rows, and all that was released."""
        first, *others = [rows_of(copy.disk) for copy in self.copies.values()]
        for rows in others:
            differing = sorted(key for key in rows.keys() | first.keys() if rows.get(key) != first.get(key))
            assert not differing, differing
        for copy in self.copies.values():
            self.promises.check(copy.disk)

    async def close(self) -> None:
        for copy in self.copies.values():
            if copy.alive:
                await copy.crash()
        for task in [*self.tasks, *self.network.late]:
            task.cancel()
        await asyncio.gather(*self.tasks, *self.network.late, return_exceptions=True)


def rows_of(store: MemoryStore) -> dict[bytes, bytes]:
    """All rows that are replicated."""
    rows = store.scan(b"", b"\xff", keys.ALL)
    return {key: value for key, value in rows if key[:1] != keys.LOCAL}


def run(scenario: Coroutine[Any, Any, T], seed: int = 0) -> T:
    """Run in virtual time, with a disk that takes a few milliseconds."""
    source = random.Random(seed)

    def loop() -> SlowLoop:
        made = SlowLoop()
        made.seconds = lambda: source.random() * 0.01  # type: ignore[method-assign]
        return made

    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(scenario)
