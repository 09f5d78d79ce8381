"""A sender's messages and its later calls reach one object in the order in which it made them."""

import asyncio

from automata import List, Ref, object_type, readonly, ref, send
from automata.app import App
from darq.limits import Limits
from tests.memory_app import in_app, in_loop, memory_app


@object_type
class Box:
    got: List[str]

    async def note(self, word: str) -> None:
        self.got.append(word)

    async def slow(self, word: str) -> None:
        await asyncio.sleep(0.01)
        self.got.append(word)

    async def relay(self, other: Ref["Box"]) -> list[str]:
        for n in range(20):
            send(other.note(f"sent {n}"))
        await other.note("called")
        send(other.slow("slow"))
        await other.note("called again")
        return await other.all()

    @readonly
    async def all(self) -> list[str]:
        return list(self.got)


EXPECTED = [*(f"sent {n}" for n in range(20)), "called", "slow", "called again"]


@in_app
async def test_in_a_method_a_call_comes_behind_the_messages_sent_before_it(app: App) -> None:
    assert await ref(Box, "a").relay(ref(Box, "b")) == EXPECTED


@in_app
async def test_in_a_client_calls_and_reads_come_behind_the_messages_sent_before_them(app: App) -> None:
    box = ref(Box, "c")
    for n in range(3000):
        send(box.note(str(n)))
    assert len(await box.all()) == 3000
    send(box.note("x"))
    await box.note("called")
    assert (await box.all())[-2:] == ["x", "called"]


@in_loop
async def test_more_messages_than_are_delivered_at_once_still_come_first() -> None:
    async with memory_app(limits=Limits(group_work_seconds_max=0.0)):
        box = ref(Box, "d")
        for n in range(500):
            send(box.note(str(n)))
        await asyncio.gather(*(box.note(f"call {n}") for n in range(5)))
        assert await box.all() == [*(str(n) for n in range(500)), *(f"call {n}" for n in range(5))]
