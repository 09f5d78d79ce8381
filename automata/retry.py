"""The retry policy of a type: how often a message whose step raises is tried, and how long it waits in between."""

from __future__ import annotations

import math
from dataclasses import dataclass

SECONDS_MAX = 10**11
"""Times are kept as milliseconds in 64 bits: this is 3,000 years, and counted from now it still is a date."""


@dataclass(frozen=True)
class Retry:
    """How messages to objects of a type are tried again: `@object_type(retry=Retry(tries=3))`.

    tries: how often a message is tried in all, before it is a dead letter; 1 makes it one at once. first_seconds: the
    pause after the first failed try; each later pause is `factor` times as long, and none is longer than seconds_max.
    Calls are not retried: their callers get the error.
    """

    tries: int = 5
    first_seconds: float = 0.05
    factor: float = 2.0
    seconds_max: float = 60.0

    def pause_seconds(self, failed: int) -> float:
        """How long a message waits that has failed so many times."""
        try:
            pause = self.first_seconds * float(self.factor) ** (failed - 1)
        except OverflowError:
            return self.seconds_max
        return min(pause, self.seconds_max)

    def fault(self) -> str | None:
        """What is wrong with it, in a sentence."""
        if type(self.tries) is not int or self.tries < 1:
            return f"retry tries={self.tries!r} must be an int of at least 1: the first try counts"
        if not _is_number(self.first_seconds) or self.first_seconds < 0:
            return f"retry first_seconds={self.first_seconds!r} must be a number of seconds, 0 or more"
        if not _is_number(self.factor) or self.factor < 1:
            return f"retry factor={self.factor!r} must be a number of at least 1: pauses do not shrink"
        if not _is_number(self.seconds_max) or self.seconds_max < self.first_seconds:
            return f"retry seconds_max={self.seconds_max!r} must be a number of seconds, at least first_seconds"
        if self.seconds_max > SECONDS_MAX:
            return f"retry seconds_max={self.seconds_max!r} must be at most {SECONDS_MAX:,} seconds"
        return None


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]
