"""The first group of a new store, by which a copy that has lost its disk is told from one that never held anything."""

from __future__ import annotations

from darq.committer import Committer
from darq.log import Log


async def hold_something(log: Log, committer: Committer) -> None:
    """Let a new store, and all copies in sync, hold a group before it is led. Raises what the log has failed with."""
    if log.group.number == 1:
        log.touch()
        await committer.settle()
        if log.gate.failure is not None:
            raise log.gate.failure
