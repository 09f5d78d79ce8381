"""The one gate: whatever leaves the store waits here until the group that it depends on is durable.

A crash loses whole groups that were not released, which nobody saw.
"""

from asyncio import Future
from collections import deque
from collections.abc import Callable

Action = Callable[[BaseException | None], None] | Future[None]


class Gate:
    """Actions waiting for groups. durable: the highest group whose effects may be seen outside; on_failure: is told
    when the store has failed.
    """

    def __init__(self, durable: int) -> None:
        self.durable = durable
        self.failure: BaseException | None = None
        self.on_failure: Callable[[BaseException], None] = _nobody
        self._waiting: deque[tuple[int, list[Action]]] = deque()  # by group, ascending

    def release(self, group: int, action: Action) -> None:
        """Run `action(None)` when `group` is durable (at once if it is), or `action(error)` if it never will be.

        A future for an action is given its result, or the error; most actions are futures that callers wait for.
        Actions of one group run in the order given. After a failure all get the error, even where the group had been
        durable: what the store holds is only known again when it is opened.
        """
        waiting = self._waiting
        if self.failure is not None:
            _act(action, self.failure)
        elif group <= self.durable:
            _act(action, None)
        elif not waiting or waiting[-1][0] < group:
            waiting.append((group, [action]))
        elif waiting[-1][0] == group:
            waiting[-1][1].append(action)
        else:
            self._insert(group, action)

    def open_to(self, group: int) -> None:
        """Group `group` and all before it are durable: let through what waited for them.

        An action that raises stops no other: the first such error is raised when all have run.
        """
        self.durable = max(self.durable, group)
        error = None
        while self._waiting and self._waiting[0][0] <= group:
            raised = _run(self._waiting.popleft()[1], None)
            error = error or raised
        if error is not None:
            raise error

    def fail(self, error: BaseException) -> None:
        """The store failed: nothing that waits will ever be known durable."""
        self.failure = error
        first = None
        while self._waiting:
            raised = _run(self._waiting.popleft()[1], error)
            first = first or raised
        self.on_failure(error)
        if first is not None:
            raise first

    def _insert(self, group: int, action: Action) -> None:
        """Put an action among those of an earlier group than the last: few groups wait at a time, mostly two."""
        for place, (number, actions) in enumerate(self._waiting):
            if number == group:
                actions.append(action)
                return
            if number > group:
                self._waiting.insert(place, (group, [action]))
                return


def _act(action: Action, outcome: BaseException | None) -> None:
    if not isinstance(action, Future):
        action(outcome)
    elif not action.done():
        if outcome is None:
            action.set_result(None)
        else:
            action.set_exception(outcome)


def _run(actions: list[Action], outcome: BaseException | None) -> Exception | None:
    """Run all of them; the first error that one raised, if any did."""
    first = None
    for action in actions:
        if outcome is None and type(action) is Future:  # a caller that waits: by far most actions
            if not action.done():
                action.set_result(None)
            continue
        try:
            _act(action, outcome)
        except Exception as error:  # noqa: BLE001 - one owner's fault must not keep the answers of all others
            first = first or error
    return first


def _nobody(error: BaseException) -> None:
    """Nobody has asked to be told of a failure."""
