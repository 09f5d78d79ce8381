"""One invocation while its code runs: what it reads, changes and sends, part by part.

A part ends at each await of another automaton (LambdaObjects §3.1) and at the end of the method. Nothing of a part
happens before its step commits; a part that raises leaves nothing.
"""

from __future__ import annotations

import asyncio
import random
import types
from collections.abc import Callable, Coroutine, Generator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from automata.envelope import Envelope
from automata.errors import ReadOnlyError, StateError, UnjournaledAwait
from automata.pure import impure
from automata.state import READ
from automata.work import Outcome, Reply
from darq.errors import AutomataError

if TYPE_CHECKING:
    from automata.calls import Call
    from automata.entity import Entity
    from automata.methods import Method, Packed
    from automata.state import Live, ObjectState
    from automata.work import Work


class Steps(Protocol):
    """What a turn asks of the host that runs it."""

    loop: asyncio.AbstractEventLoop
    clock: Callable[[], float]
    random: random.Random
    foreign_await_seconds_max: float

    def envelope(self, call: Call) -> tuple[Envelope, int]:
        """A call as a message, and about its bytes."""

    def commit_part(self, turn: Turn) -> None:
        """What the turn has done so far becomes a step."""

    def begin_part(self, turn: Turn) -> None:
        """The turn goes on, on its object as it is now."""

    def let_go(self, turn: Turn) -> None:
        """The turn waits: its object is free meanwhile."""

    def hold_again(self, turn: Turn) -> asyncio.Future[None] | None:
        """Take the object again, at once or when the future is done."""

    def invoke_inside(self, call: Call, packed: Packed, sent_lsn: int) -> Reply:
        """Make a call from a method, behind what its object has sent up to `sent_lsn`."""

    def follow(self, reply: asyncio.Future[Outcome], call: Call) -> asyncio.Future[Outcome]:
        """The reply, for one waiter who may give up, with the call's own timeout."""

    def release(self, entity: Entity) -> None:
        """The object is free: give it to who waits longest."""

    def admit(self) -> None:
        """Raise what keeps steps from running now."""


_ENVELOPE_BYTES = 64  # about what a message takes besides its arguments
_NOTHING: list[Live] = []


