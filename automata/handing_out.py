"""The host's side of `compute="worker"` (SSMS §4.1): give an invocation to a worker, stage what it has done as a step.

The object is held from the moment when its rows are read until that step is committed, and a worker that dies has
changed nothing.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from automata.entity import Entity, load
from automata.envelope import Envelope
from automata.errors import InvalidArgument, Overloaded, RemoteError, WorkerDied
from automata.failure import WhereRaised
from automata.methods import Method, Packed
from automata.options import Options
from automata.stage import Stage
from automata.state import IDLE, WRITE, ObjectState
from automata.tasks import Tasks
from automata.turn import Steps, Turn
from automata.values.exceptions import decode_exception
from automata.work import Outcome, Refusal, Reply, Work, ordinary
from automata.worker import Dispatch, Done, Rows, Task, Want
from darq.errors import StoreClosed
from darq.log import Log

ROWS_AT_ONCE = 256
ROWS_BYTES = 64 << 10
"""So much of an object goes with its task: smaller ones are read without a further call."""


class Giver(Steps, Protocol):
    """What handing out asks of the host."""

    def admit(self) -> None:
        """Raise what keeps steps from running now."""

    def release(self, entity: Entity) -> None:
        """The object is free: give it to who waits longest."""


class _StateRows:
    """The rows below one task, which do not change while it runs."""

    def __init__(self, state: ObjectState) -> None:
        self._state = state

    def rows(self, want: Want) -> Rows:
        """A range."""
        return self._state.scan((want.begin, want.end), want.limit, want.reverse)

    def first(self) -> tuple[Rows, bool]:
        """The first rows, and whether they are all."""
        found, begin, size = Rows(), b"", 0
        while size < ROWS_BYTES:
            page = self.rows(Want(begin, b"\xff", ROWS_AT_ONCE))
            found += page
            if len(page) < ROWS_AT_ONCE:
                return found, True
            size += sum(len(subkey) + len(value) for subkey, value in page)
            begin = page[-1][0] + b"\0"
        return found, False


class HandingOut:
    """Gives the invocations of one host to its workers."""

    def __init__(self, host: Giver, stage: Stage, log: Log, tasks: Tasks, options: Options) -> None:
        self._host = host
        self._stage = stage
        self._log = log
        self._tasks = tasks
        self._registry = options.registry
        self.workers = options.make_workers()

    def run(self, work: Work) -> Reply:
        """Have a method run that may change its object, which is free and is held from now on."""
        work.entity.busy = True
        return self._tasks.run_apart(self._run(work), work)

    def read(self, entity: Entity, method: Method, packed: Packed) -> asyncio.Future[Outcome]:
        """Have a readonly method run on a snapshot of committed state, beside whatever else runs."""
        state, _ = load(entity.made, entity.key, self._log, entity.prefix)
        entity.snapshots.append(state)  # before the task begins: it also keeps the object in memory
        return self._tasks.run_apart(self._read(entity, method, packed, state))

    async def _run(self, work: Work) -> Outcome:
        entity = work.entity
        state, _ = load(entity.made, entity.key, self._log, entity.prefix)
        turn = Turn(self._host, entity, work.method, state)
        turn.work = work
        try:
            return await self._step(turn, work)
        except asyncio.CancelledError:
            return Refusal(_closed(turn.name))
        finally:
            turn.close()
            state.mode = IDLE
            state.values = {}  # its instance holds the state, and the state its values
            self._host.release(entity)

    async def _step(self, turn: Turn, work: Work) -> Outcome:
        try:
            self._host.admit()
        except Exception as error:  # noqa: BLE001 - whatever keeps steps from running, the caller has to know
            return self._stage.refuse(work, None, error)
        try:
            done = await self._hand_out(turn.entity, work.method, work.packed, turn.state)
        except (WorkerDied, Overloaded) as error:
            # a message has had its try; nothing is recorded under a key, so that a caller may ask again
            return self._stage.fail(turn, error) if work.one_way else Refusal(error)
        try:
            return self._commit(turn, done)
        except Exception as error:  # noqa: BLE001 - what the method raised, or what is wrong with what it did
            turn.state.rollback()
            return self._stage.fail(turn, ordinary(error, turn.name))

    def _commit(self, turn: Turn, done: Done) -> Outcome:
        """Make one step of what the worker has done. Raises what its method has raised."""
        result = _take(done, turn.method)
        self._host.admit()  # the disk may have filled up meanwhile
        state = turn.state
        state.begin(WRITE)
        for bounds in done.ranges:
            state.drop_range(bounds)
        for subkey, data in done.writes:
            if data is None:
                state.delete(subkey)
            else:
                state.put(subkey, data)
        turn.deleted = done.deleted
        for dispatch in done.sends:
            self._send(turn, dispatch)
        outcome = Outcome(result, None, 0)
        self._stage.commit(turn, outcome)
        outcome.group = max(turn.group, turn.entity.group)
        return outcome

    def _send(self, turn: Turn, dispatch: Dispatch) -> None:
        size, limit = len(dispatch.arguments), self._log.limits.message_bytes_max
        if size > limit:
            raise InvalidArgument(f"the arguments of a message take {size} bytes; it has at most {limit >> 20} MiB")
        method = self._registry.get(dispatch.type_name).method(dispatch.method)
        packed = method.decode_arguments(dispatch.arguments)
        turn.take(Envelope((dispatch.type_name, dispatch.key), method, packed), size)

    async def _read(self, entity: Entity, method: Method, packed: Packed, state: ObjectState) -> Outcome:
        group, name = entity.group, f"{entity.address} {method.name}"
        try:
            return Outcome(_take(await self._hand_out(entity, method, packed, state), method), None, group)
        except asyncio.CancelledError:
            return Refusal(_closed(name))
        except Exception as error:  # noqa: BLE001 - whatever the method raised, or what keeps it from running
            return Outcome(None, ordinary(error, name), group)
        finally:
            entity.snapshots.remove(state)

    async def _hand_out(self, entity: Entity, method: Method, packed: Packed, state: ObjectState) -> Done:
        made, source = entity.made, _StateRows(state)
        arguments, options = method.encode_arguments(packed), made.options
        task = Task(made.name, made.origin, entity.key, method.name, arguments, entity.prefix, *source.first())
        task.num_cpus, task.num_gpus = options.num_cpus, options.num_gpus
        return await self.workers.run(task, source)


def _take(done: Done, method: Method) -> object:
    """The result, or raise the error."""
    if done.error is None:
        return method.result.decode(done.result)
    error = decode_exception(done.error)
    if not isinstance(error, RemoteError):
        error.__cause__ = WhereRaised(done.trace)
    raise error


def _closed(name: str) -> StoreClosed:
    return StoreClosed(f"{name} was cut off in its worker, because the app closed: nothing of it happened")
