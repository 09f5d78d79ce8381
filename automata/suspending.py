"""Methods whose code awaits something: each runs in a task, part by part.

A part ends at each await of another automaton (LambdaObjects §3.1) and at the end of the method. Nothing of a part
happens before its step commits; a part that raises leaves nothing. After a crash the method is run again over its
journal, up to where it was.
"""

from __future__ import annotations

import asyncio
import types
from collections.abc import Callable, Coroutine, Generator, Sequence
from typing import Any, Protocol, TypeVar, cast

from automata.calls import Call, Point
from automata.commit_points import Calls, Cancelling, CommitPoint, Outside
from automata.errors import ReadOnlyError, StateError, UnjournaledAwait
from automata.turn import Steps, Turn
from automata.work import Outcome, Reply

T = TypeVar("T")


class TaskSteps(Steps, Outside, Protocol):
    """What a turn in a task asks of the host that runs it."""

    foreign_await_seconds_max: float

    @property
    def closing(self) -> bool:
        """Whether the app closes: what runs is cut off, and resumed in the next life."""


class Suspending(Turn):
    """A turn in a task. foreign: it has awaited something that is no automaton; held: it holds its object.

    cut_off: the app closes, and has cancelled it; whatever its code makes of that, nothing of this part happens.
    moved: it was cut off because its object has gone to this store, where it goes on. computing: its own code runs
    elsewhere until this is done.
    """

    host: TaskSteps
    cut_off = False
    expired = False
    foreign = False
    held = True
    moved: bytes | None = None
    computing: asyncio.Future[Any] | None = None
    foreign_until = 0.0  # on the loop's clock: until when this part may hold its object for outside work
    waiting: asyncio.Future[Any] | None = None

    @property
    def quiet(self) -> bool:
        """Whether it waits at a commit point: nothing of it runs."""
        return self.waiting is not None and not self.waiting.done()

    def serves(self, number: int) -> bool:
        """Whether it runs for the method of this number, which keeps its outcome."""
        return self.work is not None and self.work.serves(number)

    def begin_foreign(self) -> asyncio.TimerHandle:
        """The method awaits something that is no automaton, while it keeps its object."""
        loop = self.host.loop
        if not self.foreign_until:
            self.foreign_until = loop.time() + self.host.foreign_await_seconds_max
        self.foreign = True
        return loop.call_at(self.foreign_until, self._expire)

    def check_cut_off(self) -> None:
        """Raise CancelledError again if closing has cancelled the method: its code must not go another way then."""
        if self.cut_off:
            raise asyncio.CancelledError

    def check_replayed(self, how: str) -> None:
        """The code has ended. Raises JournalMismatch if it has done so amid its journal. how: what it did."""

    def check_end(self) -> None:
        """The code has given a result. Raises StateError if it has changed what was no longer its own."""

    def refuse_foreign(self) -> BaseException | None:
        """Why this method may not await outside work, if it may not."""
        return None

    def _expire(self) -> None:
        self.expired = True
        if self.task is not None:
            self.task.cancel()

    def call(self, call: Call) -> Generator[Any, Any, Any]:
        """`await ref(...).method()` in a method: a commit point, then the call, then the next part."""
        [outcome] = yield from self._await(Calls("call", [call]))
        return outcome.take()

    def gather(self, calls: Sequence[Call]) -> Generator[Any, Any, list[Any]]:
        """Several calls at one commit point."""
        outcomes = yield from self._await(Calls("gather", calls))
        return [outcome.take() for outcome in outcomes]

    def suspend(self, point: Point) -> Generator[Any, Any, Any]:
        """Await something else at a commit point."""
        [outcome] = yield from self._await(cast("CommitPoint", point))
        return outcome.take()

    def outcomes(self, calls: Sequence[Call]) -> Generator[Any, Any, list[Outcome]]:
        """As `gather`, but errors are outcomes like others."""
        return (yield from self._await(Calls("gather", calls)))

    def compute(self, future: asyncio.Future[T]) -> Generator[Any, Any, T]:
        """Wait while the method's own code runs elsewhere: it holds its object, and nothing has been awaited."""
        self.computing = future
        try:
            return (yield from future)
        finally:
            self.computing = None

    def _cancel_elsewhere(self, message_id: str) -> Generator[Any, Any, Any]:
        return self.suspend(Cancelling(message_id))

    def _await(self, point: CommitPoint) -> Generator[Any, Any, list[Outcome]]:
        """What a kind of method does about a commit point."""
        raise NotImplementedError

    def _await_own(self, future: asyncio.Future[Any]) -> Generator[Any, Any, Any]:
        self.waiting = future
        try:
            return (yield from future)
        finally:
            self.waiting = None


class Handling(Suspending):
    """A handler of an automaton: it sends, and awaits no other automaton (SSMS §3.1)."""

    def _await(self, point: CommitPoint) -> Generator[Any, Any, list[Outcome]]:
        raise StateError(
            f"{self.name} awaits {point.kind}(): a handler of an automaton is one step and awaits no other automaton. "
            "Send a message, and let the answer come as one"
        )


class Reading(Suspending):
    """A readonly method on its snapshot: it may await readonly methods alone."""

    def refuse_foreign(self) -> ReadOnlyError:
        """A readonly method depends on nothing but its snapshot."""
        return ReadOnlyError(
            f"{self.name} is readonly and must not await what is no automaton: its result would depend on more than "
            "its snapshot. Remove @readonly, or the await"
        )

    def _await(self, point: CommitPoint) -> Generator[Any, Any, list[Outcome]]:
        self.check_active()
        if not isinstance(point, Calls):
            raise ReadOnlyError(f"{self.name} is readonly and must not await {point.kind}()")
        for call in point.calls:
            if not call.method.readonly:
                raise ReadOnlyError(f"{self.name} is readonly and must not call {call!r}")
        self.state.flush()  # it has no step; this finds what it changed in place
        replies: list[Reply] = [point.start(self, index, None) for index in range(len(point.calls))]
        outcomes = []
        for reply in replies:
            outcome = reply if isinstance(reply, Outcome) else (yield from self._await_own(reply))
            self.group = max(self.group, outcome.group)
            outcomes.append(outcome)
        return outcomes


def unjournaled(name: str) -> UnjournaledAwait:
    """The error for a commit point behind a foreign await."""
    return UnjournaledAwait(
        f"{name} has awaited something that is no automaton before it awaits one: after a crash that could come out "
        "differently. Do it through effect() or sleep(), or after the last call"
    )


@types.coroutine
def drive(coroutine: Coroutine[Any, Any, Any], turn: Suspending) -> Generator[Any, Any, Any]:
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
        own = yielded is not None and (yielded is turn.waiting or yielded is turn.computing)
        refused = None if own else turn.refuse_foreign()
        if refused is not None:
            given, step = refused, coroutine.throw
            continue
        watch = None if own else turn.begin_foreign()
        try:
            given = yield yielded
            step = coroutine.send
        except GeneratorExit:
            coroutine.close()
            raise
        except BaseException as error:  # noqa: BLE001 - a coroutine is thrown whatever its awaitable raised
            if isinstance(error, asyncio.CancelledError) and turn.host.closing:
                turn.cut_off = True
            given, step = error, coroutine.throw
        finally:
            if watch is not None:
                watch.cancel()
