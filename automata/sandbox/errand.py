"""What passes from the thread in which sandboxed code runs to the task of its method, on the event loop."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future


class Errand:
    """What a run in a thread asks the task of its method to do."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work
        self.answer: Future[object] = Future()

    def do(self) -> None:
        """Do it, and let the thread go on."""
        try:
            self.answer.set_result(self._work())
        except Exception as error:  # noqa: BLE001 - it goes on in the thread, to where it is sorted
            self.answer.set_exception(error)
