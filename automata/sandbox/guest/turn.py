"""One run of one method in a guest. It goes up to the first await whose outcome is not known yet, and ends there.

The host runs the method again from its start with the outcomes so far. What earlier parts did is done again and counts
no more; what they read and drew is answered as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any, Never, cast

from automata.calls import Cancelled
from automata.detached import Detached
from automata.errors import ReadOnlyError, StateError
from automata.place import Place
from automata.sandbox.guest.messages import (
    ERROR,
    OWN_RESULT,
    Changes,
    Dispatch,
    Host,
    changes_of,
    dispatch_of,
    encode,
)
from automata.sandbox.guest.raised import rebuilt
from automata.state import IDLE, READ, WRITE
from automata.timing import parse
from automata.turn import Turn
from automata.types import REGISTRY
from automata.values.dynamic import decode_dynamic

if TYPE_CHECKING:
    from automata.calls import Call, Point
    from automata.entity import Entity
    from automata.envelope import Envelope
    from automata.methods import Method
    from automata.sandbox.guest.rows import GuestRows
    from automata.state import ObjectState
    from automata.when import When

Past = Sequence[Sequence[tuple[int, bytes]]]


class Awaited:
    """The run ends here: what is awaited, and what the part that ends has done."""

    def __init__(self, point: list[object], changes: Changes) -> None:
        self.point = point
        self.changes = changes


class GuestSteps:
    """What a turn asks of its host, through what a guest imports."""

    def __init__(self, host: Host) -> None:
        self.functions = host

    def clock(self) -> float:
        """Seconds since the epoch."""
        return self.functions.now()

    def envelope(self, call: Call) -> tuple[Dispatch, int]:
        """A call as a message; the host counts its bytes."""
        return dispatch_of(call), 0


class GuestTurn(Turn):
    """The context of one running method. past: the outcomes of what its earlier parts awaited."""

    def __init__(self, host: Host, place: Place, method: Method, state: ObjectState, past: Past) -> None:
        super().__init__(cast("Any", GuestSteps(host)), cast("Entity", place), method, state)
        self._functions = host
        self._past = past
        self._part = 0
        self._detached = Detached()
        self.replaying = len(past) > 0

    def random_bits(self, count: int) -> int:
        """An integer of `count` random bits."""
        size = (count + 7) // 8
        return int.from_bytes(self._functions.entropy(size), "big") >> (size * 8 - count)

    def _set_timer(self, envelope: Envelope, when: When) -> str:
        due_ms = when.due_ms(self.now())
        return self._functions.schedule(encode(envelope), due_ms, when.rule)

    def cancel(self, message_id: str) -> Cancelled:
        """Cancel a message with this part's step, if that is still possible."""
        self.check_active()
        if self.state.mode is READ:
            raise ReadOnlyError(f"{self.name} is readonly and must not cancel messages")
        return Cancelled(parse(message_id) is not None and self._functions.cancel(message_id), None)

    def end(self) -> Changes:
        """The code has ended: what its last part has done. Raises what is wrong with it."""
        self._detached.check(self.name)
        overlay = self.state.flush()
        return changes_of(self.deleted, overlay, self.sends or ())

    # what is awaited

    def call(self, call: Call) -> Generator[Any, Any, Any]:
        """`await ref(...).method()`: a commit point."""
        self._check_readonly([call])
        [outcome] = yield from self._await(["call", [dispatch_of(call)]])
        return _value(call, outcome)

    def gather(self, calls: Sequence[Call]) -> Generator[Any, Any, list[Any]]:
        """Several calls at one commit point."""
        self._check_readonly(calls)
        outcomes = yield from self._await(["gather", [dispatch_of(call) for call in calls]])
        return [_value(call, outcome) for call, outcome in zip(calls, outcomes, strict=True)]

    def sleep(self, seconds: float) -> Generator[Any, Any, None]:
        """A pause: a commit point."""
        if self.state.mode is READ:
            raise ReadOnlyError(f"{self.name} is readonly and must not await sleep()")
        yield from self._await(["sleep", float(seconds)])

    def suspend(self, point: Point) -> Never:
        """Refused."""
        raise StateError(f"{self.name} awaits {point.kind}(), which is not there in a sandboxed class")

    def _check_readonly(self, calls: Sequence[Call]) -> None:
        self.check_active()
        if self.state.mode is not READ:
            return
        for call in calls:
            known = REGISTRY.find(call.ref.type_name) is not None  # else the host decides
            if known and not call.method.readonly:
                raise ReadOnlyError(f"{self.name} is readonly and must not call {call!r}")

    def _await(self, point: list[object]) -> Generator[Any, Any, Sequence[tuple[int, bytes]]]:
        """End the part, and go on with the outcomes, if they are known."""
        self.check_active()
        self._detached.check(self.name)
        readonly = self.state.mode is READ
        overlay = self.state.flush()
        if self._part == len(self._past):
            yield Awaited(point, changes_of(self.deleted, overlay, self.sends or ()))
            raise AssertionError("a run ends where it awaits")
        outcomes = self._past[self._part]
        self._part += 1
        self.replaying = self._part < len(self._past)
        if not readonly:
            self._begin_part()
        return outcomes

    def _begin_part(self) -> None:
        """What the last part did is committed, what it read is stale."""
        state = self.state
        self._detached.add(state.detach())
        self.sends, self.sent_bytes, self.deleted = None, 0, False
        state.settle()
        state.mode = IDLE
        cast("GuestRows", state.log).begin_part()
        state.unload()
        state.begin(WRITE)


def _value(call: Call, outcome: tuple[int, bytes]) -> object:
    """What a call gave. Raises what it raised."""
    sort, data = outcome
    if sort == ERROR:
        raise rebuilt(data)
    read: Callable[[bytes], object] = call.method.result.decode if sort == OWN_RESULT else decode_dynamic
    return read(data)
