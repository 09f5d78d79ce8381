"""One-way messages of clients under a request id."""

from __future__ import annotations

import pytest

from automata import object_type, readonly, ref, router, send
from automata.app import App
from automata.calls import Sent
from automata.errors import InvalidArgument, Overloaded
from automata.invocation import Invocation
from darq.limits import Limits
from darq.memory import MemoryStore
from tests.memory_app import crashing, in_app, in_loop, memory_app, settled


@object_type
class Counter:
    key: str
    value: int = 0

    async def add(self, amount: int) -> None:
        self.value += amount

    async def add_many(self, count: int) -> None:
        for _ in range(count):
            send(ref(self).add(1))

    @readonly
    async def get(self) -> int:
        return self.value


def post(amount: int, request: str, key: str = "a") -> Sent:
    invocation: Invocation = ref(Counter, key).add(amount)  # type: ignore[assignment]
    invocation.tried = True
    invocation.request = request
    return router.of(invocation.ref).post(invocation)


@in_app
async def test_sent_again_it_is_one_message_with_one_id(app: App) -> None:
    first = await post(1, "r")
    assert await post(1, "r") == first
    assert await post(1, "s") != first
    await settled(ref(Counter, "a").get, 2)
    assert await post(1, "r") == first
    assert await ref(Counter, "a").add(0) is None
    assert await ref(Counter, "a").get() == 2


@in_app
async def test_another_message_under_the_same_id_is_refused(app: App) -> None:
    await post(1, "r")
    with pytest.raises(InvalidArgument, match="request id b'r'"):
        await post(2, "r")  # on a cluster it is not known before


@in_app
async def test_a_request_id_belongs_to_the_object_that_the_message_is_for(app: App) -> None:
    assert await post(1, "r") != await post(1, "r", key="b")


@in_loop
async def test_after_a_crash_it_is_still_one_message() -> None:
    store = MemoryStore()
    async with crashing(store):
        first = await post(1, "r")
    async with memory_app(store):
        assert await post(1, "r") == first
        await settled(ref(Counter, "a").get, 1)


@in_app
async def test_a_call_does_not_overtake_a_message_sent_again_before_it(app: App) -> None:
    await post(1, "r")
    await post(1, "r")
    await ref(Counter, "a").add(1)
    assert await ref(Counter, "a").get() == 2


@in_app
async def test_a_message_without_one_is_new_each_time(app: App) -> None:
    assert await send(ref(Counter, "a").add(1)) != await send(ref(Counter, "a").add(1))


@in_loop
async def test_clients_are_refused_while_the_inbox_is_full_but_methods_and_repeats_are_not() -> None:
    async with memory_app(limits=Limits(inbox_messages_max=5)):
        counter = ref(Counter, "a")
        first = post(1, "r0")
        for n in range(1, 5):
            post(1, f"r{n}")
        with pytest.raises(Overloaded, match="about 5 messages wait"):
            send(counter.add(1))
        assert await post(1, "r0") == await first
        await counter.add_many(20)
        await settled(counter.get, 25)
        await send(counter.add(1))
        await settled(counter.get, 26)
