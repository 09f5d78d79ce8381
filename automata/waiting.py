"""Who waits for an object to be free: work that has not begun, and methods that go on after an await."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

from automata.entity import Entity
from automata.work import Outcome, Reply, Work


class Runner(Protocol):
    """The host, as far as queued work needs it."""

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
        reply = self.host.run_queued(self.work)
        if isinstance(reply, Outcome):
            self._answer(reply)
        else:
            reply.add_done_callback(lambda done: self._answer(done.result()))

    def _answer(self, outcome: Outcome) -> None:
        if not self.reply.done():
            self.reply.set_result(outcome)


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
