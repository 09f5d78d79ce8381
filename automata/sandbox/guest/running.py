"""`run`: one task in, one answer out. Each task has a guest of its own, so nothing is cleaned up."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, cast

from automata.context import CURRENT
from automata.deterministic import Deterministic
from automata.place import Place
from automata.sandbox.guest.asynchronous import refusal
from automata.sandbox.guest.messages import AWAITS, DONE, NOTHING, RAISED, Host, Task, decode, encode
from automata.sandbox.guest.raised import told
from automata.sandbox.guest.rows import GuestRows
from automata.sandbox.guest.turn import Awaited, GuestTurn
from automata.sandbox.passing import IN_PARTS, PART_BYTES
from automata.state import READ, STATE, WRITE, ObjectState
from automata.types import REGISTRY, AutomatonType

_RESERVE_BYTES = 1 << 20


class Runner:
    """Runs tasks over a host's functions. find: gives the type of a name."""

    def __init__(self, host: Host, find: Callable[[str], AutomatonType] = REGISTRY.get) -> None:
        self._host = host
        self._find = find
        self._reserve: bytearray | None = bytearray(_RESERVE_BYTES)
        self._left_behind: list[object] = []  # coroutines that wait: closing one would run its `finally`

    def run(self, data: bytes) -> bytes:
        """The answer to a task, or its last part. Whatever its code raises is in it."""
        answer = self._answer(data)
        while len(answer) > PART_BYTES:
            self._host.give(answer[:PART_BYTES])
            answer = answer[PART_BYTES:]
        return answer

    def _answer(self, data: bytes) -> bytes:
        name = "a method"
        try:
            if data == IN_PARTS:
                data = self._collect()
            task = Task(*decode(data))
            name = f"{task.type_name}/{task.key} {task.method}"
            return self._run(task)
        except MemoryError:
            self._reserve = None  # what is left is needed to say so
            return encode([RAISED, "MemoryError", f"{name} needs more memory than it may have", ""])
        except BaseException as error:  # noqa: BLE001 - whatever a user's method raises is its outcome
            return encode([RAISED, *told(error, name)])

    def _collect(self) -> bytes:
        parts: list[bytes] = []
        while part := self._host.part(len(parts)):
            parts.append(part)
        return b"".join(parts)

    def _run(self, task: Task) -> bytes:
        made = self._find(task.type_name)
        method = made.method(task.method)
        state, instance = load(made, task, self._host)
        place = Place(made, task.key)
        turn = GuestTurn(self._host, place, method, state, task.past)
        running = Deterministic(cast("Any", place), method) if method.cached else turn
        token = CURRENT.set(running)
        try:
            state.begin(READ if method.readonly else WRITE)
            coroutine = method.fn(instance, *method.unpack(method.decode_arguments(task.arguments)))
            ended = _drive(coroutine)
            if type(ended) is Awaited:
                self._left_behind.append(coroutine)
                return encode([AWAITS, ended.point, ended.changes])
            result = method.take_result(ended)
            changes = turn.end()
            return encode([DONE, method.result.encode(result), NOTHING if method.readonly else changes])
        finally:
            turn.closed = True
            CURRENT.reset(token)


def _drive(coroutine: Coroutine[Any, Any, object]) -> object:
    """Step a method up to its end, or up to the await of what is not known yet."""
    try:
        yielded = coroutine.send(None)
        while type(yielded) is not Awaited:
            yielded = coroutine.throw(refusal("what it awaits"))
    except StopIteration as stop:
        return stop.value
    return yielded


def load(made: AutomatonType, task: Task, host: Host) -> tuple[ObjectState, Any]:
    """A fresh instance of the object, with nothing loaded yet."""
    instance: Any = object.__new__(made.cls)
    values = instance.__dict__
    state = ObjectState(GuestRows(task.rows, task.whole, host), b"", values)
    values["key"] = task.key
    values[STATE] = state
    return state, instance
