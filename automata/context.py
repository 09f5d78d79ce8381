"""What code can ask for while it runs inside a method: the time, identifiers, chance, and a logger with the address.

Each goes through the engine, which is given clock and randomness (ENGINE, decision 25) and will journal what a method
with commit points has seen.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import MutableMapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from automata.errors import StateError

if TYPE_CHECKING:
    from automata.turn import Turn

CURRENT: ContextVar[Turn | None] = ContextVar("automata_turn", default=None)
"""The turn whose code runs now; None outside of any method."""


def now() -> float:
    """The time in seconds since the epoch, as this method's step sees it."""
    return _turn("now()").host.clock()


def uuid4() -> uuid.UUID:
    """A new random UUID."""
    return uuid.UUID(int=_turn("uuid4()").host.random.getrandbits(128), version=4)


def random() -> float:
    """A random float in [0, 1)."""
    return _turn("random()").host.random.random()


def delete() -> None:
    """Delete the object whose method runs, with this step: a deleted object is an empty one, and later messages
    apply to it. What the method writes afterwards belongs to the new life."""
    _turn("delete()").delete()


def _turn(what: str) -> Turn:
    turn = CURRENT.get()
    if turn is None:
        raise StateError(f"{what} works inside a method of an object: elsewhere use the standard library")
    turn.check_active()
    return turn


class _AddressLogger(logging.LoggerAdapter[logging.Logger]):
    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        turn = CURRENT.get()
        return (msg if turn is None else f"{turn.entity.address}: {msg}"), kwargs


logger = _AddressLogger(logging.getLogger("automata"), {})
"""Logs with the address of the object whose method runs."""
