"""When a message is due: after a delay, at a time, again and again. The one file that knows cron expressions.

rule = "p" period-ms:u64 | "c" cron expression in UTF-8 | nothing (it comes once)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime

from cronsim import CronSim, CronSimError

from automata.errors import InvalidArgument
from darq.timers import TIME_MAX_MS

PERIOD_SECONDS_MIN = 0.01
CRON_CHARACTERS_MAX = 256

CLOCK_CHECK_SECONDS = 60.0
"""How long a loop may wait for a time of the wall clock before it looks again: that clock is set, machines are
suspended, and the loop's own clock is not told."""

_PERIOD, _CRON = b"p", b"c"
_PERIOD_BYTES = 9


@dataclass(frozen=True, slots=True)
class When:
    """When a message is due. rule: how it repeats, or nothing. Without delay and time, it is due first by its rule."""

    delay: float | None
    at_ms: int | None
    rule: bytes

    def due_ms(self, now: float) -> int:
        """When it is due (first), in ms since the epoch, never early. now: seconds since the epoch.

        Raises InvalidArgument for a time that is too far away.
        """
        if self.at_ms is not None:
            return self.at_ms
        if self.delay is None:
            now_ms = math.ceil(now * 1000)
            first_ms = next_due_ms(self.rule, now_ms, now_ms)
            if first_ms is None:
                raise InvalidArgument(f"every={self.rule[1:].decode()!r} comes never again")
            return first_ms
        due_ms = math.ceil((now + self.delay) * 1000)
        if due_ms > TIME_MAX_MS:
            raise InvalidArgument(f"a delay of {self.delay} s ends later than any clock will show")
        return max(0, due_ms)


def when(delay: float | None, at: datetime | None, every: float | str | None) -> When:
    """The options of `send`, checked. Raises InvalidArgument."""
    if delay is not None and at is not None:
        raise InvalidArgument("send() takes delay= or at=, not both")
    if delay is not None and (type(delay) not in (int, float) or not 0 <= delay < math.inf):
        raise InvalidArgument(f"delay= is a number of seconds, 0 or more, not {delay!r}")
    return When(delay, None if at is None else _time_ms(at), b"" if every is None else _rule(every))


def check_due(due_ms: int) -> int:
    """A time from outside, in ms since the epoch. Raises InvalidArgument if it is none that a clock will show."""
    if not 0 <= due_ms <= TIME_MAX_MS:
        raise InvalidArgument(f"{due_ms} ms since the epoch is later than any clock will show")
    return due_ms


def check_rule(rule: bytes) -> None:
    """Raise InvalidArgument for bytes from outside that are no rule."""
    if rule[:1] == _PERIOD and len(rule) == _PERIOD_BYTES:
        _rule(int.from_bytes(rule[1:], "big") / 1000)
    elif rule[:1] == _CRON:
        _cron(rule[1:].decode("ascii", errors="replace"))
    elif rule:
        raise InvalidArgument(f"{rule[:20]!r} is no rule of repeating")


def next_due_ms(rule: bytes, due_ms: int, now_ms: int) -> int | None:
    """When what was due at `due_ms` is due next, behind `now_ms`; None if never again.

    Periods are counted from where they began, so that a late delivery shifts none of the next ones.
    """
    now_ms = max(due_ms, now_ms)
    if rule[:1] == _PERIOD:
        period_ms = int.from_bytes(rule[1:], "big")
        return due_ms + ((now_ms - due_ms) // period_ms + 1) * period_ms
    try:
        ticks = CronSim(rule[1:].decode(), datetime.fromtimestamp(now_ms / 1000, UTC))
        return int(next(ticks).timestamp() * 1000)
    except (StopIteration, OverflowError):
        return None


def _time_ms(at: object) -> int:
    if not isinstance(at, datetime):
        raise InvalidArgument(f"at= is a datetime with a time zone, not {at!r}")
    if at.utcoffset() is None:
        raise InvalidArgument(
            f"at={at!r} has no time zone, so it could be any of many times: use datetime(..., tzinfo=UTC) or "
            "datetime.now(UTC) + timedelta(...)"
        )
    return max(0, math.ceil(at.timestamp() * 1000))


def _rule(every: object) -> bytes:
    if isinstance(every, str):
        return _cron(every)
    if type(every) not in (int, float) or not PERIOD_SECONDS_MIN <= every < TIME_MAX_MS / 2000:  # type: ignore[operator]
        raise InvalidArgument(
            f"every= is a number of seconds, {PERIOD_SECONDS_MIN} or more, or a cron expression, not {every!r}"
        )
    return _PERIOD + round(every * 1000).to_bytes(8, "big")  # type: ignore[operator]


def _cron(expression: str) -> bytes:
    bad = f"every={expression[:CRON_CHARACTERS_MAX]!r} is no cron expression (minute hour day month weekday, in UTC)"
    if len(expression) > CRON_CHARACTERS_MAX or not expression.isascii():
        raise InvalidArgument(f"{bad}: it has at most {CRON_CHARACTERS_MAX} characters, all of them ASCII")
    rule = _CRON + expression.encode()
    try:
        first_ms = next_due_ms(rule, 0, 0)
    except CronSimError as error:
        raise InvalidArgument(f"{bad}: {error}") from error
    if first_ms is None:
        raise InvalidArgument(f"{bad}: there is no such day")
    return rule
