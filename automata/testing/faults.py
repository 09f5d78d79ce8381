"""Faults by name: on demand (`faults.next(Fault.WRITE_FAILS)`) or by chance, the same ones for the same seed.

Faults of the disk end the life of the engine, which opens again (fail-stop), but for a full one, which ends by itself.
Those of messages and requests change
what a user may not rely on: when things arrive, between whom they overtake each other, and how often they are tried.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from enum import Enum

from automata.errors import InvalidArgument
from automata.testing.disk import Died
from darq.memory import MemoryBatch

CHANCE_MAX = 0.5  # above, a store that fails again and again would never come to an end


class Fault(Enum):
    """What can go wrong.

    WRITE_FAILS: a group is not written. WRITE_UNREPORTED: it is written and survives, though the engine hears that it
    failed. FLUSH_FAILS: it is written and not flushed; a part of what was not flushed may survive.
    DISK_FULL: for some seconds there is less free space than the reserve, so that nothing is begun; clients call again.
    MESSAGE_DELAYED: a message is handed to its object seconds later, and those to the same object behind it.
    MESSAGE_DOUBLED: a stored message is handed over twice. MESSAGE_REORDERED: it overtakes one to another object.
    REQUEST_DOUBLED: a client makes the same request twice at once. REQUEST_DELAYED: a call sets out seconds later.
    """

    WRITE_FAILS = "write fails"
    WRITE_UNREPORTED = "write applied, reported as failed"
    FLUSH_FAILS = "flush fails"
    DISK_FULL = "disk full"
    MESSAGE_DELAYED = "message delayed"
    MESSAGE_DOUBLED = "message doubled"
    MESSAGE_REORDERED = "message reordered"
    REQUEST_DOUBLED = "request doubled"
    REQUEST_DELAYED = "request delayed"


class Faults:
    """Which faults happen. It is also what tells the disk about them.

    chances: by fault, the probability at each occasion, at most 0.5. delay_seconds_max: of what is delayed.
    happened: how often each did.
    """

    def __init__(
        self, seed: int = 0, chances: Mapping[Fault, float] | None = None, *, delay_seconds_max: float = 5.0
    ) -> None:
        self._chances = dict(chances or {})
        for fault, chance in self._chances.items():
            if not 0.0 <= chance <= CHANCE_MAX:
                raise InvalidArgument(f"the chance of {fault} is a number from 0 to {CHANCE_MAX}, not {chance!r}")
        self._random = random.Random(seed)
        self._delay_seconds_max = delay_seconds_max
        self._due: Counter[Fault] = Counter()
        self._armed = True
        self._full_until = float("-inf")
        self.happened: Counter[Fault] = Counter()

    def next(self, fault: Fault, times: int = 1) -> None:
        """Let a fault happen at its next occasions."""
        self._due[fault] += times

    def strikes(self, fault: Fault) -> bool:
        """Whether the fault happens at this occasion."""
        if not self._armed:
            return False
        if self._due[fault] > 0:
            self._due[fault] -= 1
        else:
            chance = self._chances.get(fault, 0.0)
            if not chance or self._random.random() >= chance:
                return False
        self.happened[fault] += 1
        return True

    def delay_seconds(self) -> float:
        """How late something comes."""
        return self._random.uniform(0.0, self._delay_seconds_max)

    def stop(self) -> None:
        """Let nothing happen any more."""
        self._armed = False
        self._full_until = float("-inf")

    def disk_full(self, now: float) -> bool:
        """Whether there is too little space, when somebody looks. now: seconds of any clock."""
        if now >= self._full_until and self.strikes(Fault.DISK_FULL):
            self._full_until = now + self.delay_seconds()
        return now < self._full_until

    def disk_was_full(self, now: float, seconds: float) -> bool:
        """Whether the disk was full within the last so many seconds."""
        return now <= self._full_until + seconds

    # what the disk asks

    def before_write(self, batch: MemoryBatch) -> None:
        """A group is about to be written."""
        self._fail(Fault.WRITE_FAILS)

    def after_write(self, flush: Callable[[], None]) -> None:
        """A group is written."""
        if self.strikes(Fault.WRITE_UNREPORTED):
            flush()
            raise Died(Fault.WRITE_UNREPORTED.value)

    def before_flush(self) -> None:
        """A group is about to be flushed."""
        self._fail(Fault.FLUSH_FAILS)

    def before_release(self) -> None:
        """A group is durable; nothing fails here but a process, which `crash_everywhere` does."""

    def _fail(self, fault: Fault) -> None:
        if self.strikes(fault):
            raise Died(fault.value)
