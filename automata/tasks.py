"""Methods whose code awaits something: each runs in a task of its own, holding its object between commit points."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from automata.context import CURRENT
from automata.entity import Entity, load
from automata.errors import CallTimeout, StateError
from automata.methods import Method, Packed
from automata.stage import Stage
from automata.state import IDLE, READ, WRITE
from automata.turn import Steps, Turn, drive
from automata.work import Outcome, Reply, Work, ordinary
from darq.errors import StoreClosed
from darq.log import Log


class Tasks:
    """The running tasks of one host."""

    def __init__(self, host: Steps, stage: Stage, log: Log) -> None:
        self._host = host
        self._stage = stage
        self._log = log
        self._running: set[asyncio.Task[Outcome]] = set()
        self.stopping = False

    def run(self, work: Work) -> Reply:
        """Run a method that changes its object, which is free and is held from now on."""
        if self.stopping:
            return self.refuse(work)
        work.entity.busy = True
        return self._start(self._run(work))

    def refuse(self, work: Work) -> Outcome:
        """What comes of work whose turn has come while the app closes."""
        what = f"{work.entity.address} {work.method.name}"
        return Outcome(None, StoreClosed(f"{what} did not run: the app closes"), 0)

    def read(self, entity: Entity, method: Method, packed: Packed) -> asyncio.Future[Outcome]:
        """Run a readonly method on a snapshot of committed state, beside whatever else runs."""
        state, instance = load(entity.made, entity.key, self._log, entity.prefix)
        turn = Turn(self._host, entity, method, state)
        entity.snapshots.append(state)  # before the task begins: it also keeps the object in memory
        return self._start(self._read(turn, instance, packed))

    async def stop(self, seconds: float) -> None:
        """Let what runs end within `seconds`; roll back the current part of what does not."""
        if self._running:
            await asyncio.wait(self._running, timeout=seconds)
        self.stopping = True
        await asyncio.sleep(0)  # so that each has begun: a task cancelled before that would answer nobody
        for task in list(self._running):
            task.cancel()
        if self._running:
            await asyncio.wait(self._running, timeout=seconds)

    def _start(self, coroutine: Coroutine[Any, Any, Outcome]) -> asyncio.Future[Outcome]:
        task = self._host.loop.create_task(coroutine)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def _run(self, work: Work) -> Outcome:
        host, entity, method, state = self._host, work.entity, work.method, work.entity.state
        turn = Turn(host, entity, method, state)
        turn.work, turn.task = work, asyncio.current_task()
        CURRENT.set(turn)
        try:
            host.admit()
            state.begin(WRITE)
            result = method.take_result(await drive(method.fn(entity.instance, *method.unpack(work.packed)), turn))
            self._stage.commit(turn, Outcome(result, None, 0))
            outcome = Outcome(result, None, max(turn.group, entity.group))
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
            turn.closed = True
            state.mode = IDLE
            host.release(entity)
        return outcome

    async def _read(self, turn: Turn, instance: object, packed: Packed) -> Outcome:
        entity, method, state = turn.entity, turn.method, turn.state
        turn.task = asyncio.current_task()
        CURRENT.set(turn)
        try:
            state.begin(READ)
            result = method.take_result(await drive(method.fn(instance, *method.unpack(packed)), turn))
            state.flush()
            return Outcome(result, None, turn.group)
        except KeyboardInterrupt:
            raise
        except asyncio.CancelledError:
            return Outcome(None, self._why_cancelled(turn), turn.group)
        except BaseException as error:  # noqa: BLE001 - whatever a user's method raises is its outcome
            return Outcome(None, ordinary(error, turn.name), turn.group)
        finally:
            turn.closed = True
            entity.snapshots.remove(state)

    def _cancelled(self, turn: Turn) -> Outcome:
        """The task was cancelled: by the limit of foreign awaits, which is a failure, or because the app closes.

        Then nothing is recorded: a message stays in the inbox, and a method that had committed a part is interrupted.
        """
        error = self._why_cancelled(turn)
        return Outcome(None, error, turn.group) if self.stopping else self._stage.fail(turn, error)

    def _why_cancelled(self, turn: Turn) -> Exception:
        if turn.expired:
            return CallTimeout(
                f"{turn.name} awaited what is no object for more than {turn.host.foreign_await_seconds_max} s, which "
                "holds its object: its last part was rolled back"
            )
        if self.stopping:
            return StoreClosed(f"{turn.name} was cancelled because the app closed: its last part was rolled back")
        return StateError(f"{turn.name} was cancelled by something that it awaited: its last part was rolled back")
