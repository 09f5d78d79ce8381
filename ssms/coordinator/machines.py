"""What a coordinator asks of the machines of its cluster: processes that hold copies of stores.

On Ray these are actors (`ssms/on_ray`); in tests, objects of the same process. Each call may be made again: after a
doubtful outcome, and by a coordinator that was killed in the middle and resumes its workflows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from darq.errors import AutomataError


class MachineFailed(AutomataError):
    """A machine's fault: a process could not be started or stopped there, or its disk not be wiped. Nothing is known
    of what was done; the coordinator asks again a little later, for as long as it is needed.
    """


@dataclass(frozen=True)
class Machine:
    """One node as the machines know it now. id: the same over restarts of the node, if its disk is; alive: whether
    it can run processes; is_head: whether the coordinator belongs to it.
    """

    id: str
    alive: bool
    is_head: bool


class Machines(Protocol):
    """The nodes of one cluster, and the processes on them."""

    async def nodes(self) -> list[Machine]:
        """All nodes that there are or were. May be called several times a second."""

    async def start_copy(self, node: str, store: bytes, copy: str) -> None:
        """See to it that a process holds the copy of this name on the node, restarted there whenever it ends.

        Does nothing if there is one. store: the identity of the store, which a new directory gets. The process reports
        by `hello` to the coordinator. Raises MachineFailed.
        """

    async def stop_copy(self, copy: str) -> None:
        """End the process of a copy for good, if there is one. Its directory stays. Raises MachineFailed."""

    async def wipe_copy(self, node: str, store: bytes, copy: str) -> None:
        """Delete the directory of a copy that has been stopped, if there is one. Raises MachineFailed."""

    async def is_dead(self, copy: str) -> bool:
        """Whether the process that held the copy last is known to have ended, so that it can answer nobody any more.

        False where that cannot be known, as of a machine that does not answer.
        """
