"""An exception that travels as an answer: it arrives as itself, where Ray would wrap it in a class of its own."""

from __future__ import annotations

import pickle
import traceback
from dataclasses import dataclass

from automata.errors import RemoteError


class RemoteTraceback(Exception):
    """The cause of an exception that came from another process: where it was raised there, as text."""

    def __str__(self) -> str:
        return f"\n\n{self.args[0]}"


@dataclass(frozen=True)
class Raised:
    """What a server raised, and the traceback that it had."""

    error: Exception
    trace: str

    @staticmethod
    def of(error: Exception) -> Raised:
        """What to answer for an error; one that cannot travel does so as RemoteError."""
        trace = "".join(traceback.format_exception(error))
        try:
            pickle.loads(pickle.dumps(error))  # noqa: S301 - made a line ago
        except Exception:  # noqa: BLE001 - whatever its own class does when it is pickled
            return Raised(RemoteError(type(error).__qualname__, str(error), trace), trace)
        return Raised(error, trace)

    def throw(self) -> None:
        """Raise it here."""
        raise self.error from RemoteTraceback(self.trace)
