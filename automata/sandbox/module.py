"""An uploaded module, ready to run its methods: loaded from its compiled form when it is first called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, cast

import msgspec

from automata.calls import Call
from automata.errors import AutomataError, GuestTrapped, InvalidArgument, RemoteError
from automata.failure import encode as encode_error
from automata.inline import TooLong
from automata.methods import Method, Parameter
from automata.printable import printable
from automata.sandbox.component_guest import pages
from automata.sandbox.component_messages import Awaits, Changes, OutcomeMessage, Raised, encode_task
from automata.sandbox.core_guest import F64, I32, I64, CoreRun
from automata.sandbox.dispatch import Dispatch, Point
from automata.sandbox.loading import Loaded
from automata.sandbox.machine import Machine
from automata.sandbox.paging import size_of
from automata.sandbox.passing import PART_BYTES
from automata.sandbox.plain import check_typed
from automata.sandbox.rows import RowChecks
from automata.sandbox.session import INLINE_BYTES, Session, Suspended
from automata.sandbox.targets import Targets
from automata.work import Outcome

INLINE_FUEL = 500_000
"""So much of it a method may use on the event loop, half a millisecond's; then it runs again in a thread."""

ROWS_AT_ONCE = 32
"""So many of an object's rows go with a component's task: a further call for some costs as much as reading these."""

RANGES_MAX = 100
"""So many ranges of rows a part may drop: the step of its object looks through all of them for each row."""

_INT64 = 1 << 63
_TEXT_MAX = 1 << 16
_NIL = b"\xc0"


@dataclass(frozen=True)
class Part:
    """What one run has come to: a result, or a point to go on from. changes: of rows, if they are not made yet.

    calls: those of its point, or why they cannot be made.
    """

    value: object = None
    point: Point | None = None
    changes: Changes | None = None
    sends: list[Call] = field(default_factory=list)
    calls: list[Call] | AutomataError = field(default_factory=list)


class GuestModule(Protocol):
    """A module of either kind."""

    def describe(self, session: Session) -> bytes:
        """What it says of itself. Raises GuestTrapped, LimitExceeded."""

    def begin(self, session: Session, method: Method, args: tuple[object, ...], awaits: bool) -> Callable[[], Part]:
        """Make ready to run a method, as a part of its task. What this gives runs it, in any thread."""


class ComponentModule:
    """A component. checks: of the rows of its types, by their names."""

    def __init__(
        self, machine: Machine, compiled: Callable[[], Path], targets: Targets, checks: Mapping[str, RowChecks]
    ) -> None:
        self._machine = machine
        self._checks = checks
        self._component = Loaded(lambda: machine.load_component(compiled()))
        self._targets = targets

    def describe(self, session: Session) -> bytes:
        """What it says of itself."""
        session.begin_run()
        return self._machine.describe_component(self._component.get(), session)

    def begin(self, session: Session, method: Method, args: tuple[object, ...], awaits: bool) -> Callable[[], Part]:
        """With its task go the first rows of its object, if it awaits nothing: they would all count as read."""
        arguments = _encode([p.kind.encode(value) for p, value in zip(method.parameters, args, strict=True)])
        rows = [] if awaits else session.collect(pages(session, (b"", b"\xff"), False), ROWS_AT_ONCE, PART_BYTES)
        whole = not awaits and len(rows) < ROWS_AT_ONCE and size_of(rows) < PART_BYTES
        address = (method.type_name, session.key, method.name)

        def run() -> Part:
            session.begin_run(told=True)
            past = [self._past(point, outcomes) for point, outcomes in zip(session.points, session.past, strict=True)]
            session.count_kept(sum(len(data) for _, data in past[-1]) if past else 0)
            answer = self._machine.run_component(
                self._component.get(), session, encode_task(address, arguments, rows, whole, past)
            )
            return self._part(session, method, answer)

        return run

    def _past(self, point: Point, outcomes: list[Outcome]) -> list[OutcomeMessage]:
        if not point.calls:
            return [(1, _NIL)]
        return [self._outcome(dispatch, outcome) for dispatch, outcome in zip(point.calls, outcomes, strict=True)]

    def _outcome(self, dispatch: Dispatch, outcome: Outcome) -> OutcomeMessage:
        if outcome.error is not None:
            return 2, encode_error(outcome.error.with_traceback(None))
        return (0 if dispatch.own else 1), self._targets.encode_outcome(dispatch, outcome)

    def _check(self, session: Session, changes: Changes) -> None:
        """Count and check what a part has changed, in its own thread: there may be much of it."""
        changes.ranges = sorted(set(changes.ranges))  # all of them are dropped before anything is written
        if len(changes.ranges) > RANGES_MAX:
            raise session.over("writes", f"drops more than {RANGES_MAX} ranges of rows")
        for begin, end in changes.ranges:
            session.count_write(begin, end)
        checks = self._checks[session.turn.entity.made.name]
        for subkey, data in changes.writes:
            session.count_write(subkey, data)
            checks.check(subkey, data)
        for message in changes.sends:
            session.send(message.dispatch())

    def _part(self, session: Session, method: Method, answer: Any) -> Part:
        if isinstance(answer, Raised):
            if answer.kind == "MemoryError":
                raise session.over("memory_bytes", "needs more memory than it may have")
            kind, message, trace = answer.kind[:200], answer.message[:_TEXT_MAX], answer.trace[:_TEXT_MAX]
            raise RemoteError(printable(kind), printable(message, "\n\t"), printable(trace, "\n\t"))
        self._check(session, answer.changes)
        sends = session.sends
        if isinstance(answer, Awaits):
            point = answer.awaited()
            return Part(None, point, answer.changes, sends, session.calls_of(point))
        return Part(_result(method, answer.result), None, answer.changes, sends)


