"""What a method can await at a commit point: calls, effects, sleeps, transactions (LambdaObjects §3.1).

Each says what it is, for the journal, and starts its things, each of which gives an outcome now or later.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import math
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from automata import full_disk
from automata.calls import Call
from automata.context import CURRENT
from automata.digests import digest_of, digest_of_argument
from automata.errors import InvalidArgument
from automata.journal import ANYTHING, Digests
from automata.methods import Kind
from automata.moved import Moved
from automata.values.classes import class_name
from automata.when import CLOCK_CHECK_SECONDS
from automata.work import Caller, Outcome, Refusal, Reply, ordinary
from darq.log import Log

if TYPE_CHECKING:
    from automata.entity import Entity
    from automata.methods import Packed


class Abroad(Protocol):
    """The other stores."""

    def cancel(self, message_id: str, caller: Caller | None) -> Reply:
        """Have whichever store keeps a message drop it. The outcome is whether it will never be delivered."""


class Outside(Protocol):
    """What awaiting asks of the host."""

    loop: asyncio.AbstractEventLoop
    clock: Callable[[], float]
    log: Log

    @property
    def abroad(self) -> Abroad | None:
        """The other stores; None where there is one."""

    def invoke_inside(self, call: Call, packed: Packed, sent_lsn: int, caller: Caller | None) -> Reply:
        """Make a call from a method, behind what its object has sent up to `sent_lsn`."""

    def follow(self, reply: asyncio.Future[Outcome], call: Call) -> asyncio.Future[Outcome]:
        """The reply, for one waiter who may give up, with the call's own timeout."""

    def run_effect(
        self, name: str, group: int, work: Callable[[], Coroutine[Any, Any, Outcome]]
    ) -> asyncio.Future[Outcome]:
        """Do outside work in a task, once a group is durable. An app that closes waits for it."""

    def keep_soon(self, entity: Entity) -> None:
        """What a journal has got is durable soon, whatever its method does next."""

    def transact(
        self, body: Callable[[], Coroutine[Any, Any, object]], sender: Entity, holds: bool, caller: Caller | None
    ) -> Reply:
        """Run a transaction."""


class Awaiting(Protocol):
    """The method that awaits. held: whether it holds its object."""

    entity: Entity
    held: bool
    group: int

    @property
    def host(self) -> Outside:
        """Who starts what is awaited."""


class CommitPoint(Protocol):
    """One kind of await."""

    @property
    def kind(self) -> str:
        """The word for it."""

    @property
    def targets(self) -> list[str]:
        """What is awaited, one entry for each outcome."""

    @property
    def count(self) -> int:
        """How many outcomes there are."""

    @property
    def due(self) -> float:
        """When a sleep ends, in seconds since the epoch; else 0."""

    @property
    def needs_durable(self) -> bool:
        """Whether it starts only when all that its method has seen is durable."""

    def result(self, index: int) -> Kind:
        """The declared type of one of its outcomes."""

    def start(self, turn: Awaiting, index: int, caller: Caller | None) -> Reply:
        """Start one of its things."""

    def digests(self) -> Digests:
        """Numbers that tell whether the arguments of each of its things are the same."""


class Calls:
    """`await ref(...).method()` and `gather`: calls of other objects."""

    due = 0.0
    needs_durable = False

    def __init__(self, kind: str, calls: Sequence[Call]) -> None:
        self.kind = kind
        self.calls = calls
        self.count = len(calls)
        self._packed = [call.pack() for call in calls]

    @property
    def targets(self) -> list[str]:
        """Whom it calls."""
        return [f"{call.ref.type_name}/{call.ref.key} {call.method.name}" for call in self.calls]

    def result(self, index: int) -> Kind:
        """The declared type of what the method returns."""
        return self.calls[index].method.result

    def digests(self) -> Digests:
        """Of what each call is given."""
        return [
            [digest_of_argument(p, value) for p, value in zip(call.method.parameters, packed, strict=True)]
            for call, packed in zip(self.calls, self._packed, strict=True)
        ]

    def start(self, turn: Awaiting, index: int, caller: Caller | None) -> Reply:
        """Make one call. A refusal is its outcome, which the method gets like any other, in its next part."""
        call, host = self.calls[index], turn.host
        try:
            reply = host.invoke_inside(call, self._packed[index], turn.entity.sent_lsn, caller)
        except Exception as error:  # noqa: BLE001 - whatever refuses the call, its caller has to know
            refused = isinstance(error, Moved) or full_disk.refused(error, host.log)
            return Refusal(error) if refused else Outcome(None, error, 0)
        return reply if isinstance(reply, Outcome) else host.follow(reply, call)


