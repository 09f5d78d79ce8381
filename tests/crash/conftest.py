"""Says at the end how much was tried."""

from __future__ import annotations

import pytest

from tests.crash import boundaries


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line about the crash scenarios, if any has run."""
    if boundaries.TALLY:
        terminalreporter.write_line(boundaries.told())