class Turn:
    """The context of one running method.

    group: the highest group that its answer depends on. foreign: it has awaited something that is no automaton.
    """

    # What most turns never set stands on the class: making a turn is on the way of every call.
    closed = False
    deleted = False
    expired = False
    foreign = False
    foreign_until = 0.0  # on the loop's clock: until when this part may hold its object for outside work
    lsn = 0
    replaying = False
    sends: list[Envelope] | None = None
    sent_bytes = 0
    task: asyncio.Task[Outcome] | None = None
    waiting: object = None
    work: Work | None = None

    def __init__(self, host: Steps, entity: Entity, method: Method, state: ObjectState) -> None:
        self.host = host
        self.entity = entity
        self.method = method
        self.state = state
        self.group = entity.group
        self.detached: list[Live] = _NOTHING

    def check_active(self) -> None:
        """Raise StateError after the end of the method, and in other tasks than its own."""
        if self.closed:
            if self.state.applying:
                raise impure(self.entity.address)
            raise StateError(f"{self.name} has ended: its object can be used no more by what it left behind")
        if self.task is not None and _current_task() is not self.task:
            raise StateError(f"{self.name} is used from another task: invoke and send from the method itself")

    def check_detached(self) -> None:
        """Raise StateError if a value was read before a commit point and changed after it."""
        for live in self.detached:
            if live.encode_changed() is not None:
                raise StateError(
                    f"{self.name}: {live.name!r} was read before an await of another object and changed after it; "
                    "others may have changed it meanwhile: read it again, then change it"
                )

    @property
    def address(self) -> str:
        """TYPE/KEY of its object."""
        return self.entity.address

    def now(self) -> float:
        """Seconds since the epoch."""
        return self.host.clock()

    def random_bits(self, count: int) -> int:
        """An integer of `count` random bits."""
        return self.host.random.getrandbits(count)

    def send(self, call: Call) -> None:
        """Take a message into this part's step."""
        self.check_active()
        if self.state.mode is READ:
            raise ReadOnlyError(f"{self.name} is readonly and must not send")
        envelope, size = self.host.envelope(call)
        self.sent_bytes += size + _ENVELOPE_BYTES
        if self.sends is None:
            self.sends = []
        self.sends.append(envelope)

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

    def begin_foreign(self) -> asyncio.TimerHandle:
        """The method awaits something that is no automaton, while it keeps its object."""
        loop = self.host.loop
        if not self.foreign_until:
            self.foreign_until = loop.time() + self.host.foreign_await_seconds_max
        self.foreign = True
        return loop.call_at(self.foreign_until, self._expire)

    def foreign_in_readonly(self) -> ReadOnlyError:
        """Why a readonly method may not await outside work."""
        return ReadOnlyError(
            f"{self.name} is readonly and must not await what is no automaton: its result would depend on more than "
            "its snapshot. Remove @readonly, or the await"
        )

    def _expire(self) -> None:
        self.expired = True
        if self.task is not None:
            self.task.cancel()

    def call(self, call: Call) -> Generator[Any, Any, Any]:
        """`await ref(...).method()` in a method: a commit point, then the call, then the next part."""
        [outcome] = yield from self._commit_and_call([call])
        return outcome.take()

    def gather(self, calls: Sequence[Call]) -> Generator[Any, Any, list[Any]]:
        """Several calls at one commit point."""
        outcomes = yield from self._commit_and_call(calls)
        return [outcome.take() for outcome in outcomes]

    def _commit_and_call(self, calls: Sequence[Call]) -> Generator[Any, Any, list[Outcome]]:
        self.check_active()
        if self.entity.made.volatile and not self.method.readonly:
            raise StateError(
                f"{self.name} must not await another object: handlers of an @automaton send(...). Let the other one "
                "send its answer"
            )
        if self.foreign:
            raise UnjournaledAwait(
                f"{self.name} has awaited something that is no automaton before it awaits one: after a crash that "
                "could come out differently. Do it through effect() or sleep(), or after the last call"
            )
        for call in calls:
            if self.state.mode is READ and not call.method.readonly:
                raise ReadOnlyError(f"{self.name} is readonly and must not call {call!r}")
        packed = [call.pack() for call in calls]
        self.host.commit_part(self)
        replies = [self._invoke(call, arguments) for call, arguments in zip(calls, packed, strict=True)]
        if all(isinstance(reply, Outcome) for reply in replies):
            outcomes: list[Outcome] = replies  # type: ignore[assignment]
        else:
            outcomes = yield from self._wait(replies, calls)
        self.host.begin_part(self)
        self.group = max(self.group, *(outcome.group for outcome in outcomes)) if outcomes else self.group
        return outcomes

    def _invoke(self, call: Call, packed: Packed) -> Reply:
        try:
            return self.host.invoke_inside(call, packed, self.entity.sent_lsn)
        except Exception as error:  # noqa: BLE001 - a refusal, which the method gets like any other outcome, in its next part
            return Outcome(None, error, 0)

    def _wait(self, replies: Sequence[Reply], calls: Sequence[Call]) -> Generator[Any, Any, list[Outcome]]:
        """Let go of the object while the calls run, and have it again afterwards, whatever comes of them."""
        self.host.let_go(self)
        try:
            followed = [
                reply if isinstance(reply, Outcome) else self.host.follow(reply, call)
                for reply, call in zip(replies, calls, strict=True)
            ]
            outcomes = []
            for reply in followed:
                outcome = reply if isinstance(reply, Outcome) else (yield from self._await_own(reply))
                outcomes.append(outcome)
        except BaseException:
            yield from self._hold_again()
            self.host.begin_part(self)
            raise
        yield from self._hold_again()
        return outcomes

    def _hold_again(self) -> Generator[Any, Any, None]:
        cancelled = None
        while (turn_up := self.host.hold_again(self)) is not None:
            try:
                yield from self._await_own(turn_up)
                break
            except asyncio.CancelledError as error:
                cancelled = error
                if not turn_up.cancelled():
                    break
        if cancelled is not None:
            raise cancelled

    def _await_own(self, future: asyncio.Future[Any]) -> Generator[Any, Any, Any]:
        self.waiting = future
        try:
            return (yield from future)
        finally:
            self.waiting = None

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


@types.coroutine
def drive(coroutine: Coroutine[Any, Any, Any], turn: Turn) -> Generator[Any, Any, Any]:
    """Step a method in its task, and notice when it awaits something that is no automaton.

    Such an await holds the object, so it has a limit: then the task is cancelled.
    """
    step: Callable[[Any], Any] = coroutine.send
    given: Any = None
    while True:
        try:
            yielded = step(given)
        except StopIteration as stop:
            return stop.value
        own = turn.waiting is not None and yielded is turn.waiting
        if not own and turn.method.readonly:
            given, step = turn.foreign_in_readonly(), coroutine.throw
            continue
        watch = None if own else turn.begin_foreign()
        try:
            given = yield yielded
            step = coroutine.send
        except GeneratorExit:
            coroutine.close()
            raise
        except BaseException as error:  # noqa: BLE001 - a coroutine is thrown whatever its awaitable raised
            given, step = error, coroutine.throw
        finally:
            if watch is not None:
                watch.cancel()
