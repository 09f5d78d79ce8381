"""`crash_everywhere`, with a tally of all that it has tried: a run of the tests says it in its summary."""

from __future__ import annotations

from automata.options import Options
from automata.testing import Report
from automata.testing import crash_everywhere as kits_own
from automata.testing.crashes import Scenario
from darq.limits import Limits

TALLY: dict[str, list[Report]] = {}
"""The reports by scenario."""


def crash_everywhere(
    scenario: Scenario, *, limits: Limits | None = None, options: Options | None = None, at_most: int | None = None
) -> Report:
    """As the kit's own."""
    report = kits_own(scenario, limits=limits, options=options, at_most=at_most)
    TALLY.setdefault(f"{scenario.__module__}.{scenario.__qualname__}", []).append(report)
    return report


def told() -> str:
    """The tally in one line."""
    reports = [report for some in TALLY.values() for report in some]
    boundaries, runs = sum(report.boundaries for report in reports), sum(report.runs for report in reports)
    return f"crash_everywhere: {len(TALLY)} scenarios, {boundaries:,} boundaries, {runs:,} runs"
