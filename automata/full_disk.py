"""What waits for space on the disk, or in the window of the inbox, tries again in a while: how long that is."""

from automata.errors import StorageFull
from darq.log import Log

PAUSE_SECONDS = 0.25
"""As long as a look at the free space counts (`Limits.free_check_seconds`)."""


def refused(error: Exception, log: Log) -> bool:
    """Whether the log has refused a step for want of space, rather than a user's code has raised the same."""
    return isinstance(error, StorageFull) and log.refusing
