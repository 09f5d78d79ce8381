"""What runs while an automaton is rebuilt or saved: code that must depend on nothing but its arguments."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, Never

from automata.calls import Call, Cancelled, Point
from automata.errors import StateError
from automata.when import When


def impure(address: str) -> StateError:
    """The error for `@apply`, `checkpoint` and `restore` methods that ask for more than they are given."""
    return StateError(
        f"{address}: an @apply method (as checkpoint and restore) must be pure, since it runs again on recovery: it "
        "changes fields, and neither sends, calls, records nor asks for time or chance. Record what it needs"
    )


class Pure:
    """The running method in place of any: it refuses all, and what it logs was logged before."""

    application = ""
    replaying = True

    def __init__(self, address: str) -> None:
        self.address = address

    def check_active(self) -> Never:
        """Refuse."""
        raise impure(self.address)

    def call(self, call: Call) -> Generator[Any, Any, Any]:
        """Refuse."""
        call.used = True
        raise impure(self.address)

    def gather(self, calls: Sequence[Call]) -> Generator[Any, Any, list[Any]]:
        """Refuse."""
        raise impure(self.address)

    def suspend(self, point: Point) -> Generator[Any, Any, Any]:
        """Refuse."""
        raise impure(self.address)

    def send(self, call: Call, when: When | None = None) -> str:
        """Refuse."""
        raise impure(self.address)

    def cancel(self, message_id: str) -> Cancelled:
        """Refuse."""
        raise impure(self.address)

    def record(self, event: object) -> None:
        """Refuse."""
        raise impure(self.address)

    def delete(self) -> None:
        """Refuse."""
        raise impure(self.address)

    def now(self) -> float:
        """Refuse."""
        raise impure(self.address)

    def random_bits(self, count: int) -> int:
        """Refuse."""
        raise impure(self.address)
