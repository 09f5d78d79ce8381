"""`crash_everywhere(scenario)`: what a user's scenario promises must hold wherever the process dies.

A crash loses whole commit groups that nobody was told of (LambdaObjects §4.2; SSMS §3.1, completeness of steps), so
the moments that differ are the borders of groups. Here each step is a group of its own.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from enum import Enum

from automata.errors import InvalidArgument, StateError
from automata.options import Options
from automata.testing.app import INSTANT_SECONDS, Settings, VirtualApp
from automata.testing.disk import Died
from automata.testing.groups import describe
from automata.testing.loop import check_no_loop, run_virtually
from darq.limits import Limits
from darq.memory import MemoryBatch

Scenario = Callable[[VirtualApp], Coroutine[object, object, object]]

GROUPS_MAX = 100_000  # of one run: a scenario that commits more than this goes round in circles


class Crash(Enum):
    """When the process dies at a commit boundary.

    LOST: before the group is durable, so that it never happened. UNTOLD: after that, before anybody was told.
    """

    LOST = "lost"
    UNTOLD = "untold"


@dataclass(frozen=True)
class Report:
    """What `crash_everywhere` did. boundaries: commit groups of the run without failures; runs: of the scenario.

    groups: what each group held, in words: the first is boundary 1.
    """

    boundaries: int
    runs: int
    groups: tuple[str, ...]


class _Plan:
    """Counts the groups of one run, and lets the process die at one of them."""

    def __init__(self, boundary: int = 0, crash: Crash | None = None) -> None:
        self.groups: list[str] = []
        self.struck = False
        self._boundary = boundary
        self._crash = crash
        self._armed = True

    def before_write(self, batch: MemoryBatch) -> None:
        if not self._armed:
            return
        self.groups.append(describe(batch))
        if len(self.groups) > GROUPS_MAX:
            raise AssertionError(f"the scenario has committed {GROUPS_MAX} groups: it seems to have no end")
        self._strike(Crash.LOST)

    def after_write(self, flush: Callable[[], None]) -> None:
        pass

    def before_flush(self) -> None:
        pass

    def before_release(self) -> None:
        self._strike(Crash.UNTOLD)

    def stop(self) -> None:
        self._armed = False

    def _strike(self, crash: Crash) -> None:
        if self._armed and not self.struck and crash is self._crash and len(self.groups) == self._boundary:
            self.struck = True
            raise Died("the simulated process was killed")


def crash_everywhere(
    scenario: Scenario,
    *,
    seed: int = 0,
    limits: Limits | None = None,
    options: Options | None = None,
    at_most: int | None = None,
    only: tuple[int, Crash] | None = None,
) -> Report:
    """Run `scenario(app)` once without failures, then with a crash at each commit boundary, in both kinds.

    The scenario makes calls, sends messages, lets virtual time pass and asserts, and knows nothing of crashes. It must
    take the same way each time: no clock, chance or threads but the app's. After a crash the engine opens again
    and the scenario's calls go on, so it sees a pause at most. What it raises then is raised here, with a note that
    says where the crash was; so is AssertionError when something acknowledged was lost, or a request ran twice.

    seed: of the app's chance; limits: of its store, by default those that make each step a group of its own; options:
    of its host; at_most: so many boundaries, spread evenly, where trying all would take too long; only: this one
    crash, as the note gave it. A plain function: StateError inside a running event loop.
    """
    check_no_loop("crash_everywhere")
    settings = Settings(
        seed=seed,
        limits=limits if limits is not None else Limits(group_steps_max=1, inline_flush_seconds_max=math.inf),
        options=options if options is not None else Options(),
    )
    whole = _Plan()
    _run(scenario, whole, settings, "in the run without failures")
    if not whole.groups:
        raise InvalidArgument("the scenario commits nothing, so there is no boundary to crash at: call something")
    crashes = [only] if only is not None else list(_chosen(len(whole.groups), at_most, seed))
    for boundary, crash in crashes:
        _crash_at(scenario, settings, whole.groups, (boundary, crash))
    return Report(len(whole.groups), 1 + len(crashes), tuple(whole.groups))


def _crash_at(scenario: Scenario, settings: Settings, groups: list[str], where: tuple[int, Crash]) -> None:
    boundary, crash = where
    if not 1 <= boundary <= len(groups):
        raise InvalidArgument(f"the scenario has the boundaries 1 to {len(groups)}, and no {boundary}")
    held = groups[boundary - 1]
    note = (
        f"with a crash at boundary {boundary} of {len(groups)} ({crash.value}), where the group held: {held}. "
        f"To repeat it: crash_everywhere(..., only=({boundary}, Crash.{crash.name}))"
    )
    plan = _Plan(boundary, crash)
    _run(scenario, plan, settings, note)
    if plan.groups[:boundary] != groups[:boundary] or not plan.struck:
        raise StateError(
            f"the scenario took another way than before, up to boundary {boundary}: in a scenario, time and chance "
            "come from the app and asyncio alone"
        )


def _run(scenario: Scenario, plan: _Plan, settings: Settings, note: str) -> None:
    app = VirtualApp(settings, plan)

    async def whole() -> None:
        async with app:
            await scenario(app)
            await asyncio.sleep(INSTANT_SECONDS)  # what is under way arrives: crashes there count as well

    try:
        run_virtually(whole())
    except BaseException as error:
        error.add_note(f"crash_everywhere: {note}")
        for violation in app.disk.audit.violations:
            error.add_note(f"crash_everywhere: {violation}")
        raise


def _chosen(boundaries: int, at_most: int | None, seed: int) -> Iterator[tuple[int, Crash]]:
    """The boundaries to crash at: all, or one from each of `at_most` stretches of equal length."""
    stretches = boundaries if at_most is None else min(boundaries, at_most)
    source = random.Random(seed)
    for stretch in range(stretches):
        first, end = stretch * boundaries // stretches, (stretch + 1) * boundaries // stretches
        boundary = 1 + source.randrange(first, end)
        for crash in Crash:
            yield boundary, crash
