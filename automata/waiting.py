"""Who waits for an object to be free: work that has not begun, and methods that go on after an await."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from automata.entity import Entity, Waiter
from automata.moved import Moved
from automata.work import Outcome, Refusal, Reply, Work, ordinary
from darq.errors import StoreClosed


def answer_with(waiting: asyncio.Future[Outcome], reply: Reply) -> None:
    """Give `waiting` the outcome, now or when there is one. A waiter who has given up is passed over."""
    if isinstance(reply, Outcome):
        if not waiting.done():
            waiting.set_result(reply)
    else:
        reply.add_done_callback(lambda done: answer_with(waiting, outcome_of(done)))


def outcome_of(done: asyncio.Future[Outcome]) -> Outcome:
    """The outcome of a task that is done; one that was cancelled before its first step was so by closing."""
    if done.cancelled():
        return Refusal(StoreClosed("the method did not run: the app was closed before"))
    error = done.exception()
    return Outcome(None, ordinary(error, "the method"), 0) if error is not None else done.result()


def after(over: asyncio.Future[None], make: Callable[[], Reply]) -> asyncio.Future[Outcome]:
    """The reply of what is made as soon as something is over."""
    waiting: asyncio.Future[Outcome] = over.get_loop().create_future()

    def go_on(done: asyncio.Future[None]) -> None:
        try:
            answer_with(waiting, make())
        except Exception as error:  # noqa: BLE001 - a refusal is the call's outcome
            answer_with(waiting, Outcome(None, error, 0))

    over.add_done_callback(go_on)
    return waiting


class Runner(Protocol):
    """The host, as far as queued work needs it."""

    queued: int

    def run_queued(self, work: Work) -> Reply:
        """Run work whose turn has come."""


@dataclass(frozen=True, slots=True)
class QueuedWork:
    """Work that waits for its object."""

    host: Runner
    work: Work
    reply: asyncio.Future[Outcome]

    def proceed(self) -> None:
        """Run the work, and pass its outcome on."""
        try:
            reply = self.host.run_queued(self.work)
        except Exception as error:  # noqa: BLE001 - a fault of one call must not keep the object from all behind it
            reply = Outcome(None, error, 0)
        answer_with(self.reply, reply)

    def serves(self, number: int) -> bool:
        """Whether the method of this number waits for it."""
        return self.work.serves(number)

    def refuse(self, store: bytes) -> None:
        """The object has moved: the work has not run, and its caller asks where it is now."""
        if not self.work.one_way:
            self.host.queued -= 1
        answer_with(self.reply, Refusal(Moved(store)))


class Gone(deque[Waiter]):
    """In place of the queue of an object that has moved: whoever comes too late is told so at once."""

    def __init__(self, store: bytes) -> None:
        super().__init__()
        self._store = store

    def append(self, waiter: Waiter, /) -> None:
        """Refuse it, once the caller has what it waits with."""
        waiter.refuse(self._store)


@dataclass(frozen=True, slots=True)
class HoldAgain:
    """A method that waits to go on with its object."""

    entity: Entity
    turn_up: asyncio.Future[None]

    def proceed(self) -> None:
        """Take hold of the object, and let the method go on."""
        if not self.turn_up.done():
            self.entity.busy = True
            self.entity.pins -= 1
            self.turn_up.set_result(None)

    def refuse(self, store: bytes) -> None:
        """The object has moved: the method was cut off, and ends on what is left here."""
        if not self.turn_up.done():
            self.entity.pins -= 1
            self.turn_up.set_result(None)
