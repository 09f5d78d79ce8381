"""Hosts that were not told of a type that is deployed: they learn of it when they meet it."""

from __future__ import annotations

import asyncio

import pytest

from automata import gather, ref
from automata.errors import UnknownType
from automata.types import REGISTRY
from ssms.learning import APART_SECONDS
from tests.cluster.in_memory import Cluster, cluster
from tests.cluster.lateness import Early, Late, absent
from tests.cluster.processes import virtually
from tests.memory_app import settled

KEYS = [f"k{n}" for n in range(6)]


def questions(running: Cluster) -> int:
    return sum(call == ("coordinator", "types") for call in running.network.calls)


@virtually
async def test_a_call_of_a_type_that_its_host_was_not_told_of_is_made() -> None:
    with absent() as late:
        async with cluster() as running, running.connect(), asyncio.timeout(60):
            running.catalog.deployed.append(late)
            assert await gather(*(ref(Late, key).note("x") for key in KEYS)) == [1] * len(KEYS)
            assert questions(running) <= 2, "each host asks once"


@virtually
async def test_calls_that_wait_for_their_type_keep_their_order() -> None:
    with absent() as late:
        async with cluster(stores=1) as running, running.connect(), asyncio.timeout(60):
            running.network.cut.add(("s0.n0", "coordinator"))
            noting = []
            for n in range(20):
                noting.append(asyncio.ensure_future(ref(Late, "a").note(str(n))))
                await asyncio.sleep(0.005)
            running.catalog.deployed.append(late)
            running.network.cut.clear()
            assert await asyncio.gather(*noting) == list(range(1, 21))
            assert await ref(Late, "a").all() == [str(n) for n in range(20)]


@virtually
async def test_a_message_of_such_a_type_is_delivered() -> None:
    with absent() as late:
        async with cluster() as running, running.connect(), asyncio.timeout(60):
            running.catalog.deployed.append(late)
            for n, key in enumerate(KEYS):
                await ref(Early, "e").tell(key, str(n))
            while REGISTRY.find("ClusterLate") is None:  # noqa: ASYNC110 - no call has asked for it
                await asyncio.sleep(0.01)
            for n, key in enumerate(KEYS):
                await settled(ref(Late, key).all, [str(n)])


@virtually
async def test_a_type_that_nobody_knows_is_refused_and_asked_for_with_pauses() -> None:
    with absent():
        async with cluster(stores=1) as running, running.connect(), asyncio.timeout(60):
            loop = asyncio.get_running_loop()
            until = loop.time() + 10 * APART_SECONDS
            while loop.time() < until:
                refused = await asyncio.gather(*(ref(Late, k).note("x") for k in KEYS), return_exceptions=True)
                assert [type(error) for error in refused] == [UnknownType] * len(KEYS)
            assert questions(running) <= 11


@virtually
async def test_while_no_coordinator_answers_a_call_of_an_unknown_type_waits() -> None:
    with absent() as late:
        async with cluster(stores=1) as running, running.connect(), asyncio.timeout(60):
            running.network.cut.add(("s0.n0", "coordinator"))
            noting = asyncio.ensure_future(ref(Late, "a").note("x"))
            await asyncio.sleep(12)
            assert not noting.done()
            running.catalog.deployed.append(late)
            running.network.cut.clear()
            assert await noting == 1
            with pytest.raises(UnknownType):
                await ref("NobodyKnows", "a").note("x")  # type: ignore[attr-defined]
