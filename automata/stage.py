"""From what a part of a method has done to one step of the log (CReSt, SSMS §2).

State changes, the directory row of a new object, the consumed message, messages sent, the row of an unfinished method
and the recorded outcome of a request all go into the one step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from automata.context import logger
from automata.directory import GRAINS, Header
from automata.durable import Durable
from automata.entity import Entity
from automata.envelope import Envelope
from automata.errors import InvalidArgument
from automata.journal import ANYTHING, Await, Journal, Part
from automata.keyed import Keyed
from automata.methods import Method
from automata.open_invocations import OpenInvocations
from automata.outgoing import Outgoing
from automata.state import ObjectState
from automata.timing import Timing
from automata.transaction import Transaction
from automata.turn import Turn
from automata.volatile import VolatileState
from automata.work import Caller, Outcome, Refusal, Work
from darq import keys
from darq.committer import Committer
from darq.log import Log
from darq.step import Step


class Changes(Protocol):
    """What one object has changed and sent, to be made a step: of a turn, or of an object in a transaction."""

    entity: Entity
    method: Method
    state: ObjectState
    sends: list[Envelope] | None
    sent_bytes: int
    timing: Timing | None
    deleted: bool


class Arms(Protocol):
    """Who deletes objects whose time is over."""

    def arm(self, step: Step, partition: bytes, due_ms: int) -> None:
        """Let `step` note when an object that it makes is to be looked at."""


class Stage:
    """Stages the steps of one host's turns.

    failed: what is done about a message whose step has raised, or was refused. suspended: is told of each message that
    the first part of its method has consumed. lifetimes: who deletes objects whose time is over. outgoing: the way of
    messages to objects of other stores, if there are any.
    """

    def __init__(self, log: Log, committer: Committer, opened: OpenInvocations, keyed: Keyed) -> None:
        self.failed: Callable[[Work, Journal | None, Outcome], None] = _no_messages
        self.suspended: Callable[[Envelope], None] = _nobody_counts
        self.lifetimes: Arms = _Immortal()
        self.outgoing: Outgoing | None = None
        self._log = log
        self._committer = committer
        self._opened = opened
        self._keyed = keyed
        limits = log.limits
        self._small_step_bytes = min(limits.value_bytes_max, limits.step_bytes_max)
        # texts are counted by characters, each of which may take four bytes
        self._surely_small_bytes = min(self._small_step_bytes, limits.message_bytes_max) // 8

    def commit(self, turn: Turn, outcome: Outcome) -> None:
        """Make one step of what a method has done since it began, or since its last commit point, and end it."""
        state, work = turn.state, turn.work
        overlay = state.flush()
        step = Step(turn.entity.partition, turn.entity.prefix, overlay)
        header = self._add_changes(turn, step)
        if work is not None:
            if work.request is not None:
                self._keyed.record(work, outcome, step)
            if work.message is not None:
                step.consume(work.message)
        if overlay is not None or step.records or turn.sends or step.consumed or step.rows or step.answers:
            self._commit_changes(turn, step, header)
        if work is not None and work.caller is not None:
            work.caller.answer(outcome, work.method.result)
        if turn.journal is not None:
            self._end_journal(turn.entity, turn.journal)
        if self._log.full:
            self._committer.close_full_group()
        state.settle()
        if step.records is not None and isinstance(state, VolatileState) and state.checkpoint_due():
            self._checkpoint(turn.entity, state)

    def commit_part(self, turn: Durable, awaited: Await, always: bool) -> None:
        """Make one step of a part that ends at a commit point. always: even if it has done nothing."""
        entity, work = turn.entity, turn.work
        assert work is not None, "a method that can resume runs as work"
        step = Step(entity.partition, entity.prefix, turn.state.flush())
        header = self._add_changes(turn, step)
        if work.message is not None:
            step.consume(work.message)
        if step.overlay is not None or turn.sends or step.consumed or step.rows or always:
            self._commit_changes(turn, step, header)
        if turn.journal is None:
            turn.journal = self._opened.open(work)
        self._opened.add_part(turn.journal, Part(*turn.take_seen(), awaited))
        if work.message is not None:
            self.suspended(work.message)
            work.message = None
        turn.end_part()
        if self._log.full:
            self._committer.close_full_group()
        turn.group = max(turn.group, entity.group)

    def commit_together(self, run: Transaction, caller: Caller | None, outcome: Outcome) -> int:
        """Make the changes of all objects of a transaction steps of the open group, with its outcome for `caller`.

        Returns the group, 0 if there was no change. Raises InvalidArgument if it is too much, before any is staged.
        """
        steps = self.steps_of(run)
        for changes, step, header in steps:
            self._commit_changes(changes, step, header)
        if run.decision is not None:
            self._log.commit(run.decision)
            self._committer.touch()
        if caller is not None:
            caller.answer(outcome, ANYTHING)
        group = self._log.group.number if steps or run.decision is not None else 0
        if self._log.full:
            self._committer.close_full_group()
        return group

    def steps_of(self, run: Transaction) -> list[tuple[Changes, Step, Header | None]]:
        """What a transaction has changed, a step for each object. Raises InvalidArgument if it is too much."""
        steps: list[tuple[Changes, Step, Header | None]] = []
        for changed in run.changes():
            step = Step(changed.entity.partition, changed.entity.prefix, changed.overlay)
            steps.append((changed, step, self._add_changes(changed, step)))
        for changes, step, _ in steps:
            if changes.state.written_bytes + changes.sent_bytes > self._surely_small_bytes:
                step.check(self._log.limits)  # by the byte, before any of them is staged
        return steps

    def _checkpoint(self, entity: Entity, state: VolatileState) -> None:
        """Save an automaton, as a step of its own, so that what it has recorded need not be replayed."""
        log = self._log
        step = Step(entity.partition, entity.prefix)
        try:
            saved = state.checkpoint(log.next_lsn - 1)
            step.overlay = state.rows_of(saved)
            log.trim_records(step, saved.lsn, state.saved_lsn)
            step.note = (log.opened_ms, entity.partition, "checkpoint", len(step.overlay.writes), 0, "")
            entity.group = log.commit(step)
        except Exception:  # noqa: BLE001 - the class's own code may have raised; nothing is lost, and it is logged
            if log.gate.failure is None:
                logger.exception("no checkpoint could be made: what was recorded is kept, and replayed instead")
            state.postpone_checkpoint()
            return
        state.checkpointed(saved)
        self._committer.touch()
        if log.full:
            self._committer.close_full_group()

    def consume(self, work: Work, outcome: Outcome) -> None:
        """A message has been run outside of any step, because its method is readonly: take it off the inbox."""
        if outcome.error is not None:
            self.failed(work, None, outcome)
        elif work.message is not None and self._log.gate.failure is None:
            step = Step(work.entity.partition, work.entity.prefix)
            step.consume(work.message)
            self._log.commit(step)
            self._committer.touch()

    def fail(self, turn: Turn, error: Exception) -> Outcome:
        """A method raised, and its last part was rolled back: the error is its outcome, or its message's failed try."""
        work, entity, journal = turn.work, turn.entity, turn.journal
        outcome = Outcome(None, error, max(entity.group, turn.group))
        failure = self._log.gate.failure
        if failure is not None and work is not None and (work.request is not None or journal is not None):
            return Outcome(None, failure, 0)  # it cannot be recorded: once it was told, the next life might say another
        if work is None or failure is not None:
            return outcome
        if work.one_way or work.orphan:
            self.failed(work, journal, outcome)
            return outcome
        step = Step(entity.partition, entity.prefix)
        if work.request is not None:
            self._keyed.record(work, outcome, step)
        if step.rows or step.answers:
            entity.group = outcome.group = self._log.commit(step)
            self._committer.touch()
        if work.caller is not None:
            work.caller.answer(outcome, work.method.result)
        if journal is not None:
            outcome.group = max(outcome.group, self._end_journal(entity, journal))
        return outcome

    def refuse(self, work: Work | None, journal: Journal | None, error: Exception) -> Refusal:
        """No step may run now: what came as a message, or is resumed, is tried again later."""
        refusal = Refusal(error)
        if work is not None and (work.one_way or journal is not None) and self._log.gate.failure is None:
            self.failed(work, journal, refusal)
        return refusal

    def _add_changes(self, turn: Changes, step: Step) -> Header | None:
        """Let the step hold what the part has changed and sent. Returns the object's directory row after it."""
        entity, overlay = turn.entity, step.overlay
        if turn.state.written_bytes + turn.sent_bytes > self._small_step_bytes:
            self._check_step(turn)
        if turn.sends is not None:
            step.sends = turn.sends  # type: ignore[assignment]
        if turn.timing is not None:
            turn.timing.stage(step)
        records = step.records = turn.state.records
        if (overlay is not None or records is not None) and (not entity.listed or turn.deleted):
            return self._directory_row(entity, step, turn.deleted)
        return entity.header

    def _commit_changes(self, turn: Changes, step: Step, header: Header | None) -> None:
        entity, overlay, log = turn.entity, step.overlay, self._log
        writes = sends = 0
        if overlay is not None:
            writes = len(overlay.writes)
            entity.unchanged = None
            for snapshot in entity.snapshots:
                snapshot.preserve(overlay)
            if turn.state is not entity.state:
                entity.state.unload()
        if turn.sends is not None:
            sends = len(turn.sends)
            if self.outgoing is not None:
                self.outgoing.split(step)
        if not log.group.steps:
            log.stamp()
        step.note = (log.opened_ms, entity.partition, turn.method.name, writes, sends, "")
        if step.records is not None:
            step.note = (*step.note, len(step.records))
        size = turn.state.written_bytes + turn.sent_bytes if step.rows is None else None
        entity.group = log.commit(step, size)
        if header is not entity.header or not entity.listed:
            entity.header, entity.listed = header, header is entity.made.header
        if sends:
            entity.sent_lsn = log.next_lsn - 1
            if self.outgoing is not None:
                self.outgoing.committed(step)
        self._committer.touch()

    def _end_journal(self, entity: Entity, journal: Journal) -> int:
        """Drop the journal with the open group. Returns the group that this is durable with, 0 if it was never saved.

        An answer must wait for that: else a crash would do the last part again, though its outcome was seen.
        """
        self._opened.end(journal)
        if not journal.saved_row:
            return 0
        entity.group = self._log.touch()
        self._committer.touch()
        return entity.group

    def _directory_row(self, entity: Entity, step: Step, deleted: bool) -> Header | None:
        """Let the step make, renew or drop the object's directory row, if that is due. Returns what it says then."""
        row = keys.partition_key(keys.DIRECTORY, entity.partition)
        written = step.overlay is not None and any(v is not None for v in step.overlay.writes.values())
        written = written or step.records is not None
        if deleted and entity.made.volatile:
            self._log.trim_records(step, self._log.next_lsn - 1)
        if deleted and not written:
            step.set_row(row, None)
            return None
        if not written and entity.header is None:
            return None
        header = entity.made.header
        if entity.made.options.time_to_live is not None:
            header = self._touched(entity, step)
        if header != entity.header:
            step.set_row(row, header.encode())
        return header

    def _touched(self, entity: Entity, step: Step) -> Header:
        """The directory row of an object with a time to live, which `step` changes: as it is, if that is recent."""
        options, header = entity.made.options, entity.header
        life_ms, now_ms = options.life_ms, int(self._log.clock() * 1000)
        assert life_ms is not None, "its type has a time to live"
        touched = Header(options.version, now_ms)
        if header is None or not header.changed_ms:
            self.lifetimes.arm(step, entity.partition, touched.over_ms(life_ms))
        elif header.version == options.version and 0 <= now_ms - header.changed_ms < life_ms // GRAINS:
            return header
        return touched

    def _check_step(self, turn: Changes) -> None:
        limits, state, entity = self._log.limits, turn.state, turn.entity
        size = state.written_bytes + turn.sent_bytes
        if size > limits.step_bytes_max:
            raise InvalidArgument(
                f"this step of {entity.address} writes and sends {size} bytes; "
                f"one step writes at most {limits.step_bytes_max >> 20} MiB: do it in several calls"
            )
        if state.largest_bytes > limits.value_bytes_max:
            raise InvalidArgument(
                f"{entity.address}: a value takes {state.largest_bytes} bytes; "
                f"one value has at most {limits.value_bytes_max >> 20} MiB: keep it elsewhere, or split it"
            )


def _no_messages(work: Work, journal: Journal | None, outcome: Outcome) -> None:
    """No delivery is attached yet, so there is no message that could fail."""


def _nobody_counts(message: Envelope) -> None:
    """No delivery is attached yet."""


class _Immortal:
    """Nobody deletes objects yet."""

    def arm(self, step: Step, partition: bytes, due_ms: int) -> None:
        """Nothing is noted."""
