"""Calls and messages on a cluster of two stores: the promises are those of an embedded app."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from automata import call, gather, ref, send
from automata.errors import InvalidArgument, StateError
from tests.cluster.in_memory import cluster
from tests.cluster.processes import virtually
from tests.cluster.purses import KEYS, Purse, key_in_each
from tests.memory_app import settled


@virtually
async def test_calls_reach_objects_of_all_stores() -> None:
    async with cluster() as running, running.connect():
        assert await gather(*(ref(Purse, key).add(n) for n, key in enumerate(KEYS))) == list(range(8))
        assert await gather(*(ref(Purse, key).look() for key in KEYS)) == list(range(8))


@virtually
async def test_messages_and_nested_calls_cross_stores() -> None:
    async with cluster() as running, running.connect():
        for n, key in enumerate(KEYS):
            await ref(Purse, key).pay(KEYS[(n + 1) % 8], 1)
            await ref(Purse, key).pay_and_wait(KEYS[(n + 3) % 8], 1)

        async def total() -> list[int]:
            return await gather(*(ref(Purse, key).look() for key in KEYS))

        await settled(total, [0] * 8)


@virtually
async def test_a_readonly_method_calls_others_in_other_stores() -> None:
    async with cluster() as running, running.connect():
        for key in KEYS:
            await ref(Purse, key).add(2)
        assert await ref(Purse, "p0").sum_of(KEYS) == 16


@virtually
async def test_a_nested_call_does_not_overtake_a_message() -> None:
    async with cluster() as running, running.connect():
        for key in KEYS:
            for n in range(5):
                await ref(Purse, "p0").note_twice(key, n)
        for key in KEYS:
            assert await ref(Purse, key).notes() == [f"{how} {n}" for n in range(5) for how in ("sent", "called")]


@virtually
async def test_a_clients_call_does_not_overtake_its_message() -> None:
    async with cluster() as running, running.connect():
        for key in KEYS:
            send(ref(Purse, key).add(1))
            assert await ref(Purse, key).add(1) == 2


@virtually
async def test_an_exception_arrives_as_itself_also_through_another_store() -> None:
    async with cluster() as running, running.connect():
        for key in KEYS:
            with pytest.raises(ValueError, match="no"):
                await ref(Purse, "p0").fail_there(key)
            assert await ref(Purse, key).look() == 0


@virtually
async def test_a_users_key_gives_the_recorded_outcome() -> None:
    async with cluster() as running, running.connect():
        assert await call(ref(Purse, "a").add(1), idempotency_key="k") == 1
        assert await call(ref(Purse, "a").add(1), idempotency_key="k") == 1
        with pytest.raises(InvalidArgument, match="another call"):
            await call(ref(Purse, "a").add(2), idempotency_key="k")


@virtually
async def test_what_outsiders_ask_of_an_app() -> None:
    async with cluster() as running, running.connect() as app:
        for key in KEYS:
            await ref(Purse, key).add(1)
        assert [key async for key in app.objects(Purse)] == KEYS
        assert await app.exists(ref(Purse, "p1"))
        assert (await app.inspect(ref(Purse, "p1")))["balance"] == 1
        await app.delete(ref(Purse, "p1"))
        assert not await app.exists(ref(Purse, "p1"))
        assert [node.id async for node in app.nodes()] == ["n0", "n1"]
        places = {(await app.explain(ref(Purse, key))).node for key in KEYS}
        assert places == {"n0", "n1"}
        assert (await app.stats())["groups_durable"] > 0


@virtually
async def test_the_first_timer_of_all_stores_is_the_one_that_stats_tell_of() -> None:
    async with cluster() as running, running.connect() as app:
        assert (await app.stats())["timers_next_due_ms"] == 0
        due = [1_900_000_000_000, 1_900_000_001_000]
        for key, ms in zip(key_in_each(running.catalog.placement), due, strict=True):
            await send(ref(Purse, key).add(1), at=datetime.fromtimestamp(ms / 1000, UTC))
            assert (await app.stats())["timers_next_due_ms"] == due[0]


@virtually
@pytest.mark.parametrize("seed", range(3))
async def test_nothing_is_lost_or_doubled_by_a_bad_network(seed: int) -> None:
    async with cluster(stores=3, seed=seed) as running, running.connect() as app:
        running.network.lost = running.network.doubled = 0.2
        running.network.delay_seconds = 0.002

        async def caller(n: int) -> None:
            for i in range(6):
                source, to = KEYS[(n + i) % 8], KEYS[(n + 3 * i + 1) % 8]
                pay = ref(Purse, source).pay if i % 2 else ref(Purse, source).pay_and_wait
                await pay(to, 1)

        await asyncio.gather(*(caller(n) for n in range(6)))
        running.network.lost = running.network.doubled = 0.0

        async def total() -> int:
            return sum(await gather(*(ref(Purse, key).look() for key in KEYS)))

        await settled(total, 0)
        moves = [(await app.inspect(ref(Purse, key)))["moves"] for key in KEYS]
        assert sum(moves) == 36


@virtually
async def test_a_method_cancels_what_any_store_keeps() -> None:
    async with cluster() as running, running.connect():
        for key in KEYS:
            at = await ref(Purse, key).set_timer()
            assert await ref(Purse, "p0").cancel_for(at)
            assert not await ref(Purse, "p0").cancel_for(at)


@virtually
async def test_a_transaction_does_not_cancel_what_another_store_keeps() -> None:
    async with cluster() as running, running.connect():
        here, there = key_in_each(running.catalog.placement)
        at = await ref(Purse, there).set_timer()
        with pytest.raises(StateError, match="a transaction must not"):
            await ref(Purse, here).cancel_in_transaction(at)
        assert await ref(Purse, here).cancel_for(at)
