"""Ctrl-C and SIGTERM while an app is open: unwind, close, and be gone in under a second.

Both raise KeyboardInterrupt in the main thread, as programs expect of Ctrl-C. Code that does not let go is told once
more, and at last the process ends without it: what was acknowledged is durable, and a step that has not ended is
rolled back by not being there when the store is opened again.
"""

import os
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType
from typing import TypeVar

import typer

from ssms.cli.output import err

AGAIN_SECONDS = 0.2
LAST_SECONDS = 0.9
ROLLED_BACK = "all that was acknowledged is in the store, the rest was rolled back"
_EXIT_BY_SIGNAL = 128

T = TypeVar("T")


class Ending:
    """What happens from the first signal on. number: the signal, or 0 as long as there was none; last_words: what is
    said of it."""

    def __init__(self, last_words: str) -> None:
        self.number = 0
        self._last_words = last_words
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
            # calls that the signal came before are given up with the rest: that needs no line each
            warnings.filterwarnings("ignore", "<invocation .* was neither awaited nor sent", RuntimeWarning)
            threading.Thread(target=self._insist, name="ssms-ending", daemon=True).start()
        if not self._let_go.is_set():
            raise KeyboardInterrupt

    def _insist(self) -> None:
        if not self._let_go.wait(AGAIN_SECONDS):
            signal.pthread_kill(self._main, self.number)
        if not self._closed.wait(LAST_SECONDS - AGAIN_SECONDS):
            self.say()
            os._exit(_EXIT_BY_SIGNAL + self.number)

    def say(self) -> None:
        """One line, on standard error."""
        name = "interrupted" if self.number == signal.SIGINT else "terminated"
        err().print(f"{name}: {self._last_words}")


@contextmanager
def interruptible(resource: AbstractContextManager[T], last_words: str = ROLLED_BACK) -> Iterator[T]:
    """Open an app, or whatever has to be closed, for code in the main thread.

    Its end by a signal closes that, and exits with 128 + the signal.
    """
    ending = Ending(last_words)
    try:
        with ending.watching(), resource as opened, ending.user_code():
            yield opened
    except KeyboardInterrupt:
        pass
    if ending.number:
        ending.say()
        raise typer.Exit(_EXIT_BY_SIGNAL + ending.number)
