"""Timers are found in the order of their time, once each, from a cursor that passes nothing."""

from __future__ import annotations

import pytest

from darq import keys
from darq.codec import Timer, origin_of
from darq.log import Log
from darq.memory import MemoryStore
from darq.step import Message, Step


def timer(payload: str, schedule: int = 0) -> Timer:
    return Timer(schedule, b"rule" if schedule else b"", b"p", payload.encode())


def a_log(store: MemoryStore | None = None) -> Log:
    return Log((store or MemoryStore()).reopen())


def put(log: Log, due_ms: int, payload: str) -> bytes:
    step = Step(b"", b"")
    lsn = log.take_lsn()
    log.timers.add(step, due_ms, lsn, timer(payload))
    log.commit(step)
    return keys.timed(keys.TIMER, due_ms, lsn)


def drop(log: Log, key: bytes) -> None:
    step = Step(b"", b"")
    step.set_row(key, None)
    log.commit(step)


def ring(log: Log, now_ms: int, limit: int = 256) -> list[str]:
    """Ring what is due."""
    found = log.timers.look(log.group, now_ms, limit)
    for key, due in found.due:
        log.timers.ring(key, due)
    return [due.payload.decode() for _, due in found.due]


def consume_all(log: Log) -> list[str]:
    got = []
    while (message := log.inbox.next(log.group)) is not None:
        step = Step(b"p", b"")
        step.consume(message)
        log.commit(step)
        got.append(message.body.decode())
    return got


@pytest.mark.parametrize("written", [False, True])
def test_those_that_are_due_ring_once_in_the_order_of_their_time(written: bool) -> None:
    log = a_log()
    for due_ms, payload in [(30, "c"), (10, "a"), (20, "b"), (41, "never yet")]:
        put(log, due_ms, payload)
    if written:
        log.commit_now()
    assert ring(log, 9) == []
    assert ring(log, 40) == ["a", "b", "c"]
    assert ring(log, 40) == []
    assert log.timers.on_their_way() == 3
    assert consume_all(log) == ["a", "b", "c"]
    log.commit_now()
    assert log.timers.on_their_way() == 0
    assert [keys.due_of(key) for key, _ in log.store.scan(keys.TIMER, keys.after(keys.TIMER), 9)] == [41]


def test_the_next_one_is_known_without_a_look_at_all_others() -> None:
    log = a_log()
    put(log, 50, "late")
    assert log.timers.look(log.group, 10).next_ms == 50
    told: list[int] = []
    log.timers.on_earlier = told.append
    put(log, 60, "later")
    assert told == []
    put(log, 40, "sooner")
    assert told == [40]
    assert log.timers.next_ms == 40
    assert ring(log, 60) == ["sooner", "late", "later"]
    assert log.timers.look(log.group, 60).next_ms is None


