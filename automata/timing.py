"""What one step does about timers: messages that it sends for later, and those of earlier steps that it cancels.

id = store "-" lsn [ "-" due ], all in hexadecimal: the first 4 bytes of the store's identity, and what the key of the
timer's row is made of. What repeats has no due time in its id, since that changes while the id stays. A timer goes with
the slot of its receiver to another store, where it is found by what its id says (`Timer.origin`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from automata.errors import InvalidArgument
from darq.codec import Timer, origin_of

if TYPE_CHECKING:  # whoever runs methods away from any log reads ids too
    from automata.envelope import Envelope
    from darq.log import Log
    from darq.step import Step

_STORE_BYTES = 4
_id = re.compile(r"([0-9a-f]{8})-([0-9a-f]{1,16})(?:-([0-9a-f]{1,16}))?", re.ASCII)
_at_once = re.compile(r"[0-9]*", re.ASCII)  # the id of a message that is not due later


@dataclass(frozen=True, slots=True)
class _Added:
    due_ms: int
    lsn: int
    timer: Timer


@dataclass(frozen=True, slots=True)
class _Cancelled:
    """key: the timer's row; schedule: the row that leads there, of what repeats."""

    key: bytes
    schedule: bytes | None


class Others(Protocol):
    """The stores that timers may be in besides this one."""

    def has_given(self) -> bool:
        """Whether timers that were set here may be there."""


class Timing:
    """The timers that one step sets and drops.

    under: of the whole that this is a part of, which takes it over (`absorb`) or never hears of it. others: the other
    stores that could keep timers, if there are any.
    """

    def __init__(self, log: Log, under: Timing | None = None, others: Others | None = None) -> None:
        self._log = log
        self._others = others
        self._under = under
        self._store = log.store.identity()[:_STORE_BYTES].hex()
        self._added: dict[str, _Added] = {}
        self._cancelled: dict[str, _Cancelled | None] = {}

    def add(self, envelope: Envelope, due_ms: int, rule: bytes, number: int) -> str:
        """Set a timer under a number of its own. rule: how it repeats, or nothing. Returns the message's id."""
        message_id = f"{self._store}-{number:x}" if rule else f"{self._store}-{number:x}-{due_ms:x}"
        timer = Timer(number if rule else 0, rule, envelope.partition, envelope.payload())
        self._added[message_id] = _Added(due_ms, number, timer)
        return message_id

    def is_pending(self, message_id: str) -> bool | None:
        """Whether a message is not on its way yet, and not cancelled; None if another store may know.

        Raises InvalidArgument for what is no id.
        """
        if message_id in self._added:
            return True
        if message_id in self._cancelled:
            return False
        if self._under is not None:
            return self._under.is_pending(message_id)
        found = self._find(message_id)
        if found is not None and self._log.timers.is_pending(found.key, self._log.group):
            return True
        parts = parse(message_id)
        if parts is None or self._others is None:
            return False
        return None if parts[0] != self._store or self._others.has_given() else False

    def cancel(self, message_id: str, hold: bool) -> None:
        """Drop a timer that is pending. hold: it must not ring before the step."""
        if self._added.pop(message_id, None) is not None:
            return
        self._cancelled[message_id] = found = self._find(message_id)
        if found is not None and hold:
            self._log.timers.hold(found.key)

    def absorb(self, part: Timing) -> None:
        """Take over what a part of this has set and dropped."""
        for message_id in part._cancelled:
            self.cancel(message_id, hold=False)
        self._added.update(part._added)

    def stage(self, step: Step) -> None:
        """Take it all into the step."""
        for added in self._added.values():
            self._log.timers.add(step, added.due_ms, added.lsn, added.timer)
        for cancelled in self._dropped():
            step.set_row(cancelled.key, None)
            if cancelled.schedule is not None:
                step.set_row(cancelled.schedule, None)

    def release(self) -> None:
        """The step has committed, or never will: no timer is held any more."""
        for cancelled in self._dropped():
            self._log.timers.release(cancelled.key)

    def _dropped(self) -> list[_Cancelled]:
        """Those of earlier steps, as far as they are still there."""
        return [cancelled for cancelled in self._cancelled.values() if cancelled is not None]

    def _find(self, message_id: str) -> _Cancelled | None:
        parts = parse(message_id)
        if parts is None:
            return None
        store, lsn, due_ms = parts
        found = self._log.timers.find(origin_of(bytes.fromhex(store), lsn), due_ms, self._log.group)
        return None if found is None else _Cancelled(*found)


def parse(message_id: object) -> tuple[str, int, int | None] | None:
    """(store, lsn, due in ms, if it comes once) of the id of a message that is due later; None if it was not.

    Raises InvalidArgument for what is no id.
    """
    found = _id.fullmatch(message_id) if isinstance(message_id, str) else None
    if found is not None:
        store, lsn, due = found.groups()
        return store, int(lsn, 16), None if due is None else int(due, 16)
    if isinstance(message_id, str) and _at_once.fullmatch(message_id):
        return None
    raise InvalidArgument(f"cancel() takes what send() gave, or the id that awaiting it gave, not {message_id!r}")


def kept_by(identity: bytes, message_id: str) -> bool:
    """Whether an id is one of a message that is, or was, kept in the store of this identity until it is due."""
    parts = parse(message_id)
    return parts is not None and parts[0] == identity[:_STORE_BYTES].hex()
