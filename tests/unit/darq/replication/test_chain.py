"""Every copy's disk says how far along which chain it is."""

import pytest

from darq import Log, MemoryStore, Store, keys
from darq.errors import Fenced, StoreDamaged
from darq.replication.chain import Head, chain_of, head_of, promised_epoch
from darq.replication.entry import Entry, apply, decode_operations
from darq.replication.recording import ReplicatedStore
from tests.unit.darq.replication.world import rows_of


def put(log: Log, value: bytes = b"v") -> int:
    step = log.step(b"p")
    step.put(b"x", value)
    log.commit(step)
    return log.commit_now()


def replicated(store: MemoryStore, epoch: int = 1) -> tuple[Log, list[Entry]]:
    """A log whose groups are recorded."""
    entries: list[Entry] = []
    recording: Store = ReplicatedStore(store, epoch, entries.append)
    return Log(recording, epoch=epoch), entries


def test_a_new_store_is_at_the_beginning_of_every_chain() -> None:
    assert head_of(MemoryStore()) == Head(0, 0, bytes(16))


def test_the_head_is_written_with_the_group_itself() -> None:
    store = MemoryStore()
    log, entries = replicated(store)
    group = put(log)
    assert head_of(store) == entries[-1].head
    assert head_of(store)[:2] == (1, group)
    store.fail_next_write = OSError("broken")
    with pytest.raises(Exception, match="broken"):
        put(log)
    store.crash()
    assert head_of(store) == entries[-1].head


def test_each_group_names_its_predecessor() -> None:
    log, entries = replicated(MemoryStore())
    for value in (b"1", b"2", b"3"):
        put(log, value)
    assert entries[0].follows(Head())
    assert entries[2].follows(entries[1].head)
    assert not entries[2].follows(entries[0].head)
    assert not Entry(1, 3, entries[2].hash, entries[2].operations + b"x").follows(entries[1].head)
    assert not Entry(2, 3, entries[2].hash, entries[2].operations).follows(entries[1].head)


def test_what_the_log_writes_outside_of_groups_goes_with_the_next_one() -> None:
    store, copy = MemoryStore(), MemoryStore()
    log, entries = replicated(store, epoch=7)
    put(log)
    [entry] = entries
    apply(copy, decode_operations(entry.operations), [(keys.CHAIN, entry.head.encode())])
    assert rows_of(copy) == rows_of(store)
    assert copy.get(keys.LEASE) == (7).to_bytes(8, "big")


def test_a_store_that_went_on_without_replication_is_on_no_chain_of_others() -> None:
    store = MemoryStore()
    log, _ = replicated(store)
    put(log)
    before = head_of(store)
    put(Log(store))
    assert head_of(store).group == before.group + 1
    assert head_of(store) == chain_of(store)
    other = MemoryStore()
    log, entries = replicated(other)
    put(log)
    put(log)
    assert entries[1].group == head_of(store).group
    assert head_of(store).hash != entries[1].hash


def test_half_a_copy_counts_for_nothing_and_does_not_open() -> None:
    store = MemoryStore()
    log, _ = replicated(store)
    put(log)
    batch = store.batch()
    batch.put(keys.COPYING, b"")
    store.write(batch)
    assert head_of(store) == Head()
    with pytest.raises(StoreDamaged, match="not whole"):
        Log(store)


def test_a_log_takes_the_epoch_that_it_is_given_and_none_that_was_seen() -> None:
    store = MemoryStore()
    assert Log(store, epoch=5).lease.epoch == 5
    assert promised_epoch(store) == 5
    for old in (4, 5):
        with pytest.raises(Fenced, match="has seen epoch 5"):
            Log(store, epoch=old)
    store.crash()
    assert Log(store, epoch=6).lease.epoch == 6


def test_the_holder_of_an_older_epoch_answers_nothing() -> None:
    store = MemoryStore()
    old = Log(store, epoch=1)
    Log(store, epoch=2)
    with pytest.raises(Fenced):
        put(old)
    seen: list[BaseException | None] = []
    old.gate.release(0, seen.append)
    assert isinstance(seen[0], Fenced)
