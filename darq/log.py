"""One store's log: many logical DARQs (partitions) multiplexed over one physical one (SSMS §4.2).

    commit(step) -> seal() -> flush() -> settle()

`commit` stages a step in the open group, visible at once; `seal` writes the group as one batch; `flush` makes it
durable, on any thread; `settle` opens the gate for what waited. `darq.committer` runs the last three on an event loop.
"""

import time
from collections.abc import Callable, Iterator, Sequence

from darq import keys, lease, overlay, records, recovery
from darq.answers import Answers
from darq.codec import PARTITION_BYTES_MAX, Head, encode_message
from darq.copies import Copies
from darq.errors import Fenced, OutcomeUnknown, StorageFull, StoreClosed
from darq.gate import Gate
from darq.group import Group
from darq.history import History
from darq.inbox import Inbox
from darq.limits import Limits
from darq.outbox import Outbox
from darq.overlay import Absent, Overlay
from darq.requests import Requests
from darq.step import Message, Step, partition_too_long
from darq.store import Store
from darq.timers import Timers


class Log:
    """The steps of one store, in groups. Not thread-safe but for `flush`: one owner runs it.

    clock: seconds since the epoch. was_killed: the last life did not end with `close`. Opening takes the store's lease
    and raises StoreDamaged if anything released is missing; the previous holder's next seal raises Fenced.
    epoch: given out by a catalog, else the store's next one; Fenced if the store has seen it or a later one.
    copies: who else must hold a group before it is released.
    """

    def __init__(
        self,
        store: Store,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.time,
        epoch: int | None = None,
        copies: Copies | None = None,
    ) -> None:
        self.store = store
        self.copies = copies
        self.limits = limits or Limits()
        self.clock = clock
        self._head = recovery.recover(store)
        self.was_killed = recovery.was_killed(store, self._head)
        self.lease = lease.acquire(store) if epoch is None else lease.take(store, epoch)
        self.gate = Gate(self._head.group)
        self.group = Group(self._head.group + 1)
        self.next_lsn = self._head.next_lsn
        self.inbox = Inbox(store, self._head.inbox_cursor, self.next_lsn, self.limits.inbox_window_messages_max)
        self.timers = Timers(store, self.inbox, self._head.timer_cursor_ms)
        self.requests = Requests(store, int(self.limits.request_seconds_kept * 1000), self._head.expiry_cursor_ms)
        kept = (self.limits.request_seconds_kept, self.limits.nested_seconds_kept)
        self.answers = Answers(store, *(int(seconds * 1000) for seconds in kept))
        self.outbox = Outbox(store, self.gate)
        self.history = History(
            self._head.history_start, self._head.history_bytes, self.group.number, self.limits.history_bytes_max
        )
        # nothing in a step that is smaller than all three can be over any of them
        self._unchecked_bytes_max = min(
            self.limits.message_bytes_max, self.limits.value_bytes_max, self.limits.step_bytes_max
        )
        self._group_steps_max, self._group_bytes_max = self.limits.group_steps_max, self.limits.group_bytes_max
        self._written_bytes = 0
        self._free_checked = float("-inf")
        self._full = False
        self.refusing = False
        self.opened_ms = 0
        self.stagers: list[Callable[[Group], None]] = []  # each adds rows that are only made when the group is sealed

    # reading

    def read(self, prefix: bytes, subkey: bytes) -> bytes | None:
        """One value of a partition's state, with all committed steps applied."""
        layer = self.group.state.get(prefix)
        if layer is not None:
            value = layer.find(subkey)
            if not isinstance(value, Absent):
                return value
        return self.store.get(prefix + subkey)

    def scan(
        self,
        prefix: bytes,
        bounds: tuple[bytes, bytes],
        limit: int,
        reverse: bool = False,
        over: Sequence[Overlay] = (),
    ) -> list[tuple[bytes, bytes]]:
        """Up to `limit` rows of a partition's state within [begin, end), with the layers `over` on top."""
        layer = self.group.state.get(prefix)
        layers = (*over, layer) if layer is not None else over
        return overlay.scan(self.store, prefix, layers, bounds, limit, reverse)

    def row(self, key: bytes) -> bytes | None:
        """One row outside of partition state, with all committed steps applied."""
        rows = self.group.rows
        return rows[key] if key in rows else self.store.get(key)

    def rows(self, prefix: bytes) -> list[tuple[bytes, bytes]]:
        """All rows outside of partition state whose keys begin so, in order, with all committed steps applied."""
        found: dict[bytes, bytes | None] = dict(self.store.scan(prefix, keys.after(prefix), keys.ALL))
        for begin, end in self.group.drops:
            found = {key: data for key, data in found.items() if not begin <= key < end}
        found.update((key, data) for key, data in self.group.rows.items() if key.startswith(prefix))
        return [(key, data) for key, data in sorted(found.items()) if data is not None]

    def replay(self, partition: bytes, after_lsn: int = 0) -> Iterator[tuple[int, bytes]]:
        """(lsn, payload) of the self-messages that a partition has recorded above `after_lsn`, in order.

        They are read as they are asked for: take them all before anything else is committed.
        """
        prefix = keys.partition_key(keys.RECORD, partition)
        for begin, end in self.group.drops:
            if begin.startswith(prefix):  # trimmed in the open group, as was what lies below
                after_lsn = max(after_lsn, keys.number_of(end) - 1)
        yield from records.stored(self.store, partition, after_lsn)
        rows = self.group.rows
        staged = sorted(key for key in rows if key.startswith(prefix))
        for key in staged:
            lsn, payload = keys.number_of(key), rows[key]
            if lsn > after_lsn and payload is not None:
                yield lsn, payload

    # steps

    def step(self, partition: bytes) -> Step:
        """A new empty step of `partition`."""
        if len(partition) > PARTITION_BYTES_MAX:
            raise partition_too_long(partition)
        return Step(partition, keys.partition_key(keys.STATE, partition))

    def admit(self) -> None:
        """Raise StorageFull, before a step runs, while free space is below the reserve, or what poisoned the store."""
        if self.gate.failure is not None:
            raise self.gate.failure
        now = self.stamp()
        if abs(now - self._free_checked) >= self.limits.free_check_seconds:
            self._free_checked = now
            self._full = self.store.free_bytes() < self.limits.free_bytes_reserve
        self.refusing = self._full
        if self._full:
            reserve = self.limits.free_bytes_reserve >> 20
            raise StorageFull(f"less than {reserve} MiB are free where the store lives: make room, then call again")

    def stamp(self) -> float:
        """Note when the first step of the open group ran, for the history. Returns the time."""
        now = self.clock()
        self.opened_ms = int(now * 1000)
        return now

    def commit(self, step: Step, size: int | None = None) -> int:
        """Stage a step in the open group and return the group's number; its effects are visible in the store at once.

        Raises InvalidStep (a message that is not pending) and InvalidArgument (over a limit), leaving nothing behind.
        """
        if self.gate.failure is not None:
            raise self.gate.failure
        group = self.group
        sends, recorded = step.sends, step.records
        if size is None:
            size = step.size()
        if size > self._unchecked_bytes_max:
            step.check(self.limits)
        outgoing = _encode(step.outgoing) if step.outgoing is not None else ()
        if step.consumed is not None:
            self.inbox.consume(step.consumed, group)
        group.stage(step, size)
        lsn = self.next_lsn
        if sends is not None:
            lsn = self.inbox.add(sends, lsn, group)
        if recorded is not None:
            prefix = keys.partition_key(keys.RECORD, step.partition)
            for payload in recorded:
                group.rows[prefix + keys.number(lsn)] = payload
                lsn += 1
        self.next_lsn = lsn
        if step.answers is not None:
            for answer in step.answers:
                self.answers.record(answer, group)
        for destination, data in outgoing:
            self.outbox.add(destination, data, group)
        return group.number

    def touch(self) -> int:
        """Have the open group written though it may hold no step: its stagers have rows. Returns its number."""
        return self.group.number if self.group.dirty else self.commit(Step(b"", b""))

    def take_lsn(self) -> int:
        """A number for a row that a later step of this group sets."""
        lsn = self.next_lsn
        self.next_lsn += 1
        return lsn

    def trim_records(self, step: Step, up_to_lsn: int, after_lsn: int = 0) -> None:
        """Let `step` drop its partition's self-messages up to and with `up_to_lsn` (a checkpoint covers them).

        after_lsn: up to where they were trimmed before, so that dropped ranges lie side by side in the store.
        """
        prefix = keys.partition_key(keys.RECORD, step.partition)
        step.drop_rows(prefix + keys.number(after_lsn + 1), prefix + keys.number(up_to_lsn + 1))

    @property
    def under_way_lsn(self) -> int:
        """No message above this number is under way; 0 if none is, as far as the inbox goes.

        For senders of whom nobody knows any more what they have sent.
        """
        return self.next_lsn - 1 if self.inbox else 0

    # groups

    @property
    def full(self) -> bool:
        """Whether the open group is at its bound, so that it should be sealed before more steps run."""
        group = self.group
        return group.steps >= self._group_steps_max or group.bytes >= self._group_bytes_max

    def seal(self) -> int:
        """Write the open group as one batch, open the next one, and return the number of the written one."""
        if self.gate.failure is not None:
            raise self.gate.failure
        group = self.group
        try:
            lease.check(self.store, self.lease)
            if self._written_bytes > self.limits.wal_bytes_max:
                self._rotate()
            batch = self.store.batch()
            for stage in self.stagers:
                stage(group)
            now_ms = int(self.clock() * 1000)
            self.requests.expire(group, now_ms)
            self.answers.stage(group, now_ms)
            self.outbox.stage(group)
            self.history.added(group.number, group.write_to(batch), batch)
            head = self._next_head(group)
            batch.put(keys.HEAD, head.encode())
            self._written_bytes += batch.size_in_bytes()
            self.store.write(batch)
        except Exception as error:
            raise self.fail(error) from error
        self._head = head
        self.inbox.sealed(group)
        self.outbox.sealed(group.number)
        self.group = Group(group.number + 1)
        return group.number

    def flush(self) -> None:
        """Make all sealed groups durable. The one method that may run on another thread."""
        self.store.flush()

    def flushed(self, group: int) -> None:
        """Group `group` is durable here: settle it, unless copies elsewhere have to be awaited."""
        if self.copies is None:
            self.settle(group)
        else:
            self.copies.flushed(group)

    def settle(self, group: int) -> None:
        """Group `group` is durable: note it beside the data, then let through what waited for it.

        What an action of the gate raises is raised here, once all have run; it does not fail the log.
        """
        if self.gate.failure is not None or group <= self.gate.durable:
            return
        try:
            self.store.mark_released(group)
        except Exception as error:
            raise self.fail(error) from error
        self.gate.open_to(group)

    def fail(self, error: BaseException) -> BaseException:
        """A write or flush failed: poison the log until it is opened again. Returns the error that callers get."""
        if self.gate.failure is None:
            self.refusing = True
            self.gate.fail(_poison(error))
        return self.gate.failure or error

    def commit_now(self) -> int:
        """Seal, flush and settle in place: for programs that use the log without an event loop."""
        group = self.seal()
        self._harden(group)
        return group

    def mark_closed(self) -> int:
        """Let the open group be the last of this life, so that the next one need not take it for killed."""
        self.group.rows[keys.CLOSED] = keys.number(self.group.number)
        self.group.steps += 1
        return self.group.number

    def close(self) -> None:
        """Write what is staged, make it durable, release it, and let go of the store. Later steps get StoreClosed.

        With copies, call `mark_closed` and wait for the committer before: nothing is written here that they would lack.
        """
        try:
            if self.gate.failure is None and self.copies is None:
                self.mark_closed()
                self.seal()
                if self._head.group > self.gate.durable:  # also what a thread is flushing just now
                    self._harden(self._head.group)
        finally:
            if self.gate.failure is None:
                self.refusing = True
                self.gate.fail(StoreClosed("the store is closed: open it again"))
            self.store.close()

    # inside

    def _next_head(self, group: Group) -> Head:
        return Head(
            group=group.number,
            next_lsn=self.next_lsn,
            inbox_cursor=self.inbox.cursor(self.next_lsn, group),
            expiry_cursor_ms=self.requests.cursor_ms,
            history_start=self.history.start,
            history_bytes=self.history.size,
            generation=self._head.generation,
            timer_cursor_ms=self.timers.cursor_ms(),
        )

    def _harden(self, group: int) -> None:
        try:
            self.flush()
        except Exception as error:
            raise self.fail(error) from error
        self.flushed(group)

    def _rotate(self) -> None:
        """Bound the log that the next opening must replay; a row in the old one proves it."""
        generation = self._head.generation + 1
        batch = self.store.batch()
        batch.put(keys.numbered(keys.GENERATION, generation), self._head.group.to_bytes(8, "big"))
        if generation > recovery.GENERATIONS_KEPT:
            batch.delete(keys.numbered(keys.GENERATION, generation - recovery.GENERATIONS_KEPT))
        self.store.write(batch)
        self.store.rotate()
        self._head.generation = generation
        self._written_bytes = 0


def _encode(outgoing: list[tuple[bytes, Message]]) -> list[tuple[bytes, bytes]]:
    return [(store, encode_message(message.partition, message.payload())) for store, message in outgoing]


def _poison(error: BaseException) -> BaseException:
    if isinstance(error, Fenced):
        return error
    return OutcomeUnknown(
        f"the store failed ({error}), so it is unknown whether this call survives. Open the store again and repeat "
        "the call with the same idempotency key"
    )
