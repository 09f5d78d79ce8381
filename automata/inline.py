"""Methods that may turn out to be long: run at once as one step, and once more in a task if they do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from automata.work import Outcome, Reply, Work

if TYPE_CHECKING:
    from automata.entity import Entity
    from automata.methods import Method, Packed
    from automata.tasks import Tasks


class TooLong(Exception):
    """The method has more to do than the event loop would wait for, or awaits others. Nothing of it has happened."""


class Stepper(Protocol):
    """What this asks of the host."""

    def perform(self, entity: Entity, method: Method, packed: Packed, work: Work | None = None) -> Outcome:
        """Run a method that awaits nothing, as one step of an object that is free."""

    def read(self, entity: Entity, method: Method, packed: Packed) -> Outcome:
        """Run a readonly method that awaits nothing."""


class Way(Protocol):
    """How methods are run that are not direct."""

    def run(self, work: Work) -> Reply:
        """Run a method that may change its object, which is free."""

    def read(self, entity: Entity, method: Method, packed: Packed) -> Reply:
        """Run a readonly method."""


class Inline:
    """Runs methods that have a form for the event loop, `Method.inline` (LambdaObjects §4.2)."""

    def __init__(self, host: Stepper, tasks: Tasks) -> None:
        self._host = host
        self._tasks = tasks

    def run(self, work: Work) -> Reply:
        """Run a method that may change its object, which is free."""
        assert work.method.inline is not None, "its way is INLINE"
        outcome = self._host.perform(work.entity, work.method.inline, work.packed, work)
        return self._tasks.run(work) if isinstance(outcome.error, TooLong) else outcome

    def read(self, entity: Entity, method: Method, packed: Packed) -> Reply:
        """Run a readonly method."""
        assert method.inline is not None, "its way is INLINE"
        outcome = self._host.read(entity, method.inline, packed)
        return self._tasks.read(entity, method, packed) if isinstance(outcome.error, TooLong) else outcome
