"""What a backup takes, refuses, promises and grants."""

import asyncio
from dataclasses import dataclass, field

import pytest

from automata.testing.loop import run_virtually
from darq import Limits, Log, MemoryStore, keys
from darq.errors import Fenced, OutcomeUnknown, StaleCopy, StoreDamaged
from darq.replication import Backup, Head, head_of, messages
from darq.replication.copying import read_chunk
from darq.replication.entry import Entry
from darq.replication.messages import Chunk, Reply, Ship, Wipe
from darq.replication.options import Options
from darq.replication.recording import ReplicatedStore
from tests.unit.darq.replication.test_chain import put, replicated
from tests.unit.darq.replication.world import rows_of


def clock() -> float:
    return asyncio.get_running_loop().time() + 1.0


@dataclass
class Sent:
    """A primary by hand: its store, and the groups that it has written."""

    epoch: int = 1
    store: MemoryStore = field(default_factory=MemoryStore)

    def __post_init__(self) -> None:
        self.log, self.entries = replicated(self.store, self.epoch)

    def ship(
        self,
        entries: list[Entry],
        committed: int = 0,
        heard: float = 0.0,
        chunk: Chunk | None = None,
        wipe: Wipe | None = None,
    ) -> bytes:
        return messages.encode(Ship(1, self.epoch, committed, heard, entries, chunk, wipe))


async def ask(backup: Backup, data: bytes) -> Reply:
    return messages.decode_reply(await backup.receive(data))


def test_groups_are_applied_in_order_and_doubles_are_passed_over() -> None:
    async def scenario() -> None:
        sent, backup = Sent(), Backup(MemoryStore(), clock)
        for value in (b"1", b"2", b"3"):
            put(sent.log, value)
        reply = await ask(backup, sent.ship(sent.entries[:2]))
        assert Head(*reply.head) == sent.entries[1].head
        reply = await ask(backup, sent.ship(sent.entries))
        assert Head(*reply.head) == sent.entries[2].head == head_of(backup.store)
        assert rows_of(backup.store) == rows_of(sent.store)  # type: ignore[arg-type]

    run_virtually(scenario())


def test_a_gap_or_an_altered_group_is_left_and_the_reply_says_what_is_there() -> None:
    async def scenario() -> None:
        sent, backup = Sent(), Backup(MemoryStore(), clock)
        for value in (b"1", b"2", b"3"):
            put(sent.log, value)
        first, second, third = sent.entries
        reply = await ask(backup, sent.ship([first, third]))
        assert Head(*reply.head) == first.head
        altered = Entry(1, 2, second.hash, third.operations)
        reply = await ask(backup, sent.ship([altered]))
        assert Head(*reply.head) == first.head

    run_virtually(scenario())


def test_what_is_acknowledged_survives_a_crash() -> None:
    async def scenario() -> None:
        sent, store = Sent(), MemoryStore()
        put(sent.log)
        reply = await ask(Backup(store, clock), sent.ship(sent.entries))
        store.crash()
        assert head_of(store) == Head(*reply.head)

    run_virtually(scenario())


def test_an_older_epoch_is_refused_also_after_a_crash() -> None:
    async def scenario() -> None:
        old, new, store = Sent(1), Sent(2), MemoryStore()
        put(old.log)
        backup = Backup(store, clock)
        assert (await ask(backup, new.ship([]))).epoch == 2
        store.crash()
        backup = Backup(store, clock)
        reply = await ask(backup, old.ship(old.entries))
        assert reply.epoch == 2
        assert backup.applied == 0

    run_virtually(scenario())


def test_to_lead_takes_a_newer_epoch_and_refuses_the_older_ones_at_once() -> None:
    async def scenario() -> None:
        sent, store = Sent(2), MemoryStore()
        put(sent.log)
        backup = Backup(store, clock)
        await ask(backup, sent.ship([]))
        for epoch in (1, 2):
            with pytest.raises(Fenced):
                await backup.lead(epoch, old_is_dead=True)
        leading = asyncio.ensure_future(backup.lead(3, old_is_dead=False))
        await asyncio.sleep(0)
        reply = await ask(backup, sent.ship(sent.entries))
        assert reply.epoch == 3
        assert not leading.done()
        store.crash()
        assert Backup(store, clock).promised == 3
        await leading
        with pytest.raises(Fenced):
            await backup.receive(Sent(4).ship([]))

    run_virtually(scenario())


def test_who_leads_waits_until_no_lease_that_it_granted_holds() -> None:
    async def scenario() -> None:
        sent, backup = Sent(), Backup(MemoryStore(), clock)
        await asyncio.sleep(5)
        sent_at = clock()
        await ask(backup, sent.ship([]))
        await backup.lead(2, old_is_dead=False)
        assert clock() - sent_at >= backup.options.trusted_seconds

        again = Backup(backup.store, clock)  # which does not know what its former life has granted
        begun = clock()
        await again.lead(3, old_is_dead=False)
        assert clock() - begun >= backup.options.trusted_seconds

        dead = Backup(backup.store, clock)
        begun = clock()
        await dead.lead(4, old_is_dead=True)
        assert clock() == begun

    run_virtually(scenario())


