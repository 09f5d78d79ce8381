"""Messages that are due later, with a crash at every commit boundary: each comes once, and hardly late."""

from __future__ import annotations

import asyncio

from automata import List, cancel, now, object_type, readonly, ref, send
from automata.testing import VirtualApp
from automata.testing.app import BEGINNING
from darq.limits import Limits
from tests.crash.boundaries import crash_everywhere

HOUR_SECONDS = 3600.0


@object_type
class Alarm:
    key: str
    rung: List[float]
    pending: str = ""

    async def later(self, seconds: float) -> None:
        send(ref(self)._ring(), delay=seconds)

    async def _ring(self) -> None:
        self.rung.append(now())

    async def ring(self) -> None:
        self.rung.append(now())

    @readonly
    async def times(self) -> list[float]:
        return list(self.rung)


async def be_reminded(app: VirtualApp) -> None:
    begun = BEGINNING.timestamp()
    alarm = ref(Alarm, "a")
    await alarm.later(3 * HOUR_SECONDS)
    await alarm.later(HOUR_SECONDS)
    await send(alarm.ring(), delay=2 * HOUR_SECONDS)
    forgotten = await send(alarm.ring(), delay=4 * HOUR_SECONDS)
    assert await cancel(forgotten)
    await asyncio.sleep(24 * HOUR_SECONDS)
    times = await alarm.times()
    assert [round((time - begun) / HOUR_SECONDS) for time in times] == [1, 2, 3]
    assert all(0 <= (time - begun) % HOUR_SECONDS < 1 for time in times)


async def be_woken_daily(app: VirtualApp) -> None:
    alarm = ref(Alarm, "a")
    daily = await send(alarm.ring(), every=24 * HOUR_SECONDS)
    await asyncio.sleep(3.5 * 24 * HOUR_SECONDS)
    rung = len(await alarm.times())
    assert await cancel(daily)
    await asyncio.sleep(10 * 24 * HOUR_SECONDS)
    assert len(await alarm.times()) == rung in {3, 4}


def test_reminders() -> None:
    assert crash_everywhere(be_reminded).boundaries >= 8
    assert crash_everywhere(be_reminded, limits=Limits(inline_flush_seconds_max=60.0)).boundaries >= 8


def test_schedules() -> None:
    assert crash_everywhere(be_woken_daily).boundaries >= 4
    assert crash_everywhere(be_woken_daily, limits=Limits(inline_flush_seconds_max=60.0)).boundaries >= 4
