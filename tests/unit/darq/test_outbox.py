"""The sending ends of lanes: dense, durable before they leave, trimmed behind the acknowledgement."""

import pytest

from darq import Log, MemoryStore, Message, keys
from darq.errors import StoreDamaged

R = b"r" * 16


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def send(log: Log, count: int, size: int = 1) -> None:
    step = log.step(b"p")
    for _ in range(count):
        step.send_to_store(R, Message(b"t", b"m" * size))
    log.commit(step)


def rows(store: MemoryStore) -> int:
    return len(store.scan(keys.OUTBOX, keys.after(keys.OUTBOX), keys.ALL))


def test_nothing_leaves_before_its_group_is_durable(store: MemoryStore) -> None:
    log = Log(store)
    woken: list[bytes] = []
    log.outbox.on_sendable = woken.append
    send(log, 2)
    assert log.outbox.batch(R, 10, 1000) == (1, [])
    group = log.seal()
    send(log, 1)
    assert (log.outbox.receivers(), woken) == ([], [])
    log.flush()
    log.settle(group)
    assert (log.outbox.receivers(), woken) == ([R], [R])
    assert len(log.outbox.batch(R, 10, 1000)[1]) == 2


def test_a_batch_keeps_to_its_bounds_but_holds_at_least_one(store: MemoryStore) -> None:
    log = Log(store)
    send(log, 100, size=97)  # 100 bytes each, as a row
    log.commit_now()
    for messages_max, bytes_max, expected in ((7, 10_000, 7), (100, 500, 5), (100, 1, 1), (100, 1 << 20, 100)):
        assert len(log.outbox.batch(R, messages_max, bytes_max)[1]) == expected


@pytest.mark.parametrize("count", [5, 3000])
def test_an_acknowledged_stretch_is_dropped_and_the_rest_stays(store: MemoryStore, count: int) -> None:
    log = Log(store)
    for _ in range(2):
        send(log, count)
        log.commit_now()
    log.outbox.acknowledged(R, count + 2, log.group)
    log.outbox.acknowledged(R, count + 3, log.group)
    assert log.outbox.batch(R, 1, 1)[0] == count + 4
    log.commit_now()
    assert rows(store) == count - 3
    log.close()
    log = Log(store.reopen())
    assert log.outbox.batch(R, 1, 1)[0] == count + 4
    assert log.outbox.receivers() == [R]


def test_numbers_go_on_after_all_was_acknowledged_and_the_store_was_opened_again(store: MemoryStore) -> None:
    log = Log(store)
    send(log, 2)
    log.commit_now()
    log.outbox.acknowledged(R, 2, log.group)
    log.close()
    log = Log(store.reopen())
    assert log.outbox.receivers() == []
    send(log, 1)
    log.commit_now()
    assert log.outbox.batch(R, 10, 1000) == (3, [b"\x00\x01tm"])


@pytest.mark.parametrize("sequence", [1, 5])
def test_an_acknowledgement_that_cannot_be_is_refused(store: MemoryStore, sequence: int) -> None:
    log = Log(store)
    send(log, 4)
    log.commit_now()
    log.outbox.acknowledged(R, 2, log.group)
    with pytest.raises(StoreDamaged):
        log.outbox.acknowledged(R, sequence, log.group)


def test_what_is_not_durable_yet_cannot_have_been_acknowledged(store: MemoryStore) -> None:
    log = Log(store)
    send(log, 1)
    log.seal()
    with pytest.raises(StoreDamaged):
        log.outbox.acknowledged(R, 1, log.group)


def test_a_missing_row_is_said_and_not_skipped(store: MemoryStore) -> None:
    log = Log(store)
    send(log, 4)
    log.commit_now()
    batch = store.batch()
    batch.delete(keys.OUTBOX + R + (2).to_bytes(8, "big"))
    store.write(batch)
    with pytest.raises(StoreDamaged, match="lacks messages"):
        log.outbox.batch(R, 10, 1000)
