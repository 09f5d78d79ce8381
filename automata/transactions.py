"""`transaction(fn, *args)`: several objects of one application change together or not at all.

The papers leave this to future work (LambdaObjects §3.1). Within a store it is a single group of the log, so all that
is to be settled is who else uses the objects meanwhile. A transaction runs without a pause, so only a method that
holds an object across outside work can be in its way: then everything is undone, the transaction waits for that
object, and runs again while it holds all objects that it has met so. They are taken in one order, and nobody who
waits for one of them holds another, so transactions cannot wait for each other in a circle.

On a cluster a transaction that has to wait, or calls an object of another store, is run by `automata.spanning`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine
from functools import partial
from typing import Any, ParamSpec, Protocol, TypeVar, cast

from automata.calls import Awaited
from automata.context import running_method
from automata.entity import Entity
from automata.errors import InvalidArgument, TransactionConflict
from automata.holding import hold, release
from automata.journal import ANYTHING, Digests
from automata.methods import Kind
from automata.moved import Moved
from automata.stage import Stage
from automata.transaction import Conflict, Objects, Spans, Transaction
from automata.values.classes import class_name
from automata.work import Caller, Outcome, Refusal, Reply, ordinary
from darq.log import Log

CONFLICTS_MAX = 16

P = ParamSpec("P")
T = TypeVar("T")

Body = Callable[[], Coroutine[Any, Any, object]]


async def transaction(fn: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run an async function whose calls happen together or not at all, and at one point of time for everybody else.

    Inside a method: `fn` calls methods of objects of this application, which read and write as one step; an exception
    that leaves it undoes all of it. It awaits no effects, no sleeps and nothing foreign, because it is run again when
    another method holds one of the objects. A commit point of the method around it, which resumes behind it after a
    crash. Raises TransactionConflict if it met held objects again and again, StateError outside of a method.
    """
    running = running_method("transaction()")
    return cast("T", await Awaited(running.suspend(Transact(partial(fn, *args, **kwargs)))))


class Holder(Objects, Protocol):
    """What running transactions asks of the host."""

    loop: asyncio.AbstractEventLoop

    def admit(self) -> None:
        """Raise what keeps steps from running now."""

    def handed_over(self, entity: Entity, sent_lsn: int) -> Reply:
        """Wait until messages to the object up to a number were handed over."""

    def run_beside(self, work: Coroutine[Any, Any, Outcome]) -> asyncio.Future[Outcome]:
        """Run in a task that ends when the app closes."""


class Transactions:
    """Runs the transactions of one host. spanning: runs those that have to wait, where there are other stores."""

    def __init__(self, host: Holder, log: Log, stage: Stage) -> None:
        self.spanning: Callable[[Body, Entity, Caller | None], Coroutine[Any, Any, Outcome]] | None = None
        self._host = host
        self._log = log
        self._stage = stage

    def transact(self, body: Body, sender: Entity, holds: bool, caller: Caller | None) -> Reply:
        """Run a transaction now if nothing is in its way, else as soon as that is so.

        sender: whose method it is; holds: whether that method holds it, and lets go of it only if it has to wait.
        """
        try:
            return self._attempt(body, sender, (sender,) if holds else (), caller)
        except Conflict as conflict:
            if self.spanning is None:
                return self._host.run_beside(self._retry(body, sender, caller, conflict))
        except Spans:
            pass
        assert self.spanning is not None, "there are other stores"
        return self._host.run_beside(self.spanning(body, sender, caller))

    def _attempt(self, body: Body, sender: Entity, held: Collection[Entity], caller: Caller | None) -> Outcome:
        try:
            self._host.admit()
        except Exception as error:  # noqa: BLE001 - whatever keeps steps from running, the method has to know
            return Refusal(error)
        run = Transaction(self._host, sender, held)
        committed = False
        try:
            outcome = Outcome(ANYTHING.take(run.run(body)), None, 0)
            outcome.group = max(run.group, self._stage.commit_together(run, caller, outcome))
            committed = True
        except (Conflict, Spans, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - whatever the body raises is its outcome
            outcome = Outcome(None, ordinary(error, "a transaction"), run.group)
            if caller is not None:
                caller.answer(outcome, ANYTHING)
        finally:
            run.end(committed)
        return outcome

    async def _retry(self, body: Body, sender: Entity, caller: Caller | None, conflict: Conflict) -> Outcome:
        needed: dict[tuple[str, str], Entity] = {}
        try:
            while len(needed) < CONFLICTS_MAX:
                if conflict.behind_message:
                    waiting = self._host.handed_over(conflict.entity, sender.sent_lsn)
                    outcome = waiting if isinstance(waiting, Outcome) else await waiting
                    if outcome.refused:
                        return outcome
                else:
                    _need(conflict.entity, needed)
                held: list[Entity] = []
                try:
                    for name in sorted(needed):
                        await hold(needed[name], self._host.loop)
                        held.append(needed[name])
                    return self._attempt(body, sender, held, caller)
                except Conflict as another:
                    conflict = another
                except Moved as moved:
                    return Refusal(moved)
                finally:
                    for entity in held:
                        release(entity)
        finally:
            for entity in needed.values():
                entity.pins -= 1
        met = ", ".join(entity.address for entity in needed.values())
        error = TransactionConflict(f"a transaction of {sender.address} met held objects {CONFLICTS_MAX} times: {met}")
        outcome = Outcome(None, error, 0)
        if caller is not None:
            caller.answer(outcome, ANYTHING)
        return outcome


def _need(entity: Entity, needed: dict[tuple[str, str], Entity]) -> None:
    """Add an object that has to be held. While the transaction waits for others, nobody must load it anew."""
    name = (entity.made.name, entity.key)
    if name in needed:
        needed[name].pins -= 1
    entity.pins += 1
    needed[name] = entity


class Runner(Protocol):
    """The host, as far as the commit point needs it."""

    def transact(self, body: Body, sender: Entity, holds: bool, caller: Caller | None) -> Reply:
        """Run a transaction."""


class Sender(Protocol):
    """The method that awaits it. held: whether it holds its object."""

    entity: Entity
    held: bool

    @property
    def host(self) -> Runner:
        """Who runs it."""


class Transact:
    """`await transaction(fn, *args)`."""

    kind = "transaction"
    count = 1
    due = 0.0
    needs_durable = False

    def __init__(self, fn: Callable[[], object]) -> None:
        self._fn = fn
        called = fn.func if isinstance(fn, partial) else fn
        self.targets = [getattr(called, "__qualname__", class_name(type(called)))]

    def body(self) -> Coroutine[Any, Any, object]:
        """Its body, to be run once more. Raises InvalidArgument for what is no async function."""
        made = self._fn()
        if not isinstance(made, Coroutine):
            raise InvalidArgument(f"transaction() takes an async function and its arguments, not {self.targets[0]}")
        return made

    def result(self, index: int) -> Kind:
        """Whatever it gives."""
        return ANYTHING

    def digests(self) -> Digests:
        """Its body is part of the method, and is not run again once it has committed."""
        return []

    def start(self, turn: Sender, index: int, caller: Caller | None) -> Reply:
        """Run it."""
        return turn.host.transact(self.body, turn.entity, turn.held, caller)
