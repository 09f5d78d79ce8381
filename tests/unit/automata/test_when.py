"""When a message is due: never early, anchored where it began, refused at once if it makes no sense."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from automata.errors import InvalidArgument
from automata.when import CRON_CHARACTERS_MAX, next_due_ms, when
from tests.clock import MONDAY


def test_a_delay_counts_from_now_and_is_never_early() -> None:
    assert when(2, None, None).due_ms(1.0) == 3000
    assert when(0.0001, None, None).due_ms(1.0) == 1001
    assert when(0, None, None).due_ms(1.0005) == 1001


def test_a_time_is_that_time_in_any_zone_and_over_if_it_is() -> None:
    at = datetime(2026, 1, 5, 2, 0, 0, 1, tzinfo=timezone(timedelta(hours=2)))
    assert when(None, at, None).due_ms(0) == int(MONDAY * 1000) + 1
    assert when(None, datetime(1950, 1, 1, tzinfo=UTC), None).due_ms(0) == 0


@pytest.mark.parametrize("delay", [-1, float("nan"), float("inf"), "5", True, 1e300])
def test_a_delay_that_is_no_number_of_seconds_is_refused(delay: Any) -> None:
    with pytest.raises(InvalidArgument, match="delay"):
        when(delay, None, None).due_ms(1.0)


def test_a_time_without_a_zone_is_refused_with_what_to_do() -> None:
    with pytest.raises(InvalidArgument, match=r"no time zone.*datetime\.now"):
        when(None, datetime(2026, 1, 1), None)  # noqa: DTZ001 - the fault that is refused
    with pytest.raises(InvalidArgument, match="at= is a datetime"):
        when(None, 5, None)  # type: ignore[arg-type]


def test_a_delay_and_a_time_exclude_each_other() -> None:
    with pytest.raises(InvalidArgument, match="not both"):
        when(1, datetime.now(UTC), None)


@pytest.mark.parametrize("every", [0, 0.009, -1, float("inf"), float("nan"), True, None.__class__, 1e300])
def test_a_period_that_is_none_is_refused(every: Any) -> None:
    with pytest.raises(InvalidArgument, match="every= is a number of seconds"):
        when(None, None, every)


@pytest.mark.parametrize("cron", ["", "often", "* * * *", "61 * * * *", "0 0 30 2 *", "0 0 * * MOON", "٣ * * * *"])
def test_a_bad_cron_expression_is_refused_at_once(cron: str) -> None:
    with pytest.raises(InvalidArgument, match="is no cron expression"):
        when(None, None, cron)


def test_a_cron_expression_has_a_bound() -> None:
    with pytest.raises(InvalidArgument, match="at most"):
        when(None, None, "9" * (CRON_CHARACTERS_MAX + 1) + " * * * *")


def test_a_period_begins_one_period_from_now_or_where_it_is_told_to() -> None:
    assert when(None, None, 5).due_ms(1.0) == 6000
    assert when(2, None, 5).due_ms(1.0) == 3000
    assert when(None, datetime.fromtimestamp(9, UTC), 5).due_ms(1.0) == 9000


def test_the_next_of_a_period_is_anchored_and_in_the_future() -> None:
    rule = when(None, None, 5).rule
    assert next_due_ms(rule, 6000, 6000) == 11_000
    assert next_due_ms(rule, 6000, 6001) == 11_000
    assert next_due_ms(rule, 6000, 10_999) == 11_000
    assert next_due_ms(rule, 6000, 11_000) == 16_000
    assert next_due_ms(rule, 6000, 999_000) == 1_001_000
    assert next_due_ms(rule, 6000, 5000) == 11_000


def test_cron_goes_by_utc() -> None:
    weekly = when(None, None, "30 9 * * MON")
    first = weekly.due_ms(MONDAY)
    assert first == (MONDAY + 9.5 * 3600) * 1000
    week_ms = 7 * 24 * 3_600_000
    assert next_due_ms(weekly.rule, first, first) == first + week_ms
    assert next_due_ms(weekly.rule, first, first + 3 * week_ms) == first + 4 * week_ms


def test_cron_with_a_first_time_goes_on_by_the_expression() -> None:
    hourly = when(90, None, "0 * * * *")
    assert hourly.due_ms(MONDAY) == (MONDAY + 90) * 1000
    assert next_due_ms(hourly.rule, hourly.due_ms(MONDAY), int(MONDAY * 1000) + 90_500) == (MONDAY + 3600) * 1000


def test_a_cron_time_is_never_the_present_one() -> None:
    rule = when(None, None, "* * * * *").rule
    for now_ms in (int(MONDAY * 1000), int(MONDAY * 1000) + 1, int(MONDAY * 1000) + 59_999):
        assert next_due_ms(rule, now_ms, now_ms) == (MONDAY + 60) * 1000


def test_what_never_comes_again_has_no_next() -> None:
    assert (
        next_due_ms(when(None, None, "0 0 29 2 *").rule, 0, int(datetime(9999, 6, 1, tzinfo=UTC).timestamp() * 1000))
        is None
    )
