"""A method that survives the death of its process between its parts: it commits at each await, and resumes there.

Its first part begins like any method's. At the first commit point it gets a journal (`automata.journal`), which holds
what each part has seen; a resumed method does its parts again over that (`automata.replay`), and goes on live.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Protocol

from automata.commit_points import Calls, CommitPoint
from automata.deadlines import Deadlines
from automata.detached import Detached
from automata.errors import CallTimeout, InvalidArgument
from automata.journal import Answer, Await, Cancellation, Draw, Journal, fingerprint_of
from automata.moved import Moved
from automata.open_invocations import OpenInvocations
from automata.reads import ReadSet, Recorder
from automata.replay import Replay
from automata.state import IDLE, WRITE, Reader
from automata.suspending import Suspending, TaskSteps, unjournaled
from automata.timing import Timing
from automata.waiting import answer_with
from automata.work import Outcome, Reply

if TYPE_CHECKING:
    from automata.entity import Entity
    from automata.methods import Method
    from automata.state import ObjectState


_ANSWERED = Outcome(None, None, 0)  # the outcome is in the journal


class DurableSteps(TaskSteps, Protocol):
    """What a durable turn asks of its host."""

    open_invocations: OpenInvocations
    journal_bytes_max: int

    @property
    def closing(self) -> bool:
        """Whether the app closes: what runs is cut off, and resumed in the next life."""

    @property
    def ending(self) -> bool:
        """Whether the app is about to close: what has not begun is refused, which is no outcome."""

    def commit_part(self, turn: Durable, awaited: Await, always: bool) -> None:
        """What the turn has done so far becomes a step. always: even if it is nothing."""

    def let_go(self, turn: Durable) -> None:
        """The turn waits: its object is free meanwhile."""

    def keep_soon(self, entity: Entity) -> None:
        """What a journal has got is durable soon, whatever its method does next."""

    def hold_again(self, turn: Durable) -> asyncio.Future[None] | None:
        """Take the object again, at once or when the future is done."""


class Durable(Suspending):
    """The turn of a method that can resume. held: whether it holds its object now."""

    host: DurableSteps
    deadlines: Deadlines | None = None
    replay: Replay | None = None

    def __init__(
        self, host: DurableSteps, entity: Entity, method: Method, state: ObjectState, recorder: Recorder
    ) -> None:
        super().__init__(host, entity, method, state)
        self.held = True
        self.detached = Detached()
        self._recorder = recorder
        self._draws: list[Draw] = []

    @property
    def in_effect(self) -> bool:
        """Whether it waits for outside work, which would be done again where it is resumed."""
        journal = self.journal
        return self.quiet and journal is not None and journal.parts[-1].awaited.kind == "effect"

    def resume(self, journal: Journal, group: int) -> None:
        """Begin with what the journal holds. group: the highest that anything in it may depend on."""
        self.journal = journal
        self.group = group
        self.held = False
        self.replay = Replay(journal, self.name)
        self.replaying = True
        self.state.log = self.replay.reader()

    def begin_anew(self, journal: Journal, group: int) -> Generator[Any, Any, None]:
        """Begin with a journal that is empty yet, once the object is free."""
        self.journal = journal
        self.group = group
        self.held = False
        yield from self._hold_again()

    # what is drawn

    def now(self) -> float:
        """Seconds since the epoch."""
        return float(self._draw("now", self.host.clock))

    def random_bits(self, count: int) -> int:
        """An integer of `count` random bits."""
        return int(self._draw("random", lambda: self.host.random.getrandbits(count)))

    def take_number(self) -> int:
        """A number for a row of the store that no other row has."""
        return int(self._draw("number", self.host.take_lsn))

    def is_pending(self, timing: Timing, message_id: str) -> bool | None:
        """Whether the message of this id is not on its way yet; None if another store may know."""
        pending = self._draw("pending", lambda: timing.is_pending(message_id))
        return None if pending is None else bool(pending)

    def _draw(self, what: str, make: Any) -> Any:
        if self.replay is not None:
            return self.replay.draw(what)
        value = make()
        self._draws.append((what, value))
        return value

    def check_replayed(self, how: str) -> None:
        """The code has ended: it must not do so amid its journal."""
        if self.replay is not None:
            raise self.replay.failed or self.replay.ended(how)

    def check_end(self) -> None:
        """The code has given a result: it must not have changed an old value."""
        self.detached.check(self.name)

    def refuse_foreign(self) -> BaseException | None:
        """In the parts that have committed there is no foreign await."""
        return self.replay.mismatch("awaits what is no automaton") if self.replay is not None else None

    # commit points

    def take_seen(self) -> tuple[ReadSet, list[Draw], int]:
        """What the part that ends has read and drawn, and the fingerprint of what it has done."""
        seen, self._recorder.seen = self._recorder.seen, ReadSet()
        draws, self._draws = self._draws, []
        return seen, draws, fingerprint_of(self.state.overlay, self.sends or ())

    def end_part(self) -> None:
        """A part has ended, and the method goes on: what it did is not done again, what it read is stale."""
        self.detached.add(self.state.detach())
        self.sends, self.sent_bytes, self.deleted = None, 0, False
        self.end_timing()
        self.state.settle()
        self.state.mode = IDLE

    def _await(self, point: CommitPoint) -> Generator[Any, Any, list[Outcome]]:
        self.check_active()
        self.check_cut_off()
        if self.replay is not None and self.replay.failed is not None:
            raise self.replay.failed
        if self.foreign:
            raise unjournaled(self.name)
        self._check_journal()
        part = self._end_part(point)
        try:
            outcomes = yield from self._outcomes(point, part)
            if self.held and self.replay is None:
                self._begin(self._recorder)
            else:
                yield from self._go_on()
        except GeneratorExit:
            raise
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError):
                self.cut_off = self.cut_off or self.host.closing
            try:
                yield from self._go_on()
            finally:  # a timeout may have expired on the way, too
                if isinstance(error, asyncio.CancelledError) and not self.cut_off:
                    self._keep_cancellation(part)
            raise
        for outcome in outcomes:
            self.group = max(self.group, outcome.group)
        return outcomes

    def _check_journal(self) -> None:
        """Raise InvalidArgument if the journal, with the part that ends, is larger than it may be."""
        if self.replay is not None:
            return
        journal, size_max = self.journal, self.host.journal_bytes_max
        size = self._recorder.seen.size_bytes()
        awaits = 0
        if journal is not None:
            size, awaits = size + journal.size_bytes, len(journal.parts)
        if size > size_max:
            raise InvalidArgument(
                f"{self.name} has a journal of {size} bytes after {awaits} awaits; "
                f"a method keeps at most {size_max >> 20} MiB: read less between awaits, do it in several "
                "methods that are sent one after the other, or regularly, with send(every=...)"
            )

    def _end_part(self, point: CommitPoint) -> int:
        """Commit the part that ends, or find it in the journal. Returns its number."""
        awaited = Await(point.kind, point.targets, point.due, self.host.clock(), point)
        self.detached.check(self.name)
        if self.replay is not None:
            self.state.flush()
            self._check_timeouts(self.replay)
            part = self.replay.finish_part(awaited, fingerprint_of(self.state.overlay, self.sends or ()))
            self.end_part()
            return part
        self.host.commit_part(self, awaited, point.needs_durable)
        assert self.journal is not None, "the commit of a part gives a journal"
        return len(self.journal.parts) - 1

    def _outcomes(self, point: CommitPoint, part: int) -> Generator[Any, Any, list[Outcome]]:
        journal = self.journal
        assert journal is not None, "a part has committed"
        if self.replay is not None:
            yield from self._cancel_again(journal.cancellation(part))
        replies = [self._reply(point, part, index) for index in range(point.count)]
        if self.held and not all(isinstance(reply, Outcome) for reply in replies):
            self.host.let_go(self)
        outcomes = []
        for index, reply in enumerate(replies):
            outcome = reply if isinstance(reply, Outcome) else (yield from self._await_own(reply))
            if self._has_moved(outcome, (part, index)):
                outcome = yield from self._ask_again(point, (journal.number, part, index))
            if self.host.ending and outcome is not None and outcome.refused:
                yield from self._await_own(self.host.loop.create_future())  # no outcome: it is cut off like this method
            outcomes.append(self._keep(point, (journal.number, part, index), outcome))
        return outcomes

    def _has_moved(self, outcome: Outcome | None, place: tuple[int, int]) -> bool:
        """Whether what was awaited has gone to another store, where it is asked for under the same id."""
        assert self.journal is not None, "a part has committed"
        if outcome is None or outcome is _ANSWERED:
            return place not in self.journal.answers
        return outcome.refused and isinstance(outcome.error, Moved)

    def _ask_again(self, point: CommitPoint, address: tuple[int, int, int]) -> Generator[Any, Any, Outcome]:
        reply = point.start(self, address[2], self.host.open_invocations.caller(address))
        return reply if isinstance(reply, Outcome) else (yield from self._await_own(reply))

    def _reply(self, point: CommitPoint, part: int, index: int) -> Reply | asyncio.Future[None]:
        """The outcome if the journal has it; else what gives it."""
        journal, opened = self.journal, self.host.open_invocations
        assert journal is not None, "a part has committed"
        address = (journal.number, part, index)
        if self.replay is not None:
            answer = journal.answers.get((part, index))
            if answer is not None:
                return answer.outcome(point.result(index), self.group)
            if opened.callee(address) is not None:
                return self._attach(point, address)
        return point.start(self, index, opened.caller(address))

    def _attach(self, point: CommitPoint, address: tuple[int, int, int]) -> asyncio.Future[None] | Reply:
        """What gives the outcome of a call that an earlier life, or try, has made, and that is unfinished."""
        expected = self.host.open_invocations.expect(address, self.host.loop)
        call = point.calls[address[2]] if isinstance(point, Calls) else None
        if call is None or call.timeout is None:
            return expected
        told: asyncio.Future[Outcome] = self.host.loop.create_future()
        expected.add_done_callback(lambda done: answer_with(told, _ANSWERED))
        return self.host.follow(told, call)

    def _keep(self, point: CommitPoint, address: tuple[int, int, int], outcome: Outcome | None) -> Outcome:
        """What the method gets: the answer that its journal has, which may have come before a time-out did."""
        opened, kind = self.host.open_invocations, point.result(address[2])
        assert self.journal is not None, "a part has committed"
        known = self.journal.answers.get(address[1:])
        if known is None:
            assert outcome is not None, "what was expected is in the journal"
            known = Answer.of(outcome, kind)
            opened.answer(address, known)
            if point.needs_durable:
                self.host.keep_soon(self.entity)
        if outcome is None or outcome is _ANSWERED or known.replaced or isinstance(outcome.error, CallTimeout):
            return known.outcome(kind, self.group)
        return outcome

    # what cuts an await off

    def enter_timeout(self, timeout: asyncio.Timeout) -> None:
        """The code enters an `asyncio.timeout` block."""
        if self.deadlines is None:
            then = self.replay.part.awaited.at if self.replay is not None and not self.replay.over else 0.0
            clock = then or self.host.clock()
            self.deadlines = Deadlines(self.host.loop, clock)
        self.deadlines.add(timeout)

    def _check_timeouts(self, replay: Replay) -> None:
        """Raise JournalMismatch if the code is not in the timeouts that have cut off what it awaits."""
        assert self.journal is not None, "what is run again has a journal"
        cancellation = self.journal.cancellation(replay.number)
        if cancellation is None or not cancellation.expired:
            return
        if self.deadlines is None or not self.deadlines.can_expire(cancellation.expired):
            raise replay.mismatch(f"is not in the asyncio.timeout() that had cut off {replay.part.awaited}")

    def _cancel_again(self, cancellation: Cancellation | None) -> Generator[Any, Any, None]:
        """What has cut the await off does so again. Timeouts go on in the present where the journal ends."""
        assert self.replay is not None, "it is asked for what is run again"
        assert self.task is not None, "what can resume runs in a task"
        if cancellation is not None:
            deadlines = self.deadlines or Deadlines(self.host.loop, 0.0)
            try:
                yield from self._await_own(deadlines.cancel_again(cancellation, self.task))
            finally:
                deadlines.go_on()
        if self.replay.over and self.deadlines is not None:
            self.deadlines.advance(self.host.clock())

    def _keep_cancellation(self, part: int) -> None:
        assert self.journal is not None, "a part has committed"
        assert self.task is not None, "what can resume runs in a task"
        expired = self.deadlines.take_expired() if self.deadlines is not None else []
        if self.replay is None:
            cancellation = Cancellation(expired, self.task.cancelling())
            self.host.open_invocations.cancel(self.journal, part, cancellation)

    # going on

    def _go_on(self) -> Generator[Any, Any, None]:
        """The next part begins: over the journal, or live once the object is held again."""
        replay = self.replay
        if replay is not None and not replay.over:
            if self.deadlines is not None:
                self.deadlines.advance(replay.part.awaited.at)
            self._begin(replay.reader())
            return
        self.replay, self.replaying = None, False
        yield from self._hold_again()
        self._begin(self._recorder)

    def _begin(self, reader: Reader) -> None:
        self.state.log = reader
        self.state.unload()
        self.state.begin(WRITE)

    def _hold_again(self) -> Generator[Any, Any, None]:
        """Have the object again, whatever comes; then raise the cancellation that came meanwhile."""
        cancelled = None
        while not self.held and (turn_up := self.host.hold_again(self)) is not None:
            try:
                yield from self._await_own(turn_up)
                self.held = True
            except asyncio.CancelledError as error:
                cancelled = error
                self.held = not turn_up.cancelled()
        self.held = True
        if cancelled is not None:
            raise cancelled
