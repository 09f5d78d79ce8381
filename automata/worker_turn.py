"""The worker's side: run the code of one task, and give back what it has done as data.

Nothing here touches a log: it runs wherever a worker is, and whatever goes wrong is the task's error.
"""

from __future__ import annotations

import asyncio
import importlib
import random
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from automata import failure
from automata.context import CURRENT
from automata.entity import load
from automata.envelope import Envelope
from automata.errors import DeclarationError, StateError
from automata.methods import Method
from automata.place import Place
from automata.state import READ, WRITE, ObjectState
from automata.turn import Turn, run_to_end
from automata.types import AutomatonType, Registry
from automata.work import ordinary
from automata.worker import Dispatch, Done, Source, Task
from automata.worker_rows import WorkerRows

if TYPE_CHECKING:
    from automata.calls import Call, Point
    from automata.entity import Entity
    from automata.timing import Timing


@dataclass(frozen=True)
class Surroundings:
    """What a worker is given besides its tasks: clock, randomness, and the types that it knows."""

    clock: Callable[[], float]
    random: random.Random
    registry: Registry

    def type_of(self, task: Task) -> AutomatonType:
        """The type of a task, whose module is imported if need be. Raises DeclarationError if it is not there."""
        module, qualname = task.origin
        found = self.registry.find(task.type_name)
        if found is None:
            try:
                importlib.import_module(module)
            except ImportError as error:
                raise DeclarationError(f"a worker cannot import {module}, which defines {task.type_name}") from error
            found = self.registry.find(task.type_name)
        if found is None:
            raise DeclarationError(
                f'a worker has imported {module} and not found {qualname}: a type with compute="worker" stands at the '
                "top of a module, so that another process can import it"
            )
        found.resolve()
        return found


class _Steps:
    """What a turn asks of its host, where there is none."""

    def __init__(self, surroundings: Surroundings, name: str) -> None:
        self.clock = surroundings.clock
        self.random = surroundings.random
        self._name = name

    def envelope(self, call: Call) -> tuple[Envelope, int]:
        envelope = Envelope((call.ref.type_name, call.ref.key), call.method, call.pack())
        return envelope, 0  # the host counts bytes, when it stages the message

    def timing(self, under: Timing | None = None) -> Timing:
        raise self._refuse("sends later, or cancels")

    def take_lsn(self) -> int:
        raise self._refuse("sends later")

    def _refuse(self, what: str) -> StateError:
        return StateError(
            f"{self._name} runs in a worker and {what}: timers are its host's. Send to a method of a type without "
            'compute="worker", which does that'
        )


class WorkerTurn(Turn):
    """One invocation in a worker: one step, which sends and awaits no other automaton."""

    def call(self, call: Call) -> Generator[Any, Any, Any]:
        """Refused: a worker's method is one step."""
        raise self._one_step(repr(call))

    def gather(self, calls: Sequence[Call]) -> Generator[Any, Any, list[Any]]:
        """Refused, as `call`."""
        raise self._one_step("gather()")

    def suspend(self, point: Point) -> Generator[Any, Any, Any]:
        """Refused, as `call`."""
        raise self._one_step(f"{point.kind}()")

    def _one_step(self, what: str) -> StateError:
        return StateError(
            f"{self.name} awaits {what} in a worker, where a method is one step and awaits no other automaton. Send a "
            'message, or let a method of a type without compute="worker" call both'
        )


async def run_task(task: Task, source: Source, surroundings: Surroundings) -> Done:
    """Run the code of a task. Whatever it raises is in what this gives."""
    name = f"{task.type_name}/{task.key} {task.method}"
    try:
        return await _run(task, source, surroundings, name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever a user's method raises is its outcome
        raised = ordinary(error, name)
        return Done(error=failure.encode(raised), trace=failure.trace(raised))


async def _run(task: Task, source: Source, surroundings: Surroundings, name: str) -> Done:
    made = surroundings.type_of(task)
    method = made.method(task.method)
    state, instance = load(made, task.key, WorkerRows(task, source), task.prefix)
    steps = _Steps(surroundings, name)
    turn = WorkerTurn(steps, cast("Entity", Place(made, task.key)), method, state)
    turn.task = asyncio.current_task()
    token = CURRENT.set(turn)
    try:
        state.begin(READ if method.readonly else WRITE)
        coroutine = method.fn(instance, *method.unpack(method.decode_arguments(task.arguments)))
        returned = await coroutine if method.awaiting else run_to_end(coroutine)
        return _done(turn, method, state, method.take_result(returned))
    finally:
        turn.close()
        CURRENT.reset(token)


def _done(turn: WorkerTurn, method: Method, state: ObjectState, result: object) -> Done:
    """What the method has done. Raises what is wrong with it."""
    overlay = state.flush()
    done = Done(result=method.result.encode(result), deleted=turn.deleted)
    if method.readonly:
        return done
    if overlay is not None:
        done.ranges = overlay.ranges
        done.writes = list(overlay.writes.items())
    for envelope in turn.sends or ():
        arguments = envelope.method.encode_arguments(envelope.packed)
        done.sends.append(Dispatch(*envelope.address, envelope.method.name, arguments))
    return done
