"""The logging of a guest, which its host writes down under the address of the object."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

from automata.context import CURRENT
from automata.sandbox.guest.walls import Printed

if TYPE_CHECKING:
    from automata.sandbox.guest.messages import Host


class ToHost(logging.Handler):
    """Hands each record to the host, which adds the address itself."""

    def __init__(self, host: Host) -> None:
        super().__init__()
        self._host = host

    def emit(self, record: logging.LogRecord) -> None:
        """Hand one record over, unless what it tells has happened before."""
        running = CURRENT.get()
        if running is None or running.replaying:
            return
        text = self.format(record).removeprefix(f"{running.address}: ")
        self._host.log(record.levelno, text)


class _PrintedOnce(Printed):
    """Printed lines, but for those of parts that are over."""

    def write(self, text: str) -> int:
        running = CURRENT.get()
        return len(text) if running is None or running.replaying else super().write(text)


def log_to(host: Host) -> None:
    """From here on everything that is logged or printed goes to the host."""
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    setattr(logging, "logAsyncioTasks", False)  # noqa: B010 - newer than the oldest Python that this is checked for
    logging.raiseExceptions = False
    root = logging.getLogger()
    root.handlers[:] = [ToHost(host)]
    root.setLevel(logging.DEBUG)
    sys.stdout = _PrintedOnce(host, logging.INFO)
    sys.stderr = _PrintedOnce(host, logging.WARNING)
