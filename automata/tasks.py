"""Methods whose code awaits something: each runs in a task of its own, holding its object between commit points."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Protocol

from automata.calls import Awaited
from automata.context import CURRENT
from automata.deadlines import MethodTask
from automata.durable import Durable, DurableSteps
from automata.effects import Effects
from automata.entity import Entity, load
from automata.errors import CallTimeout, StateError
from automata.journal import Journal, JournalMismatch
from automata.methods import Method, Packed
from automata.moved import Moved
from automata.reads import Recorder
from automata.stage import Stage
from automata.state import IDLE, READ, WRITE
from automata.suspending import Handling, Reading, Suspending, drive
from automata.work import Outcome, Refusal, Reply, Work, ordinary
from darq.errors import StoreClosed
from darq.log import Log

_DYING_TURNS_MAX = 100  # of the loop
_SETTLING_TURNS = 3  # what has ended takes so many until whoever awaits it goes on
_LOOK_SECONDS = 0.01  # between looks at whether anything still runs


class Holder(DurableSteps, Protocol):
    """What running methods in tasks asks of the host."""

    def release(self, entity: Entity) -> None:
        """The object is free: give it to who waits longest."""

    def admit(self) -> None:
        """Raise what keeps steps from running now."""

    async def durable(self, group: int) -> None:
        """Wait until a group is durable."""


class Tasks:
    """The running tasks of one host. mismatched: what is done about a method that no longer fits its journal.

    closing: the app is about to close, while what runs may go on for a moment; stopping: it is cut off now.
    """

    def __init__(self, host: Holder, stage: Stage, log: Log) -> None:
        self.mismatched: Callable[[Journal | None, JournalMismatch], Outcome] = _nobody
        self._host = host
        self._stage = stage
        self._log = log
        self.effects = Effects(host, self._start)
        self._running: dict[asyncio.Task[Outcome], Suspending | _Apart | None] = {}
        self.closing = self.stopping = False

    def run(self, work: Work) -> Reply:
        """Run a method that changes its object, which is free and is held from now on."""
        if self.stopping:
            return self.refuse(work)
        work.entity.busy = True
        turn, instance = self._turn(work)
        return self._start(self._run(turn, instance, work), turn)

    def refuse(self, work: Work) -> Outcome:
        """What comes of work whose turn has come while the app closes."""
        what = f"{work.entity.address} {work.method.name}"
        return Refusal(StoreClosed(f"{what} did not run: the app closes"))

    def read(self, entity: Entity, method: Method, packed: Packed) -> asyncio.Future[Outcome]:
        """Run a readonly method on a snapshot of committed state, beside whatever else runs."""
        state, instance = load(entity.made, entity.key, self._log, entity.prefix)
        turn = Reading(self._host, entity, method, state)
        entity.snapshots.append(state)  # before the task begins: it also keeps the object in memory
        return self._start(self._read(turn, instance, packed), turn)

    @property
    def quiet(self) -> bool:
        """Whether nothing runs: whatever there is waits at a commit point, for no effect."""
        turns = self._running.values()
        return self.effects.quiet and all(turn.quiet for turn in turns if turn is not None)

    def runs(self, journal: Journal) -> bool:
        """Whether the code of this method runs, or an effect, which may be its own."""
        turns = [turn for turn in self._running.values() if turn is not None and turn.journal is journal]
        return not self.effects.quiet or not all(turn.quiet for turn in turns)

    def effects_of(self, entity: Entity) -> list[asyncio.Future[Any]]:
        """What methods of an object wait for that is outside work."""
        waiting = [turn.waiting for turn in self._turns_of(entity) if isinstance(turn, Durable) and turn.in_effect]
        return [future for future in waiting if future is not None]

    def cut(self, entity: Entity, store: bytes) -> None:
        """The object has gone to another store: what waits at a commit point goes on there, and readers read there."""
        for turn in self._turns_of(entity):
            turn.moved, turn.cut_off = store, True
            if turn.task is not None:  # else it has not begun, and ends when it does
                turn.task.cancel()

    def called_by(self, number: int) -> list[tuple[Work, asyncio.Future[Outcome]]]:
        """What runs for the method of this number, with the future of its outcome."""
        found = [(turn.work, task) for task, turn in self._running.items() if turn is not None and turn.serves(number)]
        return [(work, task) for work, task in found if work is not None]

    def _turns_of(self, entity: Entity) -> list[Suspending]:
        return [turn for turn in self._running.values() if isinstance(turn, Suspending) and turn.entity is entity]

    async def stop(self, seconds: float, effect_seconds: float) -> None:
        """Let what runs end within `seconds`, and effects within `effect_seconds`.

        The current part of what does not is rolled back, and what merely waits at a commit point is cut off at once.
        """
        until = self._host.loop.time() + seconds
        while not await self._stays_quiet() and self._host.loop.time() < until:  # noqa: ASYNC110 - many things end it
            await asyncio.sleep(min(seconds, _LOOK_SECONDS))
        self.stopping = True
        await asyncio.sleep(0)  # so that each has begun: a task cancelled before that would answer nobody
        methods = [task for task in self._running if not self.effects.has_begun(task)]
        for task in methods:
            task.cancel()
        if methods:
            await asyncio.wait(methods, timeout=seconds)
        await self.effects.stop(effect_seconds)

    async def _stays_quiet(self) -> bool:
        """Whether nothing runs, nor is about to because something else has just ended."""
        for _ in range(_SETTLING_TURNS):
            await asyncio.sleep(0)
            if not self.quiet:
                return False
        return True

    async def abandon(self) -> None:
        """The process dies, as far as those outside can tell: cancel whatever runs, until it is gone.

        What ignores that for long is left behind: its store is closed, so that it can do no more harm.
        """
        self.stopping = True
        for _ in range(_DYING_TURNS_MAX):
            await asyncio.sleep(0)  # a task cancelled before it has begun would answer nobody
            if not self._running:
                return
            for task in list(self._running):
                task.cancel()

    def _start(
        self, coroutine: Coroutine[Any, Any, Outcome], turn: Suspending | _Apart | None = None
    ) -> asyncio.Future[Outcome]:
        task = MethodTask(coroutine, loop=self._host.loop)
        self._running[task] = turn
        task.add_done_callback(self._running.__delitem__)
        return task

    def resume(self, work: Work, journal: Journal, group: int) -> asyncio.Future[Outcome]:
        """Run a method again over its journal, and go on. group: the highest that the journal may depend on."""
        turn, instance = self._durable(work)
        entity = work.entity
        entity.pins += 1
        entity.sent_lsn = max(entity.sent_lsn, self._log.next_lsn - 1)  # it may have sent any of what there is
        if not journal.parts:
            return self._start(self._run_anew(turn, instance, work, turn.begin_anew(journal, group)), turn)
        turn.resume(journal, group)
        return self._start(self._run(turn, instance, work), turn)

    def run_beside(self, work: Coroutine[Any, Any, Outcome]) -> asyncio.Future[Outcome]:
        """Run what a method awaits outside of any object."""
        return self._start(work)

    def run_apart(self, waiting: Coroutine[Any, Any, Outcome], work: Work | None = None) -> asyncio.Future[Outcome]:
        """Run what waits for a worker, whose method is under way for as long. work: of one that changes its object."""
        return self._start(waiting, _Apart(work))

    def _durable(self, work: Work) -> tuple[Durable, object]:
        """A turn with an instance of its own: others may use the object between its parts."""
        entity = work.entity
        recorder = Recorder(self._log)
        state, instance = load(entity.made, entity.key, recorder, entity.prefix)
        return Durable(self._host, entity, work.method, state, recorder), instance

    def _turn(self, work: Work) -> tuple[Suspending, object]:
        entity = work.entity
        if entity.made.volatile:
            return Handling(self._host, entity, work.method, entity.state), entity.instance
        return self._durable(work)

    async def _run(self, turn: Suspending, instance: object, work: Work) -> Outcome:
        host, entity, state = self._host, turn.entity, turn.state
        turn.work, turn.task = work, asyncio.current_task()
        if isinstance(turn, Durable) and isinstance(turn.task, MethodTask):
            turn.task.entered = turn.enter_timeout
        CURRENT.set(turn)
        try:
            turn.check_cut_off()
            refusal = self._refuse_now(turn, work)
            if refusal is None:
                state.begin(WRITE)
            outcome = refusal or await self._call(turn, instance, work)
        except JournalMismatch as error:
            state.rollback()
            outcome = self._cancelled(turn) if turn.cut_off else self.mismatched(turn.journal, error)
        except KeyboardInterrupt:
            state.rollback()
            raise
        except asyncio.CancelledError:
            state.rollback()
            outcome = self._cancelled(turn)
        except BaseException as error:  # noqa: BLE001 - whatever a user's method raises is its outcome
            state.rollback()
            outcome = self._stage.fail(turn, ordinary(error, turn.name))
        finally:
            turn.close()
            state.mode = IDLE
            if state is not entity.state:
                state.values = {}  # as above: the instance's own values hold the state
            if turn.held:
                host.release(entity)
            else:
                entity.pins -= 1
        return outcome

    def _refuse_now(self, turn: Suspending, work: Work) -> Outcome | None:
        """What comes of work that may not begin now."""
        if turn.replaying:
            return None
        try:
            self._host.admit()
        except Exception as error:  # noqa: BLE001 - whatever keeps steps from running, the caller has to know
            return self._stage.refuse(work, turn.journal, error)
        return None

    async def _run_anew(self, turn: Durable, instance: object, work: Work, begun: Generator[Any, Any, None]) -> Outcome:
        """Begin a method again that a person has restarted."""
        try:
            await Awaited(begun)
        except asyncio.CancelledError:
            self._host.release(turn.entity)
            return self._cut_off(turn)
        return await self._run(turn, instance, work)

    async def _call(self, turn: Suspending, instance: object, work: Work) -> Outcome:
        """Run the code to its end, and commit its last part."""
        method = work.method
        try:
            returned = await drive(method.fn(instance, *method.unpack(work.packed)), turn)
        except Exception as error:
            turn.check_cut_off()
            turn.check_replayed(f"raises {type(error).__name__}")
            raise
        except asyncio.CancelledError:
            if not turn.cut_off:
                turn.check_replayed("is cancelled")
            raise
        turn.check_cut_off()
        turn.check_replayed("ends")
        turn.check_end()
        result = method.take_result(returned)
        self._stage.commit(turn, Outcome(result, None, 0))
        return Outcome(result, None, max(turn.group, turn.entity.group))

    async def _read(self, turn: Suspending, instance: object, packed: Packed) -> Outcome:
        entity, method, state = turn.entity, turn.method, turn.state
        turn.task = asyncio.current_task()
        CURRENT.set(turn)
        try:
            turn.check_cut_off()
            if entity.made.volatile:  # its snapshot is loaded only now, and has what was recorded since the call
                turn.group = max(turn.group, entity.group)
            state.begin(READ)
            result = method.take_result(await drive(method.fn(instance, *method.unpack(packed)), turn))
            turn.check_cut_off()
            state.flush()
            return Outcome(result, None, turn.group)
        except KeyboardInterrupt:
            raise
        except asyncio.CancelledError:
            return self._cut_off(turn)
        except BaseException as error:  # noqa: BLE001 - whatever a user's method raises is its outcome
            return Outcome(None, ordinary(error, turn.name), turn.group)
        finally:
            turn.close()
            entity.snapshots.remove(state)

    def _cancelled(self, turn: Suspending) -> Outcome:
        """The task was cancelled: by the limit of foreign awaits, which is a failure, or because the app closes.

        Then nothing is recorded: a message stays in the inbox, and a method that had committed a part is interrupted.
        """
        over = self.stopping or turn.moved is not None
        return self._cut_off(turn) if over else self._stage.fail(turn, self._why_cancelled(turn))

    def _cut_off(self, turn: Suspending) -> Outcome:
        error = self._why_cancelled(turn)
        return Refusal(error) if self.stopping or turn.moved is not None else Outcome(None, error, turn.group)

    def _why_cancelled(self, turn: Suspending) -> Exception:
        if turn.moved is not None:
            return Moved(turn.moved)
        if turn.expired:
            return CallTimeout(
                f"{turn.name} awaited what is no object for more than {turn.host.foreign_await_seconds_max} s, which "
                "holds its object: its last part was rolled back"
            )
        if self.stopping:
            return StoreClosed(f"{turn.name} was cancelled because the app closed: its last part was rolled back")
        return StateError(f"{turn.name} was cancelled by something that it awaited: its last part was rolled back")


class _Apart:
    """In place of the turn of a method that runs in a worker."""

    quiet = False
    journal = None

    def __init__(self, work: Work | None) -> None:
        self.work = work

    def serves(self, number: int) -> bool:
        """Whether it runs for the method of this number."""
        return self.work is not None and self.work.serves(number)


def _nobody(journal: Journal | None, error: JournalMismatch) -> Outcome:
    """Nothing resumes methods yet, so that none can differ from its journal."""
    raise AssertionError(f"{error} while nothing resumes methods")
