"""Methods that may have killed the process: after a kill they are resumed under a durable mark, and parked in the end.

What an earlier life has left is resumed in one batch, under a mark in each of its rows. What died under its mark is
tried again in halves: the half that holds the culprit dies again, the others are cleared, until one is left alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from automata.journal import Journal
from automata.open_invocations import OpenInvocations
from automata.tasks import Tasks
from darq.committer import Committer
from darq.log import Log

DEATHS_MAX = 3
_SURVIVED_SECONDS = 0.02  # what still runs then has not killed the process; any longer, and kills from outside count
_SURVIVED_ALONE_SECONDS = 0.25  # as well, for the code and the effects of one that is tried alone
_LOOK_SECONDS = 0.005  # between looks at whether anything still runs


class Runner(Protocol):
    """The host, as far as trying methods needs it."""

    loop: asyncio.AbstractEventLoop
    log: Log
    committer: Committer
    open_invocations: OpenInvocations
    tasks: Tasks


class Suspects:
    """The methods of one host that are resumed after a kill. resume: runs one; park: leaves one to a person."""

    def __init__(self, host: Runner, resume: Callable[[Journal], object], park: Callable[[Journal], object]) -> None:
        self._host = host
        self._resume = resume
        self._park = park
        self._left: list[Journal] = []
        self._stopped = False

    def try_all(self, journals: list[Journal]) -> None:
        """Resume what a killed life has left: together what was not tried yet, then what died under its mark."""
        self._left = [journal for journal in journals if journal.row.deaths]
        fresh = [journal for journal in journals if not journal.row.deaths]
        if fresh:
            self._try(fresh)
        else:
            self._try_next()

    def stop(self) -> None:
        """Try no more: what is left keeps its mark for the next life."""
        self._stopped = True

    def _try(self, journals: list[Journal]) -> None:
        """Resume these once it is durable that they are being tried."""
        host = self._host
        for journal in journals:
            journal.row.deaths += 1
            journal.row.alone = len(journals) == 1
            host.open_invocations.changed(journal)

        def marked(error: BaseException | None) -> None:
            if error is None and not self._stopped:
                host.loop.call_soon(self._resume_marked, journals)

        host.log.gate.release(host.log.touch(), marked)
        host.committer.touch()

    def _resume_marked(self, journals: list[Journal]) -> None:
        for journal in journals:
            self._resume(journal)
        seconds = _SURVIVED_SECONDS if len(journals) > 1 else _SURVIVED_ALONE_SECONDS
        self._look(journals, self._host.loop.time() + seconds)

    def _look(self, journals: list[Journal], until: float) -> None:
        """They have survived when nothing runs any more, so that each has ended or waits, or after a while.

        Of one alone, whatever others do tells nothing: it has survived when it waits for them.
        """
        loop, tasks = self._host.loop, self._host.tasks
        if self._stopped or self._host.log.gate.failure is not None:
            return
        left = until - loop.time()
        runs = not tasks.quiet if len(journals) > 1 else tasks.runs(journals[0])
        if left > 0 and runs:
            loop.call_later(min(left, _LOOK_SECONDS), self._look, journals, until)
            return
        for journal in journals:
            if journal.row.deaths and not journal.ended:
                journal.row.deaths, journal.row.alone = 0, False
                self._host.open_invocations.changed(journal)
        self._try_next()

    def _try_next(self) -> None:
        """Try half of those that died together last: they have died most often."""
        left = [journal for journal in self._left if not journal.ended]
        guilty = [journal for journal in left if journal.row.deaths >= DEATHS_MAX and journal.row.alone]
        self._left = [journal for journal in left if journal not in guilty]
        for journal in guilty:
            self._park(journal)
        if not self._left:
            self._host.log.touch()
            self._host.committer.touch()
            return
        deaths = max(journal.row.deaths for journal in self._left)
        together = [journal for journal in self._left if journal.row.deaths == deaths]
        half = together[: (len(together) + 1) // 2]
        tried = {journal.number for journal in half}
        self._left = [journal for journal in self._left if journal.number not in tried]
        self._try(half)
