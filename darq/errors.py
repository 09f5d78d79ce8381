"""The errors of the log, and the one base class of every error of this distribution.

Each docstring says whose fault it is and what to do next. `automata.errors` re-exports what users of objects meet.
"""


class AutomataError(Exception):
    """The base of every error that darq, automata and ssms raise themselves."""


class InvalidArgument(AutomataError, ValueError):
    """The caller's fault: a value does not fit its declared type, or is over a limit. Nothing was changed; mend it."""


class InvalidStep(AutomataError):
    """The processor's fault: the step consumes a message that is not pending, or one twice. Nothing was written."""


class Fenced(AutomataError):
    """Nobody's fault: a newer lease exists, so this holder may not write any more. Stop, and let the newer one work."""


class StaleCopy(AutomataError):
    """Nobody's fault: this copy of a store cannot say whether what it holds is the newest. Ask the store's primary."""


class StorageFull(AutomataError):
    """The disk's fault: free space is below the reserve. The step did not run; make room, call again. Reads go on."""


class OutcomeUnknown(AutomataError):
    """The store's fault: a write or flush failed, so nobody knows whether the step survives.

    The store refuses further work until it is opened again; then repeat the call with the same idempotency key.
    """


class Overloaded(AutomataError):
    """The load's fault: a queue is at its bound. The call did not run; wait a little and call again."""


class StoreLocked(AutomataError):
    """Another process (named in the message) holds this store. Close it there, or use a cluster to share it."""


class StoreDamaged(AutomataError):
    """The disk's fault: a file of the store is missing, cut or altered (named in the message).

    The store is not opened, because it would silently hold less than was acknowledged. Restore it from a backup.
    """


class NewerFormat(AutomataError):
    """The store was written by a newer release. Nothing was changed; open it with that release or a later one."""


class StorePathError(AutomataError):
    """The given path cannot hold a store (not a folder, or not writable). Give another, or mend its permissions."""


class StoreClosed(AutomataError):
    """The caller's fault: the store or app is closed. Open it again; what was acknowledged is in it."""
