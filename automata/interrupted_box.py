"""Unfinished methods that wait for a person, in one log: resumed, begun anew, given up. It needs no running engine.

What is let go on here is resumed by whoever opens the store next; a running engine resumes it at once.
"""

from __future__ import annotations

from collections.abc import Iterator

from automata.errors import StateError
from automata.journal import Journal
from automata.keyed import Keyed
from automata.open_invocations import OpenInvocations, interrupted
from automata.work import Outcome, Request
from darq.log import Log
from darq.step import Step


class InterruptedBox:
    """The unfinished methods of one log that wait for a person."""

    def __init__(self, log: Log, opened: OpenInvocations, keyed: Keyed) -> None:
        self._log = log
        self._opened = opened
        self._keyed = keyed

    def waiting(self) -> Iterator[Journal]:
        """In order of their numbers."""
        return (journal for journal in self._opened.all() if journal.row.trouble)

    def is_waiting(self, number: int) -> bool:
        """Whether a method of this number waits for a person."""
        journal = self._opened.find(number)
        return journal is not None and bool(journal.row.trouble)

    def retry(self, number: int) -> Journal:
        """Let a method go on where it stopped. StateError if there is none of this number that waits."""
        journal = self._find(number)
        journal.row.attempts, journal.row.deaths, journal.row.alone = 0, 0, False
        return journal

    def restart(self, number: int) -> Journal:
        """Let a method begin anew: what its parts have done stays done, and is done again."""
        journal = self.retry(number)
        self._load(journal)
        return self._opened.restart(journal)

    def release(self, journal: Journal) -> None:
        """Save that a method waits for nobody any more: the next life resumes it."""
        row = journal.row
        row.trouble = row.error = row.traceback = ""
        self._opened.changed(journal)
        self._log.touch()

    def discard(self, number: int) -> None:
        """Give a method up: what its parts have done stays, and whoever waits for it gets Interrupted."""
        journal = self._find(number)
        self._load(journal)
        row, outcome = journal.row, Outcome(None, interrupted(journal), 0)
        step = Step(row.partition, b"")
        if row.request:
            self._keyed.give_up(step, Request(row.request, row.fingerprint), outcome, row.kept_ms)
        self._log.commit(step)
        if row.caller is not None:
            self._opened.give_up(row.caller, outcome)
        self._opened.end(journal)

    def _load(self, journal: Journal) -> None:
        if not journal.loaded:
            self._opened.load(journal)

    def _find(self, number: int) -> Journal:
        journal = self._opened.find(number)
        if journal is None or not journal.row.trouble:
            raise StateError(f"there is no interrupted method {number}: it was resumed or discarded before")
        return journal
