"""Outcomes of requests that are kept until their askers have them."""

from __future__ import annotations

from darq import keys
from darq.limits import Limits
from darq.log import Log
from darq.memory import MemoryStore
from darq.step import Answer, Step

A, B = b"T\x00a", b"T\x00b"
HOUR_MS = 3600 * 1000


class Clock:
    seconds = 1_000_000.0

    def __call__(self) -> float:
        return self.seconds


def opened(store: MemoryStore, clock: Clock | None = None) -> Log:
    return Log(store.reopen(), Limits(request_seconds_kept=3600), clock or Clock())


def give(log: Log, *answers: Answer) -> None:
    step = Step(answers[0].partition, b"")
    step.answers = list(answers)
    log.commit(step)


def rows(store: MemoryStore) -> list[int]:
    return [keys.number_of(key) for key, _ in store.scan(keys.ANSWERS, keys.after(keys.ANSWERS), 100)]


def test_an_outcome_is_found_until_it_is_forgotten() -> None:
    log = opened(MemoryStore())
    give(log, Answer(b"r", A, b"one"))
    assert log.answers.find(b"r") == b"one"
    log.commit_now()
    assert log.answers.find(b"r") == b"one"
    log.answers.forget(b"r")
    assert log.answers.find(b"r") is None
    log.answers.forget(b"r")


def test_it_survives_with_the_step_that_gave_it_or_not_at_all() -> None:
    store = MemoryStore()
    log = opened(store)
    give(log, Answer(b"r", A, b"kept"))
    log.commit_now()
    give(log, Answer(b"s", A, b"lost"))
    store.crash()
    log = opened(store)
    assert log.answers.find(b"r") == b"kept"
    assert log.answers.find(b"s") is None


def test_a_group_has_one_row_which_goes_with_the_last_of_its_outcomes() -> None:
    store = MemoryStore()
    log = opened(store)
    give(log, Answer(b"r", A, b"1"), Answer(b"s", B, b"2"))
    give(log, Answer(b"t", A, b"3"))
    group = log.commit_now()
    assert rows(store) == [group]
    log.answers.forget(b"r")
    log.answers.forget(b"t")
    log.touch()
    log.commit_now()
    assert rows(store) == [group]
    log.answers.forget(b"s")
    log.touch()
    log.commit_now()
    assert rows(store) == []


def test_what_is_forgotten_before_its_group_is_written_takes_no_row() -> None:
    store = MemoryStore()
    log = opened(store)
    give(log, Answer(b"r", A, b"1"))
    log.answers.forget(b"r")
    log.commit_now()
    assert rows(store) == []


def test_forgetting_goes_on_in_the_next_life() -> None:
    store = MemoryStore()
    log = opened(store)
    give(log, Answer(b"r", A, b"1"), Answer(b"s", A, b"2"))
    log.commit_now()
    store.crash()
    log = opened(store)
    log.answers.forget(b"r")
    log.answers.forget(b"s")
    log.touch()
    log.commit_now()
    assert rows(store) == []


def test_whoever_never_says_that_it_has_its_answers_costs_a_row_for_a_time() -> None:
    store, clock = MemoryStore(), Clock()
    log = opened(store, clock)
    give(log, Answer(b"r", A, b"1"))
    log.commit_now()
    clock.seconds += 3599
    log.touch()
    log.commit_now()
    assert log.answers.find(b"r") == b"1"
    clock.seconds += 2
    log.touch()
    log.commit_now()
    assert log.answers.find(b"r") is None
    assert rows(store) == []


def test_an_outcome_that_came_again_is_kept_for_as_long_as_the_newer_row_of_it() -> None:
    store, clock = MemoryStore(), Clock()
    log = opened(store, clock)
    give(log, Answer(b"r", A, b"1"))
    log.commit_now()
    clock.seconds += 1800
    give(log, Answer(b"r", A, b"1"))  # its object has gone and come back, with all that it has
    newer = log.commit_now()
    clock.seconds += 1801
    log.touch()
    log.commit_now()
    assert log.answers.find(b"r") == b"1"
    assert rows(store) == [newer]
    clock.seconds += 1800
    log.touch()
    log.commit_now()
    assert log.answers.find(b"r") is None
    assert rows(store) == []


def test_what_lasts_is_kept_for_longer_also_in_later_lives_and_takes_no_others_along() -> None:
    store, clock = MemoryStore(), Clock()
    give(log := opened(store, clock), Answer(b"short", A, b"1"), Answer(b"last", A, b"2"))
    log.commit_now()
    for _ in range(2):
        log = opened(store, clock)
        log.answers.lasting = lambda request: request == b"last"
        clock.seconds += 24 * 3600
        log.touch()
        log.commit_now()
        assert (log.answers.find(b"short"), log.answers.find(b"last")) == (None, b"2")
    clock.seconds += 30 * 24 * 3600
    log.touch()
    log.commit_now()
    assert log.answers.find(b"last") is None
    assert rows(store) == []


def test_what_lasts_goes_when_it_is_forgotten() -> None:
    store, clock = MemoryStore(), Clock()
    log = opened(store, clock)
    log.answers.lasting = lambda request: request == b"last"
    give(log, Answer(b"short", A, b"1"), Answer(b"last", A, b"2"))
    log.commit_now()
    clock.seconds += 3601
    log.touch()
    log.commit_now()
    log.answers.forget(b"last")
    log.touch()
    log.commit_now()
    assert log.answers.find(b"last") is None
    assert rows(store) == []


def test_those_of_one_partition_can_be_told() -> None:
    log = opened(MemoryStore())
    give(log, Answer(b"r", A, b"1"), Answer(b"s", A, b"2"))
    give(log, Answer(b"t", B, b"3"))
    assert [answer.request for answer in log.answers.of(A)] == [b"r", b"s"]
    assert set(log.answers.partitions()) == {A, B}
