"""Messages that are due later: after a time, at a time, again and again until cancelled. They outlive the process.

python examples/reminders.py ./reminder-data
"""

import asyncio
import sys
import tempfile
from datetime import UTC, datetime, timedelta

import ssms
from automata import List, Map, cancel, object_type, readonly, ref, send


@object_type
class Reminders:
    """Somebody's reminders."""

    rung: List[str]
    repeating: Map[str, str]

    async def remind(self, text: str, seconds: float) -> None:
        send(ref(self).ring(text), delay=seconds)  # set with this step, or not at all

    async def repeat(self, text: str, every: float | str) -> None:
        self.repeating[text] = await send(ref(self).ring(text), every=every)  # its id, which cancel takes

    async def stop(self, text: str) -> bool:
        return await cancel(self.repeating.pop(text))

    async def ring(self, text: str) -> None:
        self.rung.append(text)

    @readonly
    async def get(self) -> list[str]:
        return list(self.rung)


async def main(path: str) -> None:
    """Set a timer of each kind, cancel those that repeat, and open the folder again for the last one."""
    me = ref(Reminders, "me")
    async with ssms.open(path):
        await me.repeat("stretch", 0.05)  # seconds
        await me.repeat("meeting", "0 9 * * MON-FRI")  # or cron, in UTC
        await send(me.ring("tea"), at=datetime.now(UTC) + timedelta(seconds=0.1))
        while not {"stretch", "tea"} <= set(await me.get()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        print("cancelled:", await me.stop("stretch"), await me.stop("meeting"))
        await me.remind("cake", 0.2)
    async with ssms.open(path):  # what became due while it was closed rings now
        while "cake" not in await me.get():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        print(await me.get())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else folder))
