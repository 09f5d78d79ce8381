"""The thread that renews leases, looked at step by step, without a thread."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future

from ssms.renewal import STUCK_SECONDS_MAX, Renewal, Ways


class Copy:
    """A copy that leads and wants a heartbeat to each of its backups whenever it is asked."""

    def __init__(self, *backups: str) -> None:
        self.backups = list(backups)
        self.placed = True
        self.due = True
        self.heard: list[tuple[str, float, bytes]] = []

    def beat(self, copy: str) -> bytes | None:
        return b"beat " + copy.encode() if self.due else None

    def beaten(self, copy: str, sent_at: float, reply: bytes) -> None:
        self.heard.append((copy, sent_at, reply))


class Process:
    """What surrounds the thread; the event loop turns when the test says so."""

    def __init__(self, copy: Copy) -> None:
        self.now = 100.0
        self.sent: list[tuple[str, bytes, Future[bytes]]] = []
        self.told = 0
        self.turns: list[Callable[[], None]] = []
        self.ended = False
        self.renewal = Renewal(copy, Ways(self.ship, self.tell, lambda: self.now, self.turns.append, self.end))

    def ship(self, copy: str, data: bytes) -> Future[bytes]:
        answer: Future[bytes] = Future()
        self.sent.append((copy, data, answer))
        return answer

    def tell(self) -> None:
        self.told += 1

    def end(self) -> None:
        self.ended = True

    def later(self, seconds: float) -> None:
        self.now += seconds
        self.renewal.look()


def test_due_heartbeats_go_to_all_backups_and_their_answers_count_from_when_they_were_sent() -> None:
    copy = Copy("b", "c")
    process = Process(copy)
    process.renewal.look()
    assert [(name, data) for name, data, _ in process.sent] == [("b", b"beat b"), ("c", b"beat c")]
    process.now = 100.5
    process.sent[1][2].set_result(b"yes")
    assert copy.heard == [("c", 100.0, b"yes")]


def test_nothing_is_sent_that_is_not_due() -> None:
    copy = Copy("b")
    copy.due = False
    process = Process(copy)
    process.renewal.look()
    assert process.sent == []


def test_a_backup_that_is_silent_keeps_no_other_waiting() -> None:
    copy = Copy("b", "c")
    process = Process(copy)
    process.renewal.look()
    process.sent[1][2].set_result(b"yes")
    process.later(0.3)
    assert [name for name, _, _ in process.sent] == ["b", "c", "c"]
    process.later(0.8)
    assert [name for name, _, _ in process.sent[3:]] == ["b"]


def test_an_answer_that_failed_is_none() -> None:
    copy = Copy("b")
    process = Process(copy)
    process.renewal.look()
    process.sent[0][2].set_exception(OSError("gone"))
    process.later(0.1)
    assert copy.heard == []
    assert len(process.sent) == 2


def test_the_coordinator_hears_now_and_then_from_a_copy_that_has_a_part() -> None:
    copy = Copy()
    copy.placed = False
    process = Process(copy)
    process.later(1)
    assert process.told == 0
    copy.placed = True
    for _ in range(10):
        process.later(0.1)
    assert process.told == 2


def test_a_loop_that_is_busy_for_some_seconds_costs_nothing_and_one_that_is_stuck_ends_the_process() -> None:
    process = Process(Copy("b"))
    process.renewal.look()
    for _ in range(int(STUCK_SECONDS_MAX * 2) - 1):
        process.later(0.5)
    assert len(process.turns) == 1
    assert len(process.sent) > 30
    process.turns[0]()
    for _ in range(int(STUCK_SECONDS_MAX * 2)):
        process.later(0.5)
    assert not process.ended
    process.later(0.5)
    assert process.ended


def test_a_process_that_stood_still_is_not_stuck() -> None:
    process = Process(Copy("b"))
    process.renewal.look()
    process.later(10 * STUCK_SECONDS_MAX)
    assert not process.ended
