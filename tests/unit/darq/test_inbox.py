"""How many messages an inbox says that it has."""

from __future__ import annotations

import random

import pytest

from darq.limits import Limits
from darq.log import Log
from darq.memory import MemoryStore
from darq.step import Message, Step

SMALL = Limits(inbox_window_messages_max=4)


def send(log: Log, count: int) -> None:
    step = Step(b"", b"")
    for _ in range(count):
        step.send(Message(b"p", b"m"))
    log.commit(step)


def consume(log: Log) -> None:
    message = log.inbox.next(log.group)
    assert message is not None
    step = Step(b"p", b"")
    step.consume(message)
    log.commit(step)


@pytest.mark.parametrize("seed", range(30))
def test_its_size_is_what_is_pending_and_at_most_the_open_group_twice(seed: int) -> None:
    chance, log, pending = random.Random(seed), Log(MemoryStore(), SMALL), 0
    for _ in range(300):
        what = chance.random()
        if what < 0.4:
            count = chance.randrange(1, 4)
            send(log, count)
            pending += count
        elif what < 0.8 and pending:
            consume(log)
            pending -= 1
        elif what > 0.9:
            log.seal()
        assert pending <= log.inbox.size(log.group) <= pending + len(log.group.born)
    log.seal()
    assert log.inbox.size(log.group) == pending


def test_what_earlier_lives_have_left_is_never_counted_as_less_and_exactly_once_it_was_read() -> None:
    store = MemoryStore()
    log = Log(store, SMALL)
    for _ in range(10):
        send(log, 1)
        log.take_lsn()
    log.close()
    log = Log(store.reopen(), SMALL)
    assert log.inbox.size(log.group) >= 10
    send(log, 3)
    for left in range(12, -1, -1):
        consume(log)
        assert log.inbox.size(log.group) >= left
    log.seal()
    assert log.inbox.size(log.group) == 0
