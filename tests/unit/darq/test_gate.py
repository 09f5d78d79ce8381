"""What leaves the store waits for its group."""

import pytest

from darq.errors import OutcomeUnknown
from darq.gate import Gate


def test_an_action_waits_for_its_own_group_even_where_a_later_one_was_waited_for_first() -> None:
    gate, seen = Gate(2), list[int]()
    for group in (5, 3, 4, 3):
        gate.release(group, lambda error, group=group: seen.append(group))
    gate.open_to(3)
    assert seen == [3, 3]
    gate.open_to(5)
    assert seen == [3, 3, 4, 5]
    assert gate.durable == 5


def test_an_action_of_a_durable_group_runs_at_once() -> None:
    gate, seen = Gate(2), list[BaseException | None]()
    gate.release(2, seen.append)
    assert seen == [None]


def test_actions_of_one_group_run_in_the_order_given() -> None:
    gate, seen = Gate(0), list[int]()
    for n in range(5):
        gate.release(1, lambda error, n=n: seen.append(n))
    gate.open_to(1)
    assert seen == [0, 1, 2, 3, 4]


def test_an_action_that_raises_keeps_no_other_from_running() -> None:
    gate, seen = Gate(0), list[BaseException | None]()

    def breaks(error: BaseException | None) -> None:
        raise ValueError("the caller is gone")

    gate.release(1, breaks)
    gate.release(1, seen.append)
    gate.release(2, seen.append)
    with pytest.raises(ValueError, match="gone"):
        gate.open_to(2)
    assert seen == [None, None]


def test_a_failure_reaches_all_that_wait_and_all_that_come() -> None:
    gate, seen = Gate(0), list[BaseException | None]()
    gate.release(1, seen.append)
    gate.release(7, seen.append)
    failure = OutcomeUnknown("the disk is gone")
    gate.fail(failure)
    gate.release(0, seen.append)
    assert seen == [failure] * 3


def test_the_durable_group_never_falls() -> None:
    gate = Gate(0)
    gate.open_to(5)
    gate.open_to(3)
    assert gate.durable == 5
