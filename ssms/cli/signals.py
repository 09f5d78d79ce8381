"""Ctrl-C and SIGTERM while an app is open: unwind, close, and be gone in under a second.

Both raise KeyboardInterrupt in the main thread, as programs expect of Ctrl-C. Code that does not let go is told once
more, and at last the process ends without it: what was acknowledged is durable, and a step that has not ended is
rolled back by not being there when the store is opened again.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import typer

import ssms
from ssms.cli.output import err

AGAIN_SECONDS = 0.2
LAST_SECONDS = 0.9
_EXIT_BY_SIGNAL = 128


class Ending:
    """What happens from the first signal on. number: the signal, or 0 as long as there was none."""

    def __init__(self) -> None:
        self.number = 0
        self._let_go = threading.Event()
        self._closed = threading.Event()
        self._main = threading.get_ident()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Signals are taken from here on, and given back."""
        before = {number: signal.signal(number, self._arrived) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            self._closed.set()
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def user_code(self) -> Iterator[None]:
        """What a signal interrupts. Behind it the app closes, which no signal interrupts."""
        try:
            yield
        finally:
            self._let_go.set()

    def _arrived(self, number: int, frame: FrameType | None) -> None:
        if not self.number:
            self.number = number
            threading.Thread(target=self._insist, name="ssms-ending", daemon=True).start()
        if not self._let_go.is_set():
            raise KeyboardInterrupt

    def _insist(self) -> None:
        if not self._let_go.wait(AGAIN_SECONDS):
            signal.pthread_kill(self._main, self.number)
        if not self._closed.wait(LAST_SECONDS - AGAIN_SECONDS):
            _say(self.number)
            os._exit(_EXIT_BY_SIGNAL + self.number)


@contextmanager
def interruptible(app: ssms.App) -> Iterator[ssms.App]:
    """Open `app` for code in the main thread, whose end by a signal closes it and exits with 128 + the signal."""
    ending = Ending()
    try:
        with ending.watching(), app, ending.user_code():
            yield app
    except KeyboardInterrupt:
        pass
    if ending.number:
        _say(ending.number)
        raise typer.Exit(_EXIT_BY_SIGNAL + ending.number)


def _say(number: int) -> None:
    name = "interrupted" if number == signal.SIGINT else "terminated"
    err().print(f"{name}: all that was acknowledged is in the store, the rest was rolled back")
