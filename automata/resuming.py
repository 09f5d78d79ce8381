"""Methods that an earlier life, or a failed part, has left unfinished: they are run again over their journals.

One that cannot go on waits for a person, who has it resumed, restarted or discarded: its code differs from its journal,
its type or method is gone, its last part has raised too often, or the process died too often while it ran.
"""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import TYPE_CHECKING

from automata import failure, full_disk
from automata.context import logger
from automata.errors import DeclarationError
from automata.interrupted_box import InterruptedBox
from automata.journal import Journal, JournalMismatch
from automata.keyed import Keyed
from automata.methods import WORKER
from automata.moved import Moved
from automata.open_invocations import OpenInvocations, interrupted
from automata.partitions import address_of
from automata.strict_order import StrictOrder
from automata.suspects import Suspects
from automata.type_options import DEFAULT_OPTIONS
from automata.unresolved import Unresolved
from automata.waiting import answer_with
from automata.work import Outcome, Refusal, Request, Work
from darq.errors import StoreClosed
from darq.log import Log
from darq.step import Step

if TYPE_CHECKING:
    from automata.host import Host


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
        self._suspects = Suspects(host, self._resume, self._died)
        self._unresolved = Unresolved(host.loop, self.type_defined)
        self._resumed: set[int] = set()
        self._replies: dict[int, asyncio.Future[Outcome]] = {}
        self._running: dict[int, asyncio.Future[Outcome]] = {}
        self._stopped = False
        host.tasks.mismatched = self._mismatched

    def start(self) -> None:
        """Resume what earlier lives have left. After a kill, as suspects: it may have been what killed them."""
        journals = [j for j in self._opened.all() if j.row.trouble in ("", Trouble.UNDEFINED)]
        for journal in journals:
            self._hold_line(journal)
            self._expect(journal)
        if self._log.was_killed:
            self._suspects.try_all(journals)
            return
        for journal in journals:
            self._resume(journal)

    def adopt(self, journals: list[Journal]) -> None:
        """Resume what has come from another store with its object."""
        for journal in [j for j in journals if j.row.trouble in ("", Trouble.UNDEFINED)]:
            self._hold_line(journal)
            self._expect(journal)
            self._resume(journal)

    def left(self, journal: Journal, store: bytes) -> None:
        """A method has gone to another store with its object."""
        self._resumed.discard(journal.number)
        reply = self._replies.pop(journal.number, None)
        if reply is not None:
            answer_with(reply, Refusal(Moved(store)))

    def reply_of(self, journal: Journal) -> asyncio.Future[Outcome] | None:
        """What a method will give that is about to be resumed."""
        return self._replies.get(journal.number)

    def stop(self) -> None:
        """Resume no more: what is left goes on in the next life."""
        self._stopped = True
        self._suspects.stop()
        closed = StoreClosed("the method was not resumed: the app was closed before")
        for reply in self._replies.values():
            answer_with(reply, Refusal(closed))
        self._replies.clear()

    def type_defined(self, name: str) -> None:
        """A type is defined (again): resume the methods that waited for it."""
        if self._stopped or self._log.gate.failure is not None:
            return
        waiting = [journal for journal in self._opened.all() if journal.row.trouble == Trouble.UNDEFINED]
        waiting = [journal for journal in waiting if address_of(journal.row.partition)[0] == name]
        if not waiting or self._look_later(name):
            return
        for journal in waiting:
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

    def part_failed(self, journal: Journal, outcome: Outcome) -> None:
        """A part of a method has raised, of which no caller hears: run it again in a while, or leave it to a person.

        What it has awaited is asked again if it was refused; it is no failed try if that is what the method has raised.
        """
        error, row = outcome.error, journal.row
        assert error is not None, "it has raised"
        self._stopped_running(journal)
        refusals = {type(refusal) for refusal in self._opened.ask_again(journal)}
        if outcome.refused or type(error) in refusals:
            self._again_in(full_disk.PAUSE_SECONDS, journal)
            return
        row.attempts += 1
        row.error, row.traceback = failure.text_of(error), failure.trace(error)
        made = self._host.options.registry.find(address_of(row.partition)[0])
        retry = (made.options if made is not None else DEFAULT_OPTIONS).retry
        if not row.one_way:
            name = f"{'/'.join(address_of(row.partition))} {row.method}"
            logger.error("%s, whose caller is gone, has raised: it is a dead letter now", name, exc_info=error)
        if not row.one_way or row.attempts >= retry.tries:
            row.trouble = Trouble.RAISED
        else:
            self._again_in(retry.pause_seconds(row.attempts), journal)
        self._note(journal, failure.name_of(error))

    def _died(self, journal: Journal) -> None:
        self._park(journal, Trouble.DIED, f"the process died {journal.row.deaths} times while it was resumed")

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
        self._later(seconds, journal)

    def _later(self, seconds: float, journal: Journal) -> None:
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
            if full_disk.refused(error, self._log):  # whatever its line waits for, that has not changed
                self._later(full_disk.PAUSE_SECONDS, journal)
                return None
            self._park(journal, Trouble.UNDEFINED, failure.text_of(error))
            self._look_later(address_of(row.partition)[0])
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

    def _look_later(self, name: str) -> bool:
        """Whether a type is there but cannot be resolved yet: then its methods are resumed in a while."""
        made = self._host.options.registry.find(name)
        if made is not None and name not in self._unresolved:
            try:
                made.resolve()
            except DeclarationError:
                self._unresolved.look_later(name)
        return name in self._unresolved

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
        if method.readonly or method.direct or method.way == WORKER:
            raise DeclarationError(
                f"{type_name}.{row.method} awaits nothing any more, or is readonly or a worker's now"
            )
        packed = method.decode_arguments(row.arguments if journal.pack is None else journal.pack())
        request = Request(row.request, row.fingerprint) if row.request else None
        caller = self._opened.caller(row.caller) if row.caller is not None else None
        orphan = not (row.one_way or request is not None or caller is not None)
        return Work(host.entities.get(made, key), method, packed, None, request, row.one_way, caller, orphan)
