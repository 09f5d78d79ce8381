"""The testing kit: apps in memory and in virtual time, crashes at every commit boundary, faults from a seed."""

from automata.testing.app import VirtualApp, app, run
from automata.testing.crashes import Crash, Report, crash_everywhere
from automata.testing.faults import Fault, Faults
from automata.testing.loop import Stalled, VirtualLoop

__all__ = [
    "Crash",
    "Fault",
    "Faults",
    "Report",
    "Stalled",
    "VirtualApp",
    "VirtualLoop",
    "app",
    "crash_everywhere",
    "run",
]