class Sleep:
    """`await sleep(seconds)`: durable, so that the pause goes on across restarts."""

    kind = "sleep"
    count = 1
    needs_durable = False

    def __init__(self, seconds: float, now: float) -> None:
        if type(seconds) not in (int, float) or not 0 <= seconds < math.inf:
            raise InvalidArgument("sleep() takes a number of seconds, 0 or more")
        self.due = now + seconds
        self.targets = [""]

    def result(self, index: int) -> Kind:
        """Nothing comes of it."""
        return ANYTHING

    def digests(self) -> Digests:
        """When it ends follows from the time that was drawn."""
        return []

    def start(self, turn: Awaiting, index: int, caller: Caller | None) -> Reply:
        """Wait until it is due."""
        host = turn.host
        rung: asyncio.Future[Outcome] = host.loop.create_future()

        def ring() -> None:
            left = self.due - host.clock()
            if rung.done():
                return
            if left > 0:
                host.loop.call_later(min(left, CLOCK_CHECK_SECONDS), ring)
            else:
                rung.set_result(Outcome(None, None, 0))

        ring()
        return rung


class Effect:
    """`await effect(fn, *args)`: outside work, once what its invocation has seen is durable; its outcome is kept."""

    kind = "effect"
    count = 1
    due = 0.0
    needs_durable = True

    def __init__(self, fn: Callable[..., object], args: tuple[object, ...], kwargs: dict[str, object]) -> None:
        if not callable(fn):
            raise InvalidArgument("effect() takes a function and its arguments: effect(fn, *args), not a call of it")
        self._fn = partial(fn, *args, **kwargs)
        self._asynchronous = inspect.iscoroutinefunction(fn)
        self.targets = [getattr(fn, "__qualname__", class_name(type(fn)))]

    def result(self, index: int) -> Kind:
        """Whatever it gives."""
        return ANYTHING

    def digests(self) -> Digests:
        """Of what the function is given; what it can change in place is not compared."""
        named = sorted(self._fn.keywords.items())
        return [[digest_of(value) for value in (*self._fn.args, *(value for _, value in named))]]

    def start(self, turn: Awaiting, index: int, caller: Caller | None) -> Reply:
        """Run it in a task of its own, outside of any method, which its outcome does not need: that may be cut off."""
        context = contextvars.copy_context()
        context.run(CURRENT.set, None)
        host, entity = turn.host, turn.entity

        async def run() -> Outcome:
            outcome = await self._run(host.loop, context)
            if caller is not None:
                caller.answer(outcome, ANYTHING)
                host.keep_soon(entity)
            return outcome

        return context.run(host.run_effect, self.targets[0], turn.group, run)

    async def _run(self, loop: asyncio.AbstractEventLoop, context: contextvars.Context) -> Outcome:
        try:
            if self._asynchronous:
                value = self._fn()
            else:
                value = await loop.run_in_executor(None, context.run, self._fn)
            if inspect.isawaitable(value):
                value = await value
            return Outcome(_checked(self.targets[0], value), None, 0)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return Outcome(None, ordinary(error, self.targets[0]), 0)  # the work itself has raised it
        except BaseException as error:  # noqa: BLE001 - whatever the outside work raises is its outcome
            return Outcome(None, ordinary(error, self.targets[0]), 0)


class Cancelling:
    """`await cancel(...)` of a message that another store may keep."""

    kind = "cancel"
    count = 1
    due = 0.0
    needs_durable = False

    def __init__(self, message_id: str) -> None:
        self.targets = [message_id]

    def result(self, index: int) -> Kind:
        """Whether it will never be delivered."""
        return ANYTHING

    def digests(self) -> Digests:
        """The message is its target."""
        return []

    def start(self, turn: Awaiting, index: int, caller: Caller | None) -> Reply:
        """Ask the stores, one of which drops the message."""
        abroad = turn.host.abroad
        assert abroad is not None, "there are other stores"
        return abroad.cancel(self.targets[0], caller)


def _checked(name: str, value: object) -> object:
    """The value in the form in which it is kept, so that the first run sees what a resumed one would."""
    try:
        return ANYTHING.take(value)
    except InvalidArgument as error:
        raise InvalidArgument(f"effect {name} has run, but what it gave cannot be kept: {error}") from None
