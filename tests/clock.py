"""A wall clock that a test moves, forwards and back."""

from __future__ import annotations

from automata.app import App
from automata.options import Options

MONDAY = 1_767_571_200.0
"""2026-01-05 00:00 UTC."""


class Clock:
    """Seconds since the epoch, as the test says."""

    def __init__(self, now: float = MONDAY) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    @property
    def options(self) -> Options:
        """Options of an app that goes by this clock."""
        return Options(clock=self)

    def advance(self, seconds: float, *apps: App) -> None:
        """Move the clock, and let the apps notice, as their hourly look would."""
        self.now += seconds
        for app in apps:
            assert app._engine is not None
            app._engine.delivery.alarms.ring()
