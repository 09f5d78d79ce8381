"""What runs a `@readonly(cache=True)` method: it may read its own object, and is refused all else.

Its result is to be reused, so it must depend on nothing but its arguments and what it reads (LambdaObjects §4.2.2).
"""

from __future__ import annotations

from collections.abc import Coroutine, Generator, Sequence
from typing import TYPE_CHECKING, Any

from automata.errors import ReadOnlyError, StateError

if TYPE_CHECKING:
    from automata.calls import Call, Cancelled, Point
    from automata.entity import Entity
    from automata.methods import Method
    from automata.when import When


class Deterministic:
    """The context of one running method whose result will be kept: a `RunningMethod` that refuses what varies."""

    application = ""
    replaying = False

    def __init__(self, entity: Entity, method: Method) -> None:
        self._entity = entity
        self._method = method
        self.closed = False

    @property
    def address(self) -> str:
        """TYPE/KEY of its object."""
        return self._entity.address

    @property
    def name(self) -> str:
        """What runs, for people: TYPE/KEY METHOD."""
        return f"{self._entity.address} {self._method.name}"

    def check_active(self) -> None:
        """Raise StateError after the end of the method."""
        if self.closed:
            raise StateError(f"{self.name} has ended: its object can be used no more by what it left behind")

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> object:
        """The result of the method's code, which may await helpers of its own, and nothing that waits."""
        try:
            coroutine.send(None)
        except StopIteration as stop:
            return stop.value
        coroutine.close()
        raise self._refusal("must not await what is no part of it")

    def call(self, call: Call) -> Generator[Any, Any, Any]:
        """Calling another object is refused."""
        raise self._refusal(f"must not call {call.ref.type_name}/{call.ref.key} {call.method.name}")

    def gather(self, calls: Sequence[Call]) -> Generator[Any, Any, list[Any]]:
        """Calling other objects is refused."""
        raise self._refusal("must not call other objects")

    def suspend(self, point: Point) -> Generator[Any, Any, Any]:
        """Waiting is refused, and work outside too."""
        raise self._refusal(f"must not await {point.kind}()")

    def send(self, call: Call, when: When | None = None) -> str:
        """Sending is refused."""
        raise self._refusal(f"must not send to {call.ref.type_name}/{call.ref.key}")

    def cancel(self, message_id: str) -> Cancelled:
        """Cancelling is refused."""
        raise self._refusal("must not cancel messages")

    def record(self, event: object) -> None:
        """Recording is refused."""
        raise self._refusal("must not record")

    def delete(self) -> None:
        """Deleting is refused."""
        raise self._refusal("must not delete its object")

    def now(self) -> float:
        """The clock is refused."""
        raise self._refusal("must not ask for the time")

    def random_bits(self, count: int) -> int:
        """Chance is refused."""
        raise self._refusal("must not use uuid4() or random()")

    def _refusal(self, what: str) -> ReadOnlyError:
        return ReadOnlyError(
            f"{self.name} is @readonly(cache=True) and {what}: its result is kept, so it may depend on its arguments "
            "and its own object alone. Remove cache=True, or pass in what it needs as an argument"
        )
