"""Types go to the cluster when they are first used."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from automata import gather, ref, send
from automata.testing import VirtualLoop
from ssms.coordinator import Forbidden
from ssms.deployed import DeployedType
from tests.cluster import in_memory
from tests.cluster.in_memory import Cluster
from tests.cluster.purses import Purse
from tests.memory_app import settled


def in_loop(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """In virtual time: a coordinator may be away for long."""

    @functools.wraps(test)
    def run() -> None:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(test())

    return run


@asynccontextmanager
async def cluster() -> AsyncIterator[Cluster]:
    async with in_memory.cluster() as running:
        running.catalog.loads = False
        yield running


def deployed(running: Cluster) -> list[str]:
    return [DeployedType.decode(made).name for made in running.catalog.deployed]


@in_loop
async def test_the_first_call_deploys_its_type_once() -> None:
    async with cluster() as running, running.connect(deploys=True):
        await gather(*(ref(Purse, f"p{n}").add(1) for n in range(8)))
        await ref(Purse, "p0").look()
        assert deployed(running).count("ClusterPurse") == 1


@in_loop
async def test_a_type_that_the_cluster_knows_is_left_alone() -> None:
    async with cluster() as running:
        async with running.connect(deploys=True):
            await ref(Purse, "p").add(1)
        before = len(running.catalog.deployed)
        async with running.connect(deploys=True):
            assert await ref(Purse, "p").add(1) == 2
        assert len(running.catalog.deployed) == before


@in_loop
async def test_whoever_deploys_by_hand_deploys_nothing_by_calling() -> None:
    async with cluster() as running, running.connect():
        await ref(Purse, "p").add(1)
        assert deployed(running) == []


@in_loop
async def test_what_is_sent_and_called_while_its_type_travels_keeps_its_order() -> None:
    async with cluster() as running, running.connect(deploys=True):
        purse = ref(Purse, "p")
        sent = [send(purse.add(1)) for _ in range(3)]
        assert await purse.add(10) == 13
        for message in sent:
            assert await message
        assert await purse.add(0) == 13


@in_loop
async def test_who_may_not_deploy_gets_the_refusal_from_the_call() -> None:
    async with cluster() as running, running.connect(deploys=True):
        running.catalog.token = "secret"
        with pytest.raises(Forbidden):
            await ref(Purse, "p").add(1)
        running.catalog.token = ""
        assert await ref(Purse, "p").add(1) == 1


@in_loop
async def test_a_coordinator_that_is_away_is_waited_for() -> None:
    async with cluster() as running, running.connect(deploys=True):
        running.catalog.away = 1_000
        assert await ref(Purse, "p").add(1) == 1


@in_loop
async def test_a_call_that_is_given_up_is_not_made_when_the_type_has_arrived() -> None:
    async with cluster() as running, running.connect(deploys=True) as app:
        running.catalog.away = 10
        adding = asyncio.ensure_future(app.ref(Purse, "p").add(1))
        await asyncio.sleep(0)
        adding.cancel()
        await asyncio.gather(adding, return_exceptions=True)
        await ref(Purse, "q").add(1)
        await settled(lambda: ref(Purse, "p").look(), 0)


@in_loop
async def test_an_app_that_closes_fails_what_waits() -> None:
    async with cluster() as running:
        async with running.connect(deploys=True) as app:
            running.catalog.away = 1_000_000
            adding = asyncio.ensure_future(app.ref(Purse, "p").add(1))
            await asyncio.sleep(1)
        with pytest.raises(Exception, match="closed"):
            await adding
