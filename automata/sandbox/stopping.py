"""Why WebAssembly stopped: from what wasmtime says to an error with the limit in it."""

from __future__ import annotations

from automata.errors import GuestTrapped, LimitExceeded
from automata.inline import TooLong
from automata.printable import printable
from automata.sandbox.session import Abandoned, Session, Suspended

_TEXT_MAX = 2000
_FUEL = "all fuel consumed"
LESS = "that is its result with all that it writes and sends up to an await: make it less, or await something between"
"""What to do about an answer that is too large."""

_LIMITS = (
    (_FUEL, "fuel", "has used up its fuel"),
    ("wasm trap: interrupt", "seconds", "has run for too long"),
    ("call stack exhausted", "stack", "calls itself too deep"),
    ("memory minimum size", "memory_bytes", "needs more memory than it may have"),
    (
        "fuel allocated for hostcalls",
        "write_bytes",
        f"gives its host more than 2.5 MB in one part: {LESS}",
    ),
    ("resource limit", "memory_bytes", "needs more than it may have"),
)


def stopped(session: Session, text: str) -> Exception:
    """The error for a run that ended with a trap. text: what wasmtime says of it."""
    failure = session.failure
    if isinstance(failure, TooLong | Suspended | Abandoned):
        return failure
    if failure is None and session.inline and _FUEL in text:
        return TooLong()
    session.usage.stopped += 1
    if failure is not None:
        return failure
    name = session.turn.name
    for words, limit, what in _LIMITS:
        if words in text:
            if limit == "seconds":  # what it has used is not known then: it is taken to be all that it had
                session.usage.fuel += session.limits.fuel
            return LimitExceeded(limit, f"{name} {what}")
    reason = text.rpartition("Caused by:")[2].strip() or text
    return GuestTrapped(f"{name} trapped: {printable(reason[:_TEXT_MAX])}")