@pytest.mark.parametrize("written", [False, True])
def test_pages_go_on_where_the_last_one_ended(written: bool) -> None:
    log = a_log()
    for n in range(10):
        put(log, n // 3, str(n))
    if written:
        log.commit_now()
    got = []
    for _ in range(10):
        got += ring(log, 100, limit=3)
    assert got == [str(n) for n in range(10)]
    assert not log.timers.look(log.group, 100).more


def test_one_that_was_dropped_does_not_ring_and_is_passed() -> None:
    log = a_log()
    put(log, 30, "kept")
    for written in (False, True):
        gone = [put(log, n, "gone") for n in (10, 20)]
        if written:
            log.commit_now()
        for key in gone:
            drop(log, key)
        assert log.timers.look(log.group, 5).next_ms == 30
    assert ring(log, 30) == ["kept"]


def test_what_was_not_consumed_rings_again_in_the_next_life_and_what_was_does_not() -> None:
    store = MemoryStore()
    log = a_log(store)
    for due_ms in (10, 20, 30):
        put(log, due_ms, str(due_ms))
    log.commit_now()
    assert ring(log, 20) == ["10", "20"]
    message = log.inbox.next(log.group)
    assert message is not None
    step = Step(b"p", b"")
    step.consume(message)
    log.commit(step)
    log.commit_now()
    store.crash()
    again = a_log(store)
    assert ring(again, 20) == ["20"]
    assert ring(again, 30) == ["30"]


def test_the_stored_cursor_follows_and_waits_for_those_on_their_way() -> None:
    store = MemoryStore()
    log = a_log(store)
    for due_ms in (10, 20, 30):
        put(log, due_ms, str(due_ms))
    ring(log, 20)
    log.commit_now()
    assert log.timers.cursor_ms() == 10
    assert consume_all(log) == ["10", "20"]
    log.commit_now()
    assert log.timers.cursor_ms() == 30
    ring(log, 30)
    consume_all(log)
    put(log, 1 << 50, "far")
    log.commit_now()
    assert log.timers.cursor_ms() == 1 << 50
    log.close()
    assert a_log(store).timers.next_ms == 1 << 50


def test_a_clock_that_was_set_back_leaves_nothing_behind_the_cursor() -> None:
    store = MemoryStore()
    log = a_log(store)
    put(log, 1000, "a")
    assert ring(log, 1000) == ["a"]
    assert consume_all(log) == ["a"]
    log.commit_now()
    put(log, 500, "b")
    put(log, 700, "c")
    assert ring(log, 400) == []
    log.commit_now()
    store.crash()
    again = a_log(store)
    assert ring(again, 499) == []
    assert ring(again, 500) == ["b"]
    put(again, 300, "at once")
    assert ring(again, 500) == ["at once"]
    assert ring(again, 700) == ["c"]


def test_one_that_is_held_waits_and_rings_when_it_is_released() -> None:
    log = a_log()
    key = put(log, 10, "held")
    put(log, 20, "other")
    assert log.timers.is_pending(key, log.group)
    log.timers.hold(key)
    assert not log.timers.is_pending(key, log.group)
    assert ring(log, 20) == ["other"]
    consume_all(log)
    log.commit_now()
    assert log.timers.cursor_ms() == 10
    told: list[int] = []
    log.timers.on_earlier = told.append
    log.timers.release(key)
    log.timers.release(key)
    assert told == [10]
    assert ring(log, 20) == ["held"]


def test_one_on_its_way_is_pending_no_more() -> None:
    log = a_log()
    key = put(log, 10, "x")
    ring(log, 10)
    assert not log.timers.is_pending(key, log.group)
    consume_all(log)
    assert not log.timers.is_pending(key, log.group)
    assert not log.timers.is_pending(keys.timed(keys.TIMER, 10, 99), log.group)


def test_what_repeats_becomes_one_by_itself_and_the_next_one() -> None:
    log = a_log()
    step = Step(b"", b"")
    schedule = log.take_lsn()
    log.timers.add(step, 10, schedule, timer("tick", schedule))
    log.commit(step)
    [ticking] = log.timers.look(log.group, 10).due
    step = Step(b"", b"")
    once = log.timers.repeat(step, ticking, 25, log.take_lsn())
    log.commit(step)
    log.timers.ring(ticking[0], once)
    assert consume_all(log) == ["tick"]
    log.commit_now()
    origin = origin_of(log.store.identity(), schedule)
    found = log.timers.find(origin, None, log.group)
    assert found is not None
    key, _ = found
    assert keys.due_of(key) == 25
    [ticking] = log.timers.look(log.group, 25).due
    assert ticking[0] == key
    step = Step(b"", b"")
    log.timers.repeat(step, ticking, None, log.take_lsn())
    log.commit(step)
    assert log.timers.find(origin, None, log.group) is None


def test_the_message_of_a_timer_says_since_when_it_was_due() -> None:
    log = a_log()
    put(log, 10, "x")
    ring(log, 99)
    message = log.inbox.next(log.group)
    assert isinstance(message, Message)
    assert (message.partition, message.payload(), getattr(message, "due_ms", None)) == (b"p", b"x", 10)
