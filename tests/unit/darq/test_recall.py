"""Messages with rows elsewhere in the store, in the window of the inbox: their row goes with the step that consumes."""

from __future__ import annotations

import pytest

from darq import keys
from darq.errors import InvalidStep
from darq.log import Log
from darq.memory import MemoryStore
from darq.step import Message, Step

ROW = keys.PARKED + b"\x01" + keys.number(5)


def waiting(store: MemoryStore) -> tuple[Log, Message]:
    """A log with one message in the inbox, and one that lies in a row beside it."""
    log = Log(store)
    log.inbox.watch()
    step = Step(b"", b"")
    step.set_row(ROW, b"beside")
    step.send(Message(b"p", b"in the inbox"))
    log.commit(step)
    log.commit_now()
    return log, Message(b"p", b"beside", 5, stored=True)


def consumed(message: Message) -> Step:
    step = Step(b"p", b"")
    step.consume(message)
    return step


def test_a_recalled_message_comes_first_or_last_and_its_row_goes_when_it_is_consumed() -> None:
    for first in (True, False):
        log, beside = waiting(MemoryStore())
        log.inbox.recall(beside, ROW, first=first)
        both = [log.inbox.next(log.group) for _ in range(2)]
        assert both.index(beside) == (0 if first else 1)
        assert log.inbox.waiting == {}
        assert log.row(ROW) == b"beside"
        log.commit(consumed(beside))
        log.commit_now()
        assert log.row(ROW) is None
        with pytest.raises(InvalidStep):
            log.commit(consumed(beside))


def test_one_that_is_not_consumed_keeps_its_row_through_a_crash() -> None:
    store = MemoryStore()
    log, beside = waiting(store)
    log.inbox.recall(beside, ROW)
    log.commit(consumed(beside))
    store.crash()
    assert Log(store.reopen()).row(ROW) == b"beside"


def test_one_that_is_dismissed_stays_in_its_row_and_can_be_recalled_again() -> None:
    log, beside = waiting(MemoryStore())
    log.inbox.recall(beside, ROW, first=True)
    assert log.inbox.next(log.group) is beside
    log.inbox.dismiss(beside)
    assert log.inbox.recalled(beside.lsn) is None
    with pytest.raises(InvalidStep):
        log.commit(consumed(beside))
    log.inbox.recall(beside, ROW)
    log.commit(consumed(beside))


def test_a_message_that_is_put_back_is_the_next_one_and_still_counts_as_waiting() -> None:
    log, _ = waiting(MemoryStore())
    message = log.inbox.next(log.group)
    assert message is not None
    assert log.inbox.waiting == {}
    log.inbox.put_back(message)
    assert log.inbox.waiting == {b"p": message.lsn}
    assert log.inbox.next(log.group) is message
