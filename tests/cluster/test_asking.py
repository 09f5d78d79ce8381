"""What apps ask of hosts and of the coordinator while those stand still."""

from __future__ import annotations

import asyncio

import pytest

from automata import ref
from ssms.peers import Unreachable
from tests.cluster.in_memory import cluster
from tests.cluster.processes import virtually
from tests.cluster.purses import KEYS, Purse


@virtually
async def test_questions_to_a_host_that_stands_still_go_to_its_successor() -> None:
    async with cluster(stores=2, replicas=2) as running, running.connect() as app, asyncio.timeout(60):
        for key in KEYS:
            await ref(Purse, key).add(1)
        running.pause("s0.n0")
        counting = asyncio.ensure_future(app.stats())
        listing = asyncio.ensure_future(anext(app.objects(Purse)))
        await asyncio.sleep(1)
        await running.lead("s0.n1", [])
        assert (await counting)["objects_in_memory"] >= 0
        assert await listing == KEYS[0]


@virtually
async def test_a_question_to_a_host_that_stands_still_ends_where_nobody_takes_over() -> None:
    async with cluster(stores=2) as running, running.connect() as app, asyncio.timeout(120):
        running.pause("s0.n0")
        with pytest.raises(Unreachable, match="no answer"):
            await app.stats()
        running.wake("s0.n0")
        assert (await app.stats())["groups_durable"] > 0


@virtually
async def test_so_does_one_to_the_coordinator() -> None:
    async with cluster() as running, running.connect() as app, asyncio.timeout(120):
        running.pause("coordinator")
        asking = asyncio.ensure_future(app.types())
        await asyncio.sleep(15)
        running.wake("coordinator")
        assert await asking == []
        running.pause("coordinator")
        with pytest.raises(Unreachable, match="no answer"):
            await app.types()
        with pytest.raises(Unreachable, match="no answer"):
            await anext(app.nodes())
