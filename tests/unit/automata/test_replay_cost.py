"""When a checkpoint is due."""

from automata import replay_cost
from automata.replay_cost import due, snapshot_worth


def test_few_records_are_never_worth_a_checkpoint() -> None:
    assert not due(0, 0, 0)
    assert not due(100, 10_000, 0)


def test_many_records_are_worth_one() -> None:
    assert due(int(replay_cost.REPLAY_US_MIN / replay_cost.RECORD_US) + 1, 0, 0)


def test_few_large_records_are_worth_one() -> None:
    assert due(1, int(replay_cost.REPLAY_US_MIN * replay_cost.RECORD_BYTES_PER_US), 0)


def test_a_large_snapshot_is_written_less_often() -> None:
    assert not due(20_000, 0, 100_000_000)
    assert due(2_000_000, 0, 100_000_000)


def test_a_postponed_checkpoint_is_due_after_as_many_records_more() -> None:
    postponed = snapshot_worth(2 * 20_000, 2 * 1000)
    assert not due(20_001, 1001, postponed)
    assert due(40_001, 2001, postponed)
