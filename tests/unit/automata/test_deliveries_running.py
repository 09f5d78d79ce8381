"""How much may be under way at once: messages stay in the inbox behind that, and what runs can always end."""

from __future__ import annotations

import asyncio

import pytest

from automata import Ref, object_type, readonly, ref, send, sleep
from automata.app import App
from darq.limits import Limits
from tests.memory_app import in_loop, memory_app, settled

OPEN: list[asyncio.Event] = []
LIMITS = Limits(inbox_window_messages_max=8, deliveries_running_max=4)


@pytest.fixture(autouse=True)
def _shut() -> None:
    OPEN[:] = [asyncio.Event()]


@object_type
class Worker:
    done: int = 0

    async def work(self) -> None:
        await OPEN[0].wait()
        self.done += 1

    async def nap(self) -> None:
        await sleep(3600)

    async def add(self) -> None:
        self.done += 1

    async def send_and_call(self, other: Ref[Worker]) -> None:
        send(other.add())
        await other.add()
        self.done += 1

    @readonly
    async def total(self) -> int:
        return self.done


def queued(app: App, worker: Worker) -> int:
    assert app._engine is not None
    return len(app._engine.host.entity("Worker", worker.key).queue)  # type: ignore[attr-defined]


@in_loop
async def test_no_more_messages_than_the_bound_are_taken_off_the_inbox_and_all_are_delivered() -> None:
    slow, other = ref(Worker, "slow"), ref(Worker, "other")
    async with memory_app(limits=LIMITS) as app:
        await asyncio.gather(*(send(slow.work()) for _ in range(40)), send(other.add()))
        assert queued(app, slow) == 3
        OPEN[0].set()
        await settled(slow.total, 40)
        await settled(other.total, 1)


@in_loop
async def test_what_runs_at_the_bound_may_call_objects_that_messages_are_under_way_to() -> None:
    async with memory_app(limits=LIMITS):
        workers = [ref(Worker, f"w{n}") for n in range(20)]
        last = ref(Worker, "last")
        for worker in workers:
            send(worker.send_and_call(last))
        await settled(last.total, 40)
        for worker in workers:
            await settled(worker.total, 1)


@in_loop
async def test_methods_that_sleep_keep_no_message_from_being_delivered() -> None:
    async with memory_app(limits=LIMITS) as app:
        for n in range(3 * LIMITS.deliveries_running_max):
            await send(ref(Worker, f"sleepy{n}").nap())
        other = ref(Worker, "other")
        await send(other.add())

        async def done() -> int:  # a call would have the messages before it delivered in spite of the bound
            return int((await app.inspect(other))["done"])

        await settled(done, 1)
