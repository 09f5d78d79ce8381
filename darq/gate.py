"""The one gate: whatever leaves the store waits here until the group that it depends on is durable.

A crash loses whole groups that were not released, which nobody saw (ENGINE, decisions 2 and 3).
"""

from collections import deque
from collections.abc import Callable

Action = Callable[[BaseException | None], None]


class Gate:
    """Actions waiting for groups. `durable` is the highest group whose effects may be seen outside."""

    def __init__(self, durable: int) -> None:
        self.durable = durable
        self.failure: BaseException | None = None
        self._waiting: deque[tuple[int, list[Action]]] = deque()

    def release(self, group: int, action: Action) -> None:
        """Run `action(None)` when `group` is durable (at once if it is), or `action(error)` if it never will be."""
        if self.failure is not None:
            action(self.failure)
        elif group <= self.durable:
            action(None)
        elif self._waiting and self._waiting[-1][0] >= group:
            self._at(group).append(action)
        else:
            self._waiting.append((group, [action]))

    def open_to(self, group: int) -> None:
        """Group `group` and all before it are durable: let through what waited for them."""
        self.durable = max(self.durable, group)
        while self._waiting and self._waiting[0][0] <= group:
            for action in self._waiting.popleft()[1]:
                action(None)

    def fail(self, error: BaseException) -> None:
        """The store failed: nothing that waits will ever be known durable."""
        self.failure = error
        while self._waiting:
            for action in self._waiting.popleft()[1]:
                action(error)

    def _at(self, group: int) -> list[Action]:
        """The list of the first waiting group that is not before `group`: its durability implies that of `group`."""
        return next(actions for number, actions in self._waiting if number >= group)