def test_a_message_in_work_is_not_acknowledged_once_a_newer_epoch_is_promised() -> None:
    async def scenario() -> None:
        sent, store = Sent(), MemoryStore()
        put(sent.log)
        loop = asyncio.get_running_loop()
        go = loop.create_future()

        class Slow(Backup):
            async def _flush_written(self) -> None:
                await go
                await super()._flush_written()

        backup = Slow(store, clock)
        asked = asyncio.ensure_future(ask(backup, sent.ship(sent.entries)))
        await asyncio.sleep(0)
        leading = asyncio.ensure_future(backup.lead(2, old_is_dead=True))
        await asyncio.sleep(0)
        go.set_result(None)
        assert (await asked).epoch == 2
        recent = await leading
        assert recent.head == sent.entries[0].head

    run_virtually(scenario())


def test_a_failed_disk_acknowledges_nothing_more() -> None:
    async def scenario() -> None:
        sent, store = Sent(), MemoryStore()
        put(sent.log)
        backup = Backup(store, clock)
        store.fail_next_flush = OSError("broken")
        with pytest.raises(OutcomeUnknown, match="broken"):
            await backup.receive(sent.ship(sent.entries))
        store.fail_next_flush = None
        with pytest.raises(OutcomeUnknown):
            await backup.receive(sent.ship(sent.entries))
        with pytest.raises(OutcomeUnknown):
            await backup.lead(2, old_is_dead=True)

    run_virtually(scenario())


def test_a_copy_is_filled_in_chunks_between_groups_and_goes_on_after_a_crash() -> None:
    async def scenario() -> None:
        options = Options(chunk_rows=2)
        sent, store = Sent(), MemoryStore()
        for value in range(10):
            step = sent.log.step(b"rows")
            step.put(b"%d" % value, b"old")
            sent.log.commit(step)
            sent.log.commit_now()
        at = sent.entries[-1].head
        backup = Backup(store, clock, options)
        reply = await ask(backup, sent.ship([], wipe=Wipe(Head(), at)))
        shipped = len(sent.entries)
        while reply.cursor is not None:
            step = sent.log.step(b"rows")
            step.put(b"%d" % (shipped % 10), b"new")
            step.delete(b"%d" % (shipped * 3 % 10))
            assert step.overlay is not None
            step.overlay.drop_range(b"%d" % (shipped * 7 % 10), b"%d" % (shipped * 7 % 10 + 2))
            sent.log.commit(step)
            sent.log.commit_now()
            chunk = read_chunk(sent.store, reply.cursor, sent.entries[-1].group, options)
            reply = await ask(backup, sent.ship(sent.entries[shipped:], chunk=chunk))
            shipped = len(sent.entries)
            with pytest.raises(StoreDamaged):
                await backup.lead(9, old_is_dead=True) if reply.cursor is not None else Log(half(store))
            store.crash()
            backup = Backup(store, clock, options)
        assert rows_of(store) == rows_of(sent.store)
        assert head_of(store) == sent.entries[-1].head

    run_virtually(scenario())


def half(store: MemoryStore) -> MemoryStore:
    """A store with the mark of a copy that is not whole."""
    marked = MemoryStore()
    batch = marked.batch()
    batch.put(keys.COPYING, b"k")
    marked.write(batch)
    return marked


def test_a_copy_that_was_only_wiped_is_not_whole_after_a_crash() -> None:
    async def scenario() -> None:
        sent, store = Sent(), MemoryStore()
        put(sent.log)
        await ask(Backup(store, clock), sent.ship([], wipe=Wipe(Head(), sent.entries[0].head)))
        store.crash()
        assert head_of(store) == Head()
        with pytest.raises(StoreDamaged):
            await Backup(store, clock).lead(9, old_is_dead=True)

    run_virtually(scenario())


def test_a_chunk_of_another_moment_is_left() -> None:
    async def scenario() -> None:
        sent, store = Sent(), MemoryStore()
        put(sent.log, b"old")
        backup = Backup(store, clock)
        await ask(backup, sent.ship([], wipe=Wipe(Head(), sent.entries[0].head)))
        late = read_chunk(sent.store, b"", 1, Options())
        put(sent.log, b"new")
        await ask(backup, sent.ship(sent.entries[1:]))
        reply = await ask(backup, sent.ship([], chunk=late))
        assert reply.cursor == b""
        reply = await ask(backup, sent.ship([], chunk=read_chunk(sent.store, b"", 2, Options())))
        assert reply.cursor is None
        assert rows_of(store) == rows_of(sent.store)

    run_virtually(scenario())


