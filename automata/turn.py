"""One invocation while its code runs: what it reads, changes and sends.

Methods whose code awaits something have more to them: see `automata.suspending`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Generator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from automata.calls import Cancelled
from automata.envelope import Envelope
from automata.errors import ReadOnlyError, StateError
from automata.pure import impure
from automata.state import READ
from automata.timing import Timing
from automata.when import When
from automata.work import Outcome
from darq.errors import AutomataError

if TYPE_CHECKING:
    from automata.calls import Call, Point
    from automata.entity import Entity
    from automata.journal import Journal
    from automata.methods import Method
    from automata.state import ObjectState
    from automata.work import Work


class Steps(Protocol):
    """What a turn asks of the host that runs it."""

    clock: Callable[[], float]
    random: random.Random

    def envelope(self, call: Call) -> tuple[Envelope, int]:
        """A call as a message, and about its bytes."""

    def timing(self, under: Timing | None = None) -> Timing:
        """What a part does about timers. under: of the whole that this is a part of."""

    def take_lsn(self) -> int:
        """A number for a row that a step will set."""


_ENVELOPE_BYTES = 64  # about what a message takes besides its arguments


class Turn:
    """The context of one running method.

    group: the highest group that its answer depends on. replaying: it does again what has happened already.
    """

    # What most turns never set stands on the class: making a turn is on the way of every call.
    closed = False
    deleted = False
    journal: Journal | None = None
    replaying = False
    sends: list[Envelope] | None = None
    sent_bytes = 0
    task: asyncio.Task[Outcome] | None = None
    timing: Timing | None = None
    work: Work | None = None

    def __init__(self, host: Steps, entity: Entity, method: Method, state: ObjectState) -> None:
        self.host = host
        self.entity = entity
        self.method = method
        self.state = state
        self.group = entity.group

    def check_active(self) -> None:
        """Raise StateError after the end of the method, and in other tasks than its own."""
        if self.closed:
            if self.state.applying:
                raise impure(self.entity.address)
            raise StateError(f"{self.name} has ended: its object can be used no more by what it left behind")
        if self.task is not None and _current_task() is not self.task:
            raise StateError(
                f"{self.name} is used from another task: invoke and send from the method itself. In place of "
                "asyncio.gather and TaskGroup there is automata.gather, in place of asyncio.wait_for there are "
                "`async with asyncio.timeout(...)` and call(..., timeout=...)"
            )

    @property
    def address(self) -> str:
        """TYPE/KEY of its object."""
        return self.entity.address

    @property
    def application(self) -> str:
        """What the private methods of its type belong to."""
        return self.entity.made.application

    def now(self) -> float:
        """Seconds since the epoch."""
        return self.host.clock()

    def random_bits(self, count: int) -> int:
        """An integer of `count` random bits."""
        return self.host.random.getrandbits(count)

    def take_number(self) -> int:
        """A number for a row of the store that no other row has."""
        return self.host.take_lsn()

    def send(self, call: Call, when: When | None = None) -> str:
        """Take a message into this part's step, to be delivered after it or when it is due. Returns the latter's id."""
        self.check_active()
        if self.state.mode is READ:
            raise ReadOnlyError(f"{self.name} is readonly and must not send")
        envelope, size = self.host.envelope(call)
        self.sent_bytes += size + _ENVELOPE_BYTES
        if when is not None:
            return self._set_timer(envelope, when)
        if self.sends is None:
            self.sends = []
        self.sends.append(envelope)
        return ""

    def take(self, envelope: Envelope, size_bytes: int) -> None:
        """Take a message into this part's step that somebody else has made."""
        self.sent_bytes += size_bytes + _ENVELOPE_BYTES
        if self.sends is None:
            self.sends = []
        self.sends.append(envelope)

    def cancel(self, message_id: str) -> Cancelled:
        """Take it into this part's step that a message is never delivered, if that is still possible.

        What another store may keep is cancelled there, when the result is awaited.
        """
        self.check_active()
        if self.state.mode is READ:
            raise ReadOnlyError(f"{self.name} is readonly and must not cancel messages")
        timing = self.begin_timing()
        pending = self.is_pending(timing, message_id)
        if not pending:
            return Cancelled(False, None, self._cancel_elsewhere(message_id) if pending is None else None)
        # what awaits nothing ends before anything else can happen; else the timer must not ring meanwhile
        timing.cancel(message_id, hold=self.task is not None and not self.replaying)
        return Cancelled(True, None)

    def is_pending(self, timing: Timing, message_id: str) -> bool | None:
        """Whether the message of this id is not on its way yet; None if another store may know."""
        return timing.is_pending(message_id)

    def begin_timing(self) -> Timing:
        """What this part does about timers."""
        if self.timing is None:
            self.timing = self.host.timing()
        return self.timing

    def close(self) -> None:
        """The method has ended: nothing can be done through this any more."""
        self.closed = True
        self.end_timing()
        self.task = None  # its context holds this turn, and only the garbage collector would part the two

    def end_timing(self) -> None:
        """The part has committed, or was rolled back: what it has held may ring, unless its step has dropped it."""
        if self.timing is not None:
            self.timing.release()
            self.timing = None

    def _set_timer(self, envelope: Envelope, when: When) -> str:
        due_ms = when.due_ms(self.now())
        return self.begin_timing().add(envelope, due_ms, when.rule, self.take_number())

    def record(self, event: object) -> None:
        """Add a self-message to the step, and apply it; what applies it must not use this turn."""
        self.closed = True
        try:
            self.state.record(event)
        finally:
            self.closed = False

    def delete(self) -> None:
        """Empty the object with this part's step."""
        self.state.check_writable(self.entity.address)
        self.state.clear()
        self.deleted = True

    def call(self, call: Call) -> Generator[Any, Any, Any]:
        """Refused: who awaits has an await in its code, and runs in a task (`automata.suspending`)."""
        call.pack()
        raise StateError(f"{self.name} steps {call!r} by hand: write `await`")

    def gather(self, calls: Sequence[Call]) -> Generator[Any, Any, list[Any]]:
        """Refused, as `call`."""
        return self.call(calls[0])

    def suspend(self, point: Point) -> Generator[Any, Any, Any]:
        """Refused, as `call`."""
        raise StateError(f"{self.name} steps {point.kind}() by hand: write `await`")

    def _cancel_elsewhere(self, message_id: str) -> Generator[Any, Any, Any]:
        """Refused, as `call`."""
        raise StateError(
            f"{self.name} cancels message {message_id}, which another store may keep: write `await cancel(...)`; a "
            "sandboxed class cannot do so: let a client cancel it"
        )

    @property
    def name(self) -> str:
        """What runs, for people: TYPE/KEY METHOD."""
        return f"{self.entity.address} {self.method.name}"


def _current_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None  # a thread without a loop


def run_to_end(coroutine: Coroutine[Any, Any, Any]) -> object:
    """Step a method whose code awaits nothing; it cannot suspend, so it needs no task."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    coroutine.close()
    raise AutomataError("a method without an await has suspended: report this")
