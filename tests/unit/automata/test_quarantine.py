"""What may have killed an earlier life is delivered under a mark; what cannot have done so is not."""

from __future__ import annotations

import pytest

from automata.quarantine import Quarantine
from darq import keys
from darq.codec import Timer
from darq.log import Log
from darq.memory import MemoryStore
from darq.step import Message, Step
from darq.timers import Ringing

OPENED = 1000.0


def reopened(killed: bool) -> Log:
    """The second life of a log that has given some numbers in the first."""
    store = MemoryStore()
    log = Log(store)
    for _ in range(10):
        step = Step(b"", b"")
        step.send(Message(b"p", b"x"))
        log.commit(step)
    log.commit_now()
    store.crash() if killed else log.close()
    return Log(store.reopen(), clock=lambda: OPENED)


def ringing(due_ms: int, lsn: int) -> Ringing:
    return Ringing(keys.timed(keys.TIMER, due_ms, lsn), Timer(0, b"", b"p", b"x"))


@pytest.mark.parametrize("killed", [False, True])
def test_what_an_earlier_life_has_left_is_covered_if_that_was_killed(killed: bool) -> None:
    log = reopened(killed)
    quarantine = Quarantine(log)
    assert quarantine.covers(Message(b"p", b"x", 5, stored=True)) is killed
    assert not quarantine.covers(Message(b"p", b"x", log.next_lsn))


def test_a_timer_is_covered_if_it_was_due_before_this_life_began() -> None:
    log = reopened(killed=True)
    quarantine = Quarantine(log)
    assert quarantine.covers(ringing(int(OPENED * 1000), 5))
    assert not quarantine.covers(ringing(int(OPENED * 1000) + 1, 5))
    assert not quarantine.covers(ringing(0, log.next_lsn))
