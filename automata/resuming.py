"""Methods that an earlier life, or a failed part, has left unfinished: they are run again over their journals.

One that cannot go on waits for a person, who has it resumed, restarted or discarded: its code differs from its journal,
its type or method is gone, its last part has raised too often, or the process died too often while it ran.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING

from automata import failure, full_disk
from automata.errors import DeclarationError, StorageFull
from automata.interrupted_box import InterruptedBox
from automata.journal import Journal, JournalMismatch
from automata.keyed import Keyed
from automata.open_invocations import OpenInvocations, interrupted
from automata.partitions import address_of
from automata.strict_order import StrictOrder
from automata.type_options import DEFAULT_OPTIONS
from automata.waiting import answer_with
from automata.work import Outcome, Request, Work
from darq.errors import StoreClosed
from darq.log import Log
from darq.step import Step

if TYPE_CHECKING:
    from automata.host import Host

DEATHS_MAX = 3
_SURVIVED_SECONDS = 0.25  # a resumed method has not killed the process if its loop still runs after so long


class Trouble(StrEnum):
    """Why an unfinished method waits for a person."""

    MISMATCH = "mismatch"
    UNDEFINED = "undefined"
    RAISED = "raised"
    DIED = "died"


class Resuming:
    """Resumes the unfinished methods of one host. interrupted: those of them that wait for a person."""

    def __init__(self, host: Host, strict: StrictOrder) -> None:
        self._strict = strict
        self.interrupted = InterruptedBox(host.log, host.open_invocations, host.keyed)
        self._host = host
        self._log: Log = host.log
        self._opened: OpenInvocations = host.open_invocations
        self._keyed: Keyed = host.keyed
        self._suspects: deque[Journal] = deque()
        self._resumed: set[int] = set()
        self._replies: dict[int, asyncio.Future[Outcome]] = {}
        self._running: dict[int, asyncio.Future[Outcome]] = {}
        self._stopped = False
        host.tasks.mismatched = self._mismatched

    def start(self) -> None:
        """Resume what earlier lives have left. After a kill, under a durable mark: it may have been what killed them.

        What died under its mark before is resumed alone, one after the other.
        """
        journals = [j for j in self._opened.all() if j.row.trouble in ("", Trouble.UNDEFINED)]
        for journal in journals:
            self._hold_line(journal)
            self._expect(journal)
        if not self._log.was_killed:
            for journal in journals:
                self._resume(journal)
            return
        self._suspects.extend(j for j in journals if j.row.deaths)
        self._try([j for j in journals if not j.row.deaths])

    def stop(self) -> None:
        """Resume no more: what is left goes on in the next life."""
        self._stopped = True
        closed = StoreClosed("the method was not resumed: the app was closed before")
        for reply in self._replies.values():
            answer_with(reply, Outcome(None, closed, 0))
        self._replies.clear()

    def type_defined(self, name: str) -> None:
        """A type is defined (again): resume the methods that waited for it."""
        for journal in self._opened.all():
            if journal.row.trouble == Trouble.UNDEFINED and address_of(journal.row.partition)[0] == name:
                self._hold_line(journal)
                self._resume(journal)

    # what a person can do

    def retry(self, number: int) -> None:
        """Resume a method where it stopped. StateError if there is none of this number that waits."""
        self._resume(self.interrupted.retry(number))

    def restart(self, number: int) -> None:
        """Run a method anew from its beginning: what its parts have done stays done, and is done again."""
        journal = self.interrupted.restart(number)
        self.interrupted.release(journal)
        self._host.committer.touch()
        self._resume(journal)

    def discard(self, number: int) -> None:
        """Give a method up: what its parts have done stays, and whoever waits for it gets Interrupted."""
        self.interrupted.discard(number)
        self._host.committer.touch()

    # what happens to them

    def part_failed(self, journal: Journal, error: BaseException) -> None:
        """A part of a method that came as a message has raised: run it again in a while, or leave it to a person."""
        self._stopped_running(journal)
        if isinstance(error, StorageFull):
            self._opened.ask_again(journal)
            self._again_in(full_disk.PAUSE_SECONDS, journal)
            return
        row = journal.row
        row.attempts += 1
        row.error, row.traceback = failure.text_of(error), failure.trace(error)
        made = self._host.options.registry.find(address_of(row.partition)[0])
        retry = (made.options if made is not None else DEFAULT_OPTIONS).retry
        if row.attempts >= retry.tries:
            row.trouble = Trouble.RAISED
        else:
            self._again_in(retry.pause_seconds(row.attempts), journal)
        self._note(journal, failure.name_of(error))

    def _mismatched(self, journal: Journal | None, error: JournalMismatch) -> Outcome:
        assert journal is not None, "only what has a journal can differ from it"
        return self._park(journal, Trouble.MISMATCH, str(error))

    def _park(self, journal: Journal, trouble: Trouble, error: str) -> Outcome:
        row = journal.row
        self._stopped_running(journal)
        if (row.trouble, row.error) != (trouble, error):
            row.trouble, row.error, row.traceback = trouble, error, ""
            self._note(journal, trouble)
        if row.one_way:
            self._strict.over(row.partition, journal.number)
        outcome = Outcome(None, interrupted(journal), 0)
        reply = self._replies.pop(journal.number, None)
        if reply is not None:
            answer_with(reply, outcome)
        return outcome

    def _note(self, journal: Journal, error: str) -> None:
        """Save its row, and what happened in the history."""
        row = journal.row
        self._opened.changed(journal)
        step = Step(row.partition, b"")
        step.note = (int(self._log.clock() * 1000), row.partition, row.method, 0, 0, error)
        self._log.commit(step)
        self._host.committer.touch()

    def _again_in(self, seconds: float, journal: Journal) -> None:
        if journal.number not in self._resumed:
            self._strict.keep(journal.row.partition, journal.number)

        def again() -> None:
            if not self._stopped and not journal.ended and self._log.gate.failure is None:
                self._resume(journal)

        self._host.loop.call_later(seconds, again)

    # resuming

    def _resume(self, journal: Journal) -> asyncio.Future[Outcome] | None:
        """Run it again over its journal. None if that cannot be."""
        row = journal.row
        if journal.ended or journal.number in self._running:
            return None
        try:
            self._load(journal)
            work = self._work(journal)
        except Exception as error:  # noqa: BLE001 - its type, its method or its object is not usable: a person decides
            self._park(journal, Trouble.UNDEFINED, failure.text_of(error))
            return None
        if not journal.parts and not row.anew:
            self._park(journal, Trouble.MISMATCH, "it has no journal: an earlier release has left it")
            return None
        if row.trouble:
            row.trouble = row.error = row.traceback = ""
            self._note(journal, "")
        reply = self._expect(journal)
        del self._replies[journal.number]
        self._running[journal.number] = running = self._run(work, journal)
        running.add_done_callback(lambda done: self._stopped_running(journal, running))
        if row.one_way:
            self._resumed.add(journal.number)
            running.add_done_callback(lambda done: self._ended(journal))
        answer_with(reply, running)
        return reply

    def _stopped_running(self, journal: Journal, running: asyncio.Future[Outcome] | None = None) -> None:
        """It has ended or stopped, so that it can be resumed. running: if this is what ran, and not a later try."""
        if running is None or self._running.get(journal.number) is running:
            self._running.pop(journal.number, None)

    def _expect(self, journal: Journal) -> asyncio.Future[Outcome]:
        """The reply of a method that is about to be resumed: calls under its key wait for it from now on."""
        reply = self._replies.get(journal.number)
        if reply is None:
            row = journal.row
            reply = self._replies[journal.number] = self._host.loop.create_future()
            if row.request:
                self._keyed.join(row.partition, Request(row.request, row.fingerprint), reply)
        return reply

    def _hold_line(self, journal: Journal) -> None:
        """A method that came as a message goes on before later messages, if its object keeps them in strict order."""
        row = journal.row
        made = self._host.options.registry.find(address_of(row.partition)[0])
        if row.one_way and row.trouble in ("", Trouble.UNDEFINED) and made is not None and made.options.strict_order:
            self._strict.block(row.partition, journal.number)

    def _ended(self, journal: Journal) -> None:
        if journal.ended or journal.row.trouble:
            self._resumed.discard(journal.number)
            self._strict.over(journal.row.partition, journal.number)

    def _run(self, work: Work, journal: Journal) -> asyncio.Future[Outcome]:
        group = self._log.group
        return self._host.tasks.resume(work, journal, group.number if group.dirty else group.number - 1)

    def _load(self, journal: Journal) -> None:
        if not journal.loaded:
            self._opened.load(journal)

    def _work(self, journal: Journal) -> Work:
        row, host = journal.row, self._host
        type_name, key = address_of(row.partition)
        made = host.options.registry.get(type_name)
        method = made.method(row.method)
        if method.readonly or method.direct:
            raise DeclarationError(f"{type_name}.{row.method} awaits nothing any more, or is readonly now")
        packed = method.decode_arguments(row.arguments if journal.pack is None else journal.pack())
        request = Request(row.request, row.fingerprint) if row.request else None
        caller = self._opened.caller(row.caller) if row.caller is not None else None
        return Work(host.entities.get(made, key), method, packed, None, request, row.one_way, caller)

    # after a kill

    def _try(self, journals: list[Journal]) -> None:
        """Resume these once it is durable that they are being tried; then the next suspect, alone."""
        for journal in journals:
            journal.row.deaths += 1
            self._opened.changed(journal)

        def marked(error: BaseException | None) -> None:
            if error is None and not self._stopped:
                self._host.loop.call_soon(self._resume_marked, journals)

        self._log.gate.release(self._log.commit(Step(b"", b"")), marked)
        self._host.committer.touch()

    def _resume_marked(self, journals: list[Journal]) -> None:
        replies = [reply for reply in map(self._resume, journals) if reply is not None]
        survived = _once(lambda: self._survived(journals))
        self._host.loop.call_later(_SURVIVED_SECONDS, survived)
        left = len(replies)

        def ended(done: asyncio.Future[Outcome]) -> None:
            nonlocal left
            left -= 1
            if not left:
                survived()

        for reply in replies:
            reply.add_done_callback(ended)
        if not replies:
            survived()

    def _survived(self, journals: list[Journal]) -> None:
        if self._stopped or self._log.gate.failure is not None:
            return
        for journal in journals:
            if journal.row.deaths and not journal.ended:
                journal.row.deaths = 0
                self._opened.changed(journal)
        while self._suspects:
            journal = self._suspects.popleft()
            if journal.row.deaths < DEATHS_MAX:
                self._try([journal])
                return
            died = f"the process died {DEATHS_MAX} times while it was resumed"
            self._park(journal, Trouble.DIED, died)
        self._log.commit(Step(b"", b""))
        self._host.committer.touch()


def _once(action: Callable[[], None]) -> Callable[[], None]:
    """`action`, which happens at the first call alone."""
    calls = iter([action])

    def act() -> None:
        for first in calls:
            first()

    return act
