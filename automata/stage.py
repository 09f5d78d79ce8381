"""From what a part of a method has done to one step of the log (CReSt, SSMS §2).

State changes, the directory row of a new object, the consumed message, messages sent, the row of an unfinished method
and the recorded outcome of a request all go into the one step.
"""

from __future__ import annotations

from collections.abc import Callable

from automata.context import logger
from automata.entity import Entity
from automata.errors import InvalidArgument
from automata.keyed import Keyed
from automata.open_invocations import OpenInvocations
from automata.turn import Turn
from automata.volatile import VolatileState
from automata.work import Outcome, Work
from darq import keys
from darq.committer import Committer
from darq.log import Log
from darq.step import Step

HEADER = b"\x01"  # the directory row of an object: version 1 of its type


class Stage:
    """Stages the steps of one host's turns. failed: what is done about a message whose step has raised."""

    def __init__(self, log: Log, committer: Committer, unfinished: OpenInvocations, keyed: Keyed) -> None:
        self.failed: Callable[[Work, BaseException], None] = _no_messages
        self._log = log
        self._committer = committer
        self._unfinished = unfinished
        self._keyed = keyed
        self._small_step_bytes = min(log.limits.value_bytes_max, log.limits.step_bytes_max)

    def commit(self, turn: Turn, outcome: Outcome | None) -> None:
        """Make one step of what the part of `turn` that just ended has done. outcome: of the whole, if it ends here."""
        state, entity, work = turn.state, turn.entity, turn.work
        if turn.detached:
            turn.check_detached()
        overlay = state.flush()
        number = turn.lsn
        step = Step(entity.partition, entity.prefix, overlay)
        if state.written_bytes + turn.sent_bytes > self._small_step_bytes:
            self._check_step(turn)
        exists, records = entity.exists, state.records
        step.records = records
        if (overlay is not None or records is not None) and (not exists or turn.deleted):
            exists = self._note_existence(entity, step, turn.deleted)
        if turn.sends is not None:
            step.sends = turn.sends  # type: ignore[assignment]
        if work is not None:
            number = self._add_work(turn, work, outcome, step)
        if overlay is not None or records is not None or step.sends or step.consumed or step.rows:
            writes = len(overlay.writes) if overlay is not None else 0
            sends = len(step.sends) if step.sends is not None else 0
            step.note = (self._log.opened_ms, entity.partition, turn.method.name, writes, sends, "")
            if records is not None:
                step.note = (*step.note, len(records))
            self._stage(entity, step, state.written_bytes + turn.sent_bytes)
            entity.exists = exists
            if sends:
                entity.sent_lsn = self._log.next_lsn - 1
        if outcome is None:
            turn.lsn = number
            self._end_part(turn)
        state.settle()
        if records is not None and isinstance(state, VolatileState) and state.checkpoint_due():
            self._checkpoint(entity, state)

    def _checkpoint(self, entity: Entity, state: VolatileState) -> None:
        """Save an automaton, as a step of its own, so that what it has recorded need not be replayed."""
        log = self._log
        step = Step(entity.partition, entity.prefix)
        try:
            saved = state.checkpoint(log.next_lsn - 1)
            step.overlay = state.rows_of(saved)
            log.trim_records(step, saved.lsn)
            step.note = (log.opened_ms, entity.partition, "checkpoint", len(step.overlay.writes), 0, "")
            self._stage(entity, step)
        except Exception:  # noqa: BLE001 - the class's own code may have raised; nothing is lost, and it is logged
            if log.gate.failure is None:
                logger.exception("no checkpoint could be made: what was recorded is kept, and replayed instead")
            state.postpone_checkpoint()
        else:
            state.checkpointed(saved)

    def consume(self, work: Work, outcome: Outcome) -> None:
        """A message has been run outside of any step, because its method is readonly: take it off the inbox."""
        if outcome.error is not None:
            self.failed(work, outcome.error)
        elif work.message is not None and self._log.gate.failure is None:
            step = Step(work.entity.partition, work.entity.prefix)
            step.consume(work.message)
            self._log.commit(step)
            self._committer.touch()

    def _add_work(self, turn: Turn, work: Work, outcome: Outcome | None, step: Step) -> int:
        """What belongs to the step besides the object's own changes. Returns the number of the unfinished method."""
        number = turn.lsn
        if outcome is None:
            number = number or self._unfinished.add(work, step)
        else:
            if turn.lsn:
                self._unfinished.drop(turn.lsn, step)
            if work.request is not None:
                self._keyed.record(work, outcome, step)
        if work.message is not None:
            step.consume(work.message)
        return number

    def _end_part(self, turn: Turn) -> None:
        """A part has committed, and the method goes on: what it did is not done again, what it read is stale."""
        turn.detached = [*turn.detached, *turn.state.detach()]
        turn.sends, turn.sent_bytes, turn.deleted = None, 0, False
        if turn.work is not None:
            turn.work.message = None

    def fail(self, turn: Turn, error: Exception) -> Outcome:
        """A method raised, and its last part was rolled back: the error is its outcome, or its message's failed try."""
        work, entity = turn.work, turn.entity
        outcome = Outcome(None, error, max(entity.group, turn.group))
        if work is None or self._log.gate.failure is not None:
            return outcome
        assert work.message is None or not turn.lsn, "the first part's commit consumes the message"
        step = Step(entity.partition, entity.prefix)
        if turn.lsn:
            self._unfinished.drop(turn.lsn, step)
        if work.request is not None:
            self._keyed.record(work, outcome, step, final=turn.lsn > 0)
        if step.rows:
            self._stage(entity, step)
            outcome.group = entity.group
        if work.one_way:
            self.failed(work, error)
        return outcome

    def _stage(self, entity: Entity, step: Step, written: int | None = None) -> None:
        if entity.snapshots and step.overlay is not None:
            for snapshot in entity.snapshots:
                snapshot.preserve(step.overlay)
        log = self._log
        entity.group = log.commit(step, written if step.rows is None else None)
        if log.full:
            self._committer.close_full_group()
        self._committer.touch()

    def _note_existence(self, entity: Entity, step: Step, deleted: bool) -> bool:
        """Let the step make or drop the object's directory row; whether the object exists after it."""
        row = keys.partition_key(keys.DIRECTORY, entity.partition)
        existed = entity.exists if entity.exists is not None else self._log.row(row) is not None
        written = step.overlay is not None and any(v is not None for v in step.overlay.writes.values())
        written = written or step.records is not None
        if deleted and entity.made.volatile:
            self._log.trim_records(step, self._log.next_lsn - 1)
        if deleted and not written:
            step.set_row(row, None)
            return False
        if written and not existed:
            step.set_row(row, HEADER)
        return written or existed

    def _check_step(self, turn: Turn) -> None:
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


def _no_messages(work: Work, error: BaseException) -> None:
    """No delivery is attached yet, so there is no message that could fail."""
