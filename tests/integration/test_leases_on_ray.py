"""Leases on real Ray: a busy event loop costs none, and a process that stands still neither renews nor answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest

import ssms
from automata import object_type, readonly
from ssms.cluster_app import ClusterApp
from ssms.on_ray.local_cluster import LocalCluster
from ssms.placement import StorePlace

pytestmark = [
    pytest.mark.process,
    pytest.mark.filterwarnings("ignore"),  # Ray's own
]
BUSY_SECONDS = 4.0
PATIENCE_SECONDS = 30.0
PAUSE_SECONDS_MAX = 10.0  # the bound for a lost node: here the machines are two processes of one


@object_type(name="tests.LeasedCounter")
class Counter:
    count: int = 0

    async def add(self) -> int:
        self.count += 1
        return self.count

    async def compute(self, seconds: float) -> int:
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            self.count += 1
        return self.count

    @readonly
    async def look(self) -> int:
        return self.count


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with ssms.local_cluster(nodes=2, replicas=2) as cluster:
        yield cluster


def places(app: ClusterApp) -> tuple[StorePlace, ...]:
    assert app._lanes is not None
    return app._lanes.routes.placement.stores


async def newest(app: ClusterApp) -> tuple[StorePlace, ...]:
    assert app._lanes is not None
    await app._lanes.routes.refresh()
    return places(app)


async def whole(app: ClusterApp) -> None:
    """Wait until each store has both copies in sync."""
    last = time.monotonic() + PATIENCE_SECONDS
    while not all(len(place.in_sync) == 2 for place in await newest(app)):
        assert time.monotonic() < last, places(app)
        await asyncio.sleep(0.05)


def keys_of(app: ClusterApp, place: StorePlace, count: int) -> list[str]:
    assert app._lanes is not None
    placement = app._lanes.routes.placement
    keys = (f"k{n}" for n in range(10_000))
    here = (k for k in keys if placement.owner(f"tests.LeasedCounter\0{k}".encode()).identity == place.identity)
    return [next(here) for _ in range(count)]


def test_a_method_that_keeps_the_loop_busy_costs_no_lease_and_disturbs_no_other_store(cluster: LocalCluster) -> None:
    async def scenario() -> None:
        async with cluster.connect() as app:
            await app.deploy(Counter)
            await whole(app)
            before = places(app)
            busy, other = (keys_of(app, place, 1)[0] for place in before)
            longest = [0.0]

            async def disturbed() -> None:
                while True:
                    begun = time.monotonic()
                    await app.ref(Counter, other).add()
                    longest[0] = max(longest[0], time.monotonic() - begun)

            watching = asyncio.create_task(disturbed())
            counted = await app.ref(Counter, busy).compute(BUSY_SECONDS)
            assert await app.ref(Counter, busy).look() == counted
            watching.cancel()
            assert [(p.epoch, p.primary, p.in_sync) for p in await newest(app)] == [
                (p.epoch, p.primary, p.in_sync) for p in before
            ]
            assert longest[0] < BUSY_SECONDS / 2

    asyncio.run(scenario())


def test_a_paused_primary_is_taken_over_from_answers_nothing_when_it_wakes_and_follows(cluster: LocalCluster) -> None:
    async def scenario() -> None:
        async with cluster.connect() as app:
            await app.deploy(Counter)
            await whole(app)
            paused = next(place for place in places(app) if place.node == "n2")
            keys = keys_of(app, paused, 4)
            acknowledged = {key: await app.ref(Counter, key).look() for key in keys}
            longest, stopping = [0.0], [False]

            async def adding(key: str) -> None:
                while not stopping[0]:
                    begun = time.monotonic()
                    value = await app.ref(Counter, key).add()
                    assert value == acknowledged[key] + 1
                    assert await app.ref(Counter, key).look() == value
                    acknowledged[key] = value
                    longest[0] = max(longest[0], time.monotonic() - begun)

            adders = [asyncio.create_task(adding(key)) for key in keys]
            await asyncio.sleep(0.5)
            await asyncio.to_thread(cluster.pause, "n2")
            last = time.monotonic() + PATIENCE_SECONDS
            while any(place.node == "n2" for place in await newest(app)):
                assert time.monotonic() < last, places(app)
                await asyncio.sleep(0.05)
            here = dict(acknowledged)
            while any(acknowledged[key] < here[key] + 5 for key in keys):
                assert time.monotonic() < last, acknowledged
                await asyncio.sleep(0.05)
            await asyncio.to_thread(cluster.resume, "n2")
            await whole(app)
            stopping[0] = True
            await asyncio.gather(*adders)
            assert longest[0] < PAUSE_SECONDS_MAX
            assert {key: await app.ref(Counter, key).look() for key in keys} == acknowledged

    asyncio.run(scenario())
