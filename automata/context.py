"""What code can ask for while it runs inside a method: the time, identifiers, chance, and a logger with the address.

Each goes through the engine, which is given clock and randomness and will journal what a method
with commit points has seen.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Generator, MutableMapping, Sequence
from contextvars import ContextVar
from typing import Any, Protocol

from automata.calls import Call, Cancelled, Point
from automata.errors import StateError
from automata.printable import printable
from automata.when import When


class RunningMethod(Protocol):
    """What the code of a method can do besides touching its object's fields. `automata.turn.Turn` is it."""

    replaying: bool
    """Whether it does again what has happened already, after a crash."""

    @property
    def address(self) -> str:
        """TYPE/KEY of the object."""

    @property
    def application(self) -> str:
        """What the private methods of its type belong to."""

    def check_active(self) -> None:
        """Raise StateError after the end of the method, and in other tasks than its own."""

    def call(self, call: Call) -> Generator[Any, Any, Any]:
        """Call another object: a commit point."""

    def gather(self, calls: Sequence[Call]) -> Generator[Any, Any, list[Any]]:
        """Call several objects at one commit point."""

    def suspend(self, point: Point) -> Generator[Any, Any, Any]:
        """Await something else at a commit point."""

    def send(self, call: Call, when: When | None = None) -> str:
        """Send a message with this part's step, now or later. Returns the id of one that is due later."""

    def cancel(self, message_id: str) -> Cancelled:
        """Cancel a message with this part's step, or when it is awaited, if another store may keep it."""

    def record(self, event: object) -> None:
        """Add a self-message to the step, and apply it at once."""

    def delete(self) -> None:
        """Empty the object with this part's step."""

    def now(self) -> float:
        """Seconds since the epoch."""

    def random_bits(self, count: int) -> int:
        """An integer of `count` random bits."""


CURRENT: ContextVar[RunningMethod | None] = ContextVar("automata_running_method", default=None)
"""The method whose code runs now; None outside of any."""


_FLOAT_BITS = 53


def now() -> float:
    """The time in seconds since the epoch, as this method's step sees it."""
    return running_method("now()").now()


def uuid4() -> uuid.UUID:
    """A new random UUID."""
    return uuid.UUID(int=running_method("uuid4()").random_bits(128), version=4)


def random() -> float:
    """A random float in [0, 1)."""
    return running_method("random()").random_bits(_FLOAT_BITS) / (1 << _FLOAT_BITS)


def delete() -> None:
    """Delete the object whose method runs, with this step: a deleted object is an empty one, and later messages
    apply to it. What the method writes afterwards belongs to the new life."""
    running_method("delete()").delete()


def record(event: object) -> None:
    """Record a self-message of the automaton whose handler runs, with this step, and apply it at once (SSMS §2).

    The `@apply` method for its class gets it now, and again whenever the state is rebuilt. Raises InvalidArgument if
    there is none or the event does not fit its class, and StateError anywhere but in a handler of an `@automaton`.
    """
    running = CURRENT.get()
    if running is None:
        raise StateError("record() works inside a handler of an @automaton")
    running.check_active()
    running.record(event)


def running_method(what: str) -> RunningMethod:
    """The method whose code runs now. Raises StateError outside of any. what: who asks, for the message."""
    running = CURRENT.get()
    if running is None:
        raise StateError(f"{what} works inside a method of an object: elsewhere use the standard library")
    running.check_active()
    return running


class _AddressLogger(logging.LoggerAdapter[logging.Logger]):
    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - the name that the standard library asks
        running = CURRENT.get()
        return not (running is not None and running.replaying) and super().isEnabledFor(level)

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        running = CURRENT.get()
        if running is None:
            return msg, kwargs
        address = printable(running.address).replace("%", r"\x25")  # keys are anybody's: one is no line, and no format
        return f"{address}: {msg}", kwargs


logger = _AddressLogger(logging.getLogger("automata"), {})
"""Logs with the address of the object whose method runs, and does not repeat on replay."""
