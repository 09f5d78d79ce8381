"""A cluster on real Ray that acknowledges nothing that fewer copies hold than it was told."""

from __future__ import annotations

import asyncio

import pytest

import ssms
from automata import object_type, ref
from ssms.cluster_app import ClusterApp

pytestmark = [
    pytest.mark.process,
    pytest.mark.filterwarnings("ignore"),  # Ray's own
]
PATIENCE_SECONDS = 60.0


@object_type(name="tests.HeldCounter")
class Counter:
    count: int = 0

    async def add(self) -> int:
        self.count += 1
        return self.count


async def alone(app: ClusterApp) -> None:
    """Wait until each store is led by its last copy."""
    assert app._lanes is not None
    routes = app._lanes.routes
    while not all(store.primary and not store.backups for store in routes.placement.stores):
        await asyncio.sleep(0.1)
        await routes.refresh()


def test_calls_wait_for_a_second_copy_where_it_is_demanded() -> None:
    with ssms.local_cluster(nodes=2, replicas=2, min_in_sync=2) as cluster, cluster.connect(deploy=False) as app:

        async def scenario() -> None:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await app.deploy(Counter)  # and nothing else that tests of this process have declared
                assert await ref(Counter, "a").add() == 1
                await asyncio.to_thread(cluster.remove_node, cluster.nodes[1])
                adding = asyncio.ensure_future(ref(Counter, "a").add())
                await alone(app)
                assert not adding.done()
                await asyncio.to_thread(cluster.add_node)
                assert await adding == 2

        app.run(scenario())