class CoreModule:
    """A core module."""

    def __init__(self, machine: Machine, compiled: Callable[[], Path]) -> None:
        self._machine = machine
        self._prepared = Loaded(lambda: machine.load_core(compiled()))

    def describe(self, session: Session) -> bytes:
        """What its export `describe` says: address << 32 | length of the manifest."""
        session.begin_run()

        def work(run: CoreRun) -> bytes:
            place = int(run.call(b"describe", (), I64) or 0)
            return run.memory.read(place >> 32, place)

        return cast("bytes", self._machine.run_core(self._prepared.get(), session, session.limits.fuel, work))

    def begin(self, session: Session, method: Method, args: tuple[object, ...], awaits: bool) -> Callable[[], Part]:
        """Its rows are those of the object's one map."""
        if session.inline and not self._prepared.ready:
            raise TooLong  # it may have to be compiled
        name = f"{method.type_name}.{method.name}".encode()

        def work(run: CoreRun) -> Part:
            given = [g for p, value in zip(method.parameters, args, strict=True) for g in _lower(run, p, value)]
            kind = core_kind(method.result.exact)
            found = run.call(name, given, kind)
            return Part(_lift(run, method, kind, found), None, None, session.sends)

        def run() -> Part:
            session.begin_run()
            fuel = min(INLINE_FUEL, session.limits.fuel) if session.inline else session.limits.fuel
            try:
                return cast("Part", self._machine.run_core(self._prepared.get(), session, fuel, work))
            except Suspended:
                assert session.point is not None, "it says what it awaits"
                return Part(None, session.point, None, session.sends, session.calls_of(session.point))

        return run


def core_kind(exact: type | None) -> str | None:
    """The WebAssembly type of a plain value; None for what goes through memory."""
    return {int: I64, float: F64, bool: I32}.get(exact) if exact is not None else None


def _lower(run: CoreRun, parameter: Parameter, value: object) -> list[tuple[str, int | float]]:
    """One argument as WebAssembly values; what is larger goes to where the module's `alloc` says."""
    kind = core_kind(parameter.exact)
    if kind is not None:
        if type(value) is int and not -_INT64 <= value < _INT64:
            raise InvalidArgument(f"{parameter.name} has more than 64 bits, and a core module takes no more")
        return [(kind, value)]  # type: ignore[list-item]
    data = value if isinstance(value, bytes) else value.encode() if isinstance(value, str) else None
    data = parameter.kind.encode(value) if data is None else data
    address = int(run.call(b"alloc", [(I32, len(data))], I32) or 0)
    run.memory.write(address, data)
    return [(I32, address), (I32, len(data))]


def _lift(run: CoreRun, method: Method, kind: str | None, found: int | float | None) -> object:
    """The result: what the export gave, or the bytes of its reply."""
    if kind is not None:
        return bool(found) if kind == I32 else found
    exact = method.result.exact
    if run.reply is not None and exact is bytes:
        return run.reply
    if run.reply is not None and exact is str:
        return _decoded(method, run.reply)
    if run.reply is not None and run.session.inline and len(run.reply) > INLINE_BYTES:
        raise TooLong
    return _result(method, _NIL if run.reply is None else run.reply)


def _decoded(method: Method, data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise GuestTrapped(f"the result of {method.type_name}.{method.name} is no UTF-8") from None


def _result(method: Method, data: bytes) -> object:
    """A result from bytes. Raises GuestTrapped for what does not fit the type that was declared."""
    try:
        check_typed(method.result.annotation, data)
        return method.result.decode(data)
    except (InvalidArgument, ValueError, TypeError, RecursionError) as error:
        raise GuestTrapped(f"the result of {method.type_name}.{method.name} is not what it declares: {error}") from None


_encode = msgspec.msgpack.Encoder().encode
