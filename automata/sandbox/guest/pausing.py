"""`sleep`, and what a guest cannot await."""

from __future__ import annotations

import math
from typing import Any, Never, Protocol, cast

from automata.calls import Awaited
from automata.context import running_method
from automata.errors import InvalidArgument, StateError


class Sleeper(Protocol):
    """The method that runs, as far as pausing goes."""

    def sleep(self, seconds: float) -> Any:
        """Pause for so long: a commit point."""


async def sleep(seconds: float) -> None:
    """Let the method pause for so long. The pause is durable: it goes on across restarts, and holds no object.

    Raises StateError outside of a method, InvalidArgument for what is no number of seconds.
    """
    running = running_method("sleep()")
    if type(seconds) not in (int, float) or not 0 <= seconds < math.inf:
        raise InvalidArgument("sleep() takes a number of seconds, 0 or more")
    if not hasattr(running, "sleep"):
        raise StateError("sleep() has no place in a method whose result is kept")
    await Awaited(cast("Sleeper", running).sleep(seconds))


async def effect(*args: object, **options: object) -> Never:
    """Refused: outside work is what a sandbox keeps code from."""
    raise StateError(
        "effect() does outside work, and a sandboxed class reaches nothing outside: send to an object of a type that "
        "is deployed without a sandbox, which does it"
    )


async def transaction(*args: object, **options: object) -> Never:
    """Refused: nobody else's objects are held for code that may run for long."""
    raise StateError(
        "transaction() is not there in a sandboxed class: call a method of an object of a type that is deployed "
        "without a sandbox, which runs it"
    )
