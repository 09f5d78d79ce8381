"""A copy that follows: takes groups in order, says how far its disk is, and grants leases with what it says."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Protocol

from darq import keys
from darq.errors import Fenced, OutcomeUnknown, StaleCopy, StoreDamaged
from darq.limits import Limits
from darq.replication import copying, messages
from darq.replication.chain import Head, chain_of, promised_epoch
from darq.replication.entry import Operation, apply, decode_operations, drop_loose_generations
from darq.replication.messages import Reply, Ship
from darq.replication.options import Options
from darq.replication.outside import reached
from darq.replication.recent import Recent
from darq.store import Store

_WEIGHT_OF_LAST = 0.2  # of the last flush in the moving average
_EAGER_SECONDS = 1.0  # how long after a read the primary is asked to say at once what is released


class ReadPoint(NamedTuple):
    """What a read at a backup has seen: a group, and which of the chains that this copy has followed it is of."""

    group: int
    chain: int


class Watcher(Protocol):
    """Who wants to know what comes into a copy. It raises nothing."""

    def applied(self, operations: list[Operation]) -> None:
        """A group is in the store."""

    def forget(self) -> None:
        """The store was wiped: what comes now is another chain's."""


class Backup:
    """One copy of a store while it follows a primary. All but reading runs on one event loop.

    clock: seconds that never step back, such as `time.monotonic`; it need not agree with any other machine's.
    A failed write or flush poisons it (OutcomeUnknown) until its store is opened again. watcher: is told of each group
    of a copy that is whole.
    """

    def __init__(
        self, store: Store, clock: Callable[[], float], options: Options | None = None, limits: Limits | None = None
    ) -> None:
        self.store = store
        self.watcher: Watcher | None = None
        self.clock = clock
        self.options = options or Options()
        self._inline_flush_seconds_max = (limits or Limits()).inline_flush_seconds_max
        if store.get(keys.COPYING) is None:
            drop_loose_generations(store)
        store.flush()  # what a former life has written here counts only now
        self.promised = self._promised_durably = promised_epoch(store)
        self.cursor = store.get(keys.COPYING)
        self._applied = chain_of(store)
        self._durable, self._durable_cursor = self._applied, self.cursor
        self._dirty = False
        self.recent = Recent(self._applied, self.options.recent_bytes_max)
        self.committed = min(store.released(), self._applied.group)
        # a former life may have granted a lease just before it ended
        self._granted_until = clock() + self.options.lease_seconds if self.promised else float("-inf")
        self._read_until = self._eager_until = float("-inf")
        self._leads: int | None = None
        self._failure: OutcomeUnknown | None = None
        self._writing = asyncio.Lock()
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._flush_seconds = 0.0
        self._thread: ThreadPoolExecutor | None = None
        self._unrotated_bytes = 0
        self._chains = 0  # how often this copy was wiped

    # what it holds

    @property
    def applied(self) -> int:
        """The group that reads see the store at."""
        return self._applied.group

    @property
    def head(self) -> Head:
        """How far its disk is; of a copy that is not whole, nothing counts."""
        return self._durable if self._whole() else Head()

    # reading here

    def leased(self) -> bool:
        """Whether the primary goes on with this copy only: every group released until now is applied here."""
        return self._whole() and self._leads is None and self._read_until > self.clock()

    def read_point(self) -> ReadPoint:
        """What reads see just now, for `readable`. Raises StaleCopy unless that has all that was released until now."""
        if not self.leased():
            raise StaleCopy("this copy has not heard from its primary lately: ask the primary")
        return ReadPoint(self._applied.group, self._chains)

    async def readable(self, point: ReadPoint) -> None:
        """Wait until all that was read at `point` is known to be released, so that it may be shown.

        A linearizable read: take the point and read, without a pause; await this; answer. Raises StaleCopy when this
        copy will not hear of it: it was copied anew, or leads.
        """
        if point.chain != self._chains or self._leads is not None:
            raise StaleCopy("this copy does not follow the primary any more that it had when it was read: ask that")
        if self.committed >= point.group:
            return
        self._eager_until = self.clock() + _EAGER_SECONDS
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((point.group, future))
        await future

    # following

    async def receive(self, data: bytes) -> bytes:
        """Do what a primary says, and answer how far this copy is. Doubled, late and mixed-up messages do no harm."""
        received_at = self.clock()
        ship = messages.decode_ship(data)
        if self._leads is not None and ship.epoch > self._leads:
            raise Fenced(f"this copy leads under epoch {self._leads}: let it step down before it follows another")
        # a heartbeat waits for no disk, and nor does a refusal
        if ship.epoch >= self.promised and (ship.writes or ship.epoch != self._promised_durably):
            async with self._writing:
                await self._write(ship)
        if ship.epoch == self.promised and self._leads is None:
            self._heard(ship, received_at)
        return self._reply()

    async def lead(self, epoch: int, old_is_dead: bool) -> Recent:
        """Promise to follow nobody of an older epoch, wait until no lease that was granted holds, and hand over.

        Then a log may be opened over the store under `epoch`; what is returned is for its `Primary`. old_is_dead: the
        process that the lease was granted to is known to have ended, so there is nothing to wait for.
        Raises Fenced for an epoch that is not newer than all before, StoreDamaged for a copy that is not whole, and
        OutcomeUnknown if its disk fails.
        """
        if self.cursor is not None:
            raise StoreDamaged("this copy is not whole, so it cannot lead: the rest was not copied yet")
        if epoch <= self.promised:
            raise Fenced(f"this copy follows epoch {self.promised}: it cannot lead under epoch {epoch}")
        await self._promise_to_lead(epoch)
        if not old_is_dead:
            # while it held, the old primary may have let another backup answer reads, which may be left out now
            await reached(self.clock, self._granted_until + self.options.trusted_seconds)
        if self.promised != epoch:
            raise Fenced(f"epoch {self.promised} has begun while epoch {epoch} was waiting to lead")
        if self._failure is not None:
            raise self._failure
        self._leads = epoch
        self._give_up_waiting()
        self.stop()
        return self.recent

    def stop(self) -> None:
        """Let go of the flush thread. The store stays open."""
        if self._thread is not None:
            self._thread.shutdown(wait=True)
            self._thread = None

    # inside

    async def _promise_to_lead(self, epoch: int) -> None:
        """Follow nobody older, and have all that was taken on the disk."""
        self.promised = epoch  # a message that is being worked on is not acknowledged any more
        try:
            self._put_promise(epoch)
            self.store.flush()
            self._promised_durably = max(self._promised_durably, epoch)
            async with self._writing:
                if self._dirty and self._failure is None:
                    await self._flush()
        except Exception as error:
            raise self._failed(error) from error

    async def _write(self, ship: Ship) -> None:
        if self._failure is not None:
            raise self._failure
        if ship.epoch < self.promised or self._leads is not None:
            return
        try:
            self._promise(ship.epoch)
            self._apply(ship)
            if self._dirty:
                await self._flush()
        except Exception as error:
            raise self._failed(error) from error
        self._promised_durably = max(self._promised_durably, ship.epoch)

    def _failed(self, error: Exception) -> OutcomeUnknown:
        """The disk has failed it: what it holds is known when it is opened again."""
        self._failure = self._failure or OutcomeUnknown(f"this copy of the store failed ({error}): open it again")
        return self._failure

    def _promise(self, epoch: int) -> None:
        if epoch > self.promised:
            self.promised = epoch
            self._read_until = float("-inf")  # it was the primary of an older epoch that has allowed reads
            self._put_promise(epoch)

    def _put_promise(self, epoch: int) -> None:
        batch = self.store.batch()
        batch.put(keys.PROMISED, epoch.to_bytes(8, "big"))
        self._dirty = True
        self.store.write(batch)

    def _apply(self, ship: Ship) -> None:
        """Write what is new and follows. What does not fit is left: the reply says how far this copy is."""
        if ship.wipe is not None and ship.wipe.judged == self._applied:
            self._wipe(ship.wipe.head)
        for entry in ship.entries:
            if entry.group <= self._applied.group:
                continue
            if not entry.follows(self._applied):
                break
            self._dirty = True
            operations = decode_operations(entry.operations)
            self._wrote(apply(self.store, operations, [(keys.CHAIN, entry.head.encode())]))
            self._applied = entry.head
            self.recent.add(entry)
            if self.watcher is not None and self.cursor is None:
                self.watcher.applied(operations)
        self.recent.trim(self._applied.group)
        chunk = ship.chunk
        if chunk is not None and chunk.begin == self.cursor and chunk.after == self._applied.group:
            self._dirty = True
            self._wrote(copying.write_chunk(self.store, chunk))
            self.cursor = chunk.end
            if self.cursor is None:  # nothing in the log files so far is watched over by generation rows
                self.store.rotate()

    def _wipe(self, head: Head) -> None:
        self._dirty = True
        copying.wipe(self.store, head)
        self.cursor, self._applied = b"", head
        self.recent = Recent(head, self.options.recent_bytes_max)
        self._read_until = float("-inf")
        self._chains += 1
        if self.watcher is not None:
            self.watcher.forget()
        self._give_up_waiting()

    def _wrote(self, size: int) -> None:
        """While copying, log files end by their size: nobody opens this copy by them."""
        if self.cursor is not None:
            self._unrotated_bytes += size
            if self._unrotated_bytes > self.options.wal_bytes_max:
                self._unrotated_bytes = 0
                self.store.rotate()

    async def _flush(self) -> None:
        """In place while the disk is faster than a hop to a thread and back, as in `darq.committer`."""
        applied, cursor = self._applied, self.cursor
        self._dirty = False
        try:
            await self._flush_written()
        except BaseException:
            self._dirty = True
            raise
        self._durable, self._durable_cursor = applied, cursor

    async def _flush_written(self) -> None:
        if self._flush_seconds <= self._inline_flush_seconds_max:
            seconds = self._timed_flush()
        else:
            self._thread = self._thread or ThreadPoolExecutor(1, thread_name_prefix="darq-flush")
            seconds = await asyncio.get_running_loop().run_in_executor(self._thread, self._timed_flush)
        self._flush_seconds += _WEIGHT_OF_LAST * (seconds - self._flush_seconds)

    def _timed_flush(self) -> float:
        begun = time.perf_counter()
        self.store.flush()
        return time.perf_counter() - begun

    def _heard(self, ship: Ship, received_at: float) -> None:
        """The primary of this copy's epoch was heard, and is about to be answered: that grants it a lease."""
        self._granted_until = max(self._granted_until, received_at + self.options.lease_seconds)
        if not self._whole():
            return
        if 0.0 < ship.heard <= received_at:
            self._read_until = max(self._read_until, ship.heard + self.options.trusted_seconds)
        committed = min(ship.committed, self._durable.group)
        if committed > self.committed:
            self.committed = committed
            self.store.mark_released(committed)
            self._wake()

    def _whole(self) -> bool:
        return self.cursor is None and self._durable_cursor is None

    def _wake(self) -> None:
        still = []
        for applied, future in self._waiting:
            if applied > self.committed:
                still.append((applied, future))
            elif not future.done():
                future.set_result(None)
        self._waiting = still

    def _give_up_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        for _, future in waiting:
            if not future.done():
                future.set_exception(StaleCopy("this copy stopped following its primary: ask the primary"))

    def _reply(self) -> bytes:
        eager = bool(self._waiting) or self._eager_until > self.clock()
        reply = Reply(messages.VERSION, self.promised, self._durable, self._durable_cursor, self.clock(), eager)
        return messages.encode(reply)
