"""Who is alive: heartbeats, counted in the coordinator's own ticks, and one outstanding call at each copy.

A process that ends breaks its call, which shows at once; one that stands still lets its heartbeats end. What is found
here is suspicion, and never more: epochs and leases keep a copy that lives after all from doing harm.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from automata.context import logger
from darq.errors import AutomataError
from ssms.coordinator.settings import Settings
from ssms.peers import Peers, Unreachable


class Vigil:
    """What a coordinator knows of the processes of copies. suspects: those that do not answer.

    suspected, returned: are called with the name of a copy that has begun to be suspect, or has ceased to be.
    lost_part: with that of one whose process says that it has lost its part.
    """

    def __init__(self, peers: Peers, settings: Settings) -> None:
        self.suspects: set[str] = set()
        self.ticks = 0
        self.suspected: Callable[[str], None] = _nobody
        self.returned: Callable[[str], None] = _nobody
        self.lost_part: Callable[[str], None] = _nobody
        self._peers = peers
        self._settings = settings
        self._heard: dict[str, int] = {}
        self._spoke: dict[str, int] = {}
        self._started: dict[str, float] = {}
        self._watches: dict[str, asyncio.Task[None]] = {}
        self._closed = False

    @property
    def started(self) -> frozenset[str]:
        """The copies whose processes were seen to, so that there is nothing to do but to wait for them."""
        return frozenset(copy for copy, until in self._started.items() if self.ticks < until)

    def starting(self, copy: str, ticks: float) -> None:
        """A process of a copy is seen to; unless it reports, that is done again after so many ticks."""
        self._started[copy] = self.ticks + ticks

    def watch(self, copy: str) -> None:
        """A copy has a part from now on: it is expected to answer, and to send heartbeats."""
        self._unwatch(copy)
        if not self._closed:
            self.suspects.discard(copy)
            self._heard[copy] = self.ticks
            self._watches[copy] = asyncio.get_running_loop().create_task(self._watch(copy))

    def lives(self, copy: str) -> bool:
        """Whether its process has said anything lately, with a part or without."""
        return self.ticks - self._spoke.get(copy, -math.inf) <= self._settings.silent_ticks_max

    def reported(self, copy: str) -> None:
        """A new process of a copy has said hello: it has no part yet."""
        self._spoke[copy] = self.ticks
        self._unwatch(copy)
        self._heard.pop(copy, None)
        self.suspects.discard(copy)

    def heard(self, copy: str) -> None:
        """A heartbeat."""
        self._spoke[copy] = self.ticks
        if copy in self._heard:
            self._heard[copy] = self.ticks
        if copy in self.suspects:
            self.watch(copy)
            self.returned(copy)

    def suspect(self, copy: str) -> None:
        """A copy did not answer."""
        self._unwatch(copy)
        if copy not in self.suspects and not self._closed:
            self.suspects.add(copy)
            self.suspected(copy)

    def forget(self, copy: str) -> None:
        """A copy shall have no process any more."""
        self.reported(copy)
        self._started.pop(copy, None)
        self._spoke.pop(copy, None)

    def tick(self, stalled: bool) -> None:
        """Some time has passed. stalled: the coordinator itself stood still, so everybody gets a full period."""
        self.ticks += 1
        for copy, heard in list(self._heard.items()):
            if stalled:
                self._heard[copy] = self.ticks
            elif self.ticks - heard > self._settings.silent_ticks_max and copy not in self.suspects:
                logger.warning("copy %s has sent no heartbeat for %d ticks: it is suspect", copy, self.ticks - heard)
                self.suspect(copy)

    async def close(self) -> None:
        """Watch nobody any more."""
        self._closed = True
        tasks = list(self._watches.values())
        self._watches.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self, copy: str) -> None:
        try:
            await self._peers.copy(copy).call("watch")
        except (Unreachable, AutomataError) as error:
            logger.warning("copy %s has ended or cannot be reached: %s", copy, error)
            self.suspect(copy)
        else:
            self._watches.pop(copy, None)
            self.lost_part(copy)

    def _unwatch(self, copy: str) -> None:
        task = self._watches.pop(copy, None)
        if task is not None and task is not asyncio.current_task():
            task.cancel()


def _nobody(copy: str) -> None:
    pass