def test_a_late_double_of_a_wipe_does_nothing() -> None:
    async def scenario() -> None:
        sent, store = Sent(), MemoryStore()
        put(sent.log)
        backup = Backup(store, clock)
        wipe = sent.ship([], wipe=Wipe(Head(), sent.entries[0].head))
        await ask(backup, wipe)
        await ask(backup, sent.ship([], chunk=read_chunk(sent.store, b"", 1, Options())))
        reply = await ask(backup, wipe)
        assert reply.cursor is None
        assert rows_of(store) == rows_of(sent.store)

    run_virtually(scenario())


def test_a_read_waits_until_what_it_saw_is_released_and_needs_a_lease_when_it_is_taken() -> None:
    async def scenario() -> None:
        sent, backup = Sent(), Backup(MemoryStore(), clock)
        put(sent.log)
        reply = await ask(backup, sent.ship(sent.entries))
        with pytest.raises(StaleCopy):
            backup.read_point()
        await ask(backup, sent.ship([], heard=reply.stamp))
        point = backup.read_point()
        reading = asyncio.ensure_future(backup.readable(point))
        await asyncio.sleep(0.1)
        assert not reading.done()
        assert (await ask(backup, sent.ship([]))).eager
        await ask(backup, sent.ship([], committed=1))
        await reading
        await asyncio.sleep(backup.options.lease_seconds)
        assert not backup.leased()

    run_virtually(scenario())


def test_what_an_older_primary_allowed_to_be_read_is_not_read_under_a_newer_one() -> None:
    async def scenario() -> None:
        sent, backup = Sent(), Backup(MemoryStore(), clock)
        reply = await ask(backup, sent.ship([]))
        await ask(backup, sent.ship([], heard=reply.stamp))
        assert backup.leased()
        await ask(backup, Sent(2).ship([]))  # which may go on without this copy at any time
        assert not backup.leased()
        with pytest.raises(StaleCopy):
            backup.read_point()

    run_virtually(scenario())


def test_a_copy_whose_disk_fails_as_it_is_to_lead_is_poisoned() -> None:
    async def scenario() -> None:
        sent, store = Sent(), MemoryStore()
        put(sent.log)
        backup = Backup(store, clock)
        await ask(backup, sent.ship(sent.entries))
        store.fail_next_flush = OSError("broken")
        with pytest.raises(OutcomeUnknown, match="broken"):
            await backup.lead(2, old_is_dead=True)
        store.fail_next_flush = None
        with pytest.raises(OutcomeUnknown):
            await backup.lead(3, old_is_dead=True)

    run_virtually(scenario())


def test_a_read_of_a_chain_that_was_given_up_is_never_shown() -> None:
    async def scenario() -> None:
        sent, backup = Sent(), Backup(MemoryStore(), clock)
        put(sent.log)
        reply = await ask(backup, sent.ship(sent.entries))
        await ask(backup, sent.ship([], heard=reply.stamp))
        point = backup.read_point()
        waiting = asyncio.ensure_future(backup.readable(point))
        await asyncio.sleep(0)
        new = Sent(2)
        put(new.log, b"other")
        put(new.log, b"more")
        await ask(backup, new.ship([], wipe=Wipe(sent.entries[0].head, new.entries[1].head)))
        with pytest.raises(StaleCopy):
            await waiting
        await ask(backup, new.ship([], committed=2, chunk=read_chunk(new.store, b"", 2, Options())))
        with pytest.raises(StaleCopy):
            await backup.readable(point)

    run_virtually(scenario())


def test_log_files_end_where_those_of_the_primary_do() -> None:
    class Counted(MemoryStore):
        rotations = 0

        def rotate(self) -> None:
            self.rotations += 1

    async def scenario() -> None:
        here, there = Counted(), Counted()
        entries: list[Entry] = []
        log = Log(ReplicatedStore(here, 1, entries.append), Limits(wal_bytes_max=200), epoch=1)
        for _ in range(20):
            put(log, bytes(50))
        backup = Backup(there, clock)
        await ask(backup, messages.encode(Ship(1, 1, 0, 0.0, entries, None, None)))
        assert there.rotations == here.rotations > 3
        assert rows_of(there) == rows_of(here)
        there.crash()
        await Backup(there, clock).lead(2, old_is_dead=True)
        assert Log(there, epoch=2).group.number == 21

    run_virtually(scenario())


def test_the_end_of_a_log_file_that_no_group_followed_is_forgotten() -> None:
    store = MemoryStore()
    log, _ = replicated(store)
    put(log)
    batch = store.batch()
    batch.put(keys.numbered(keys.GENERATION, 1), keys.number(1))
    store.write(batch)
    Backup(store, lambda: 0.0)
    store.crash()
    assert store.get(keys.numbered(keys.GENERATION, 1)) is None
