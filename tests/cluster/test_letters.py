"""What needs a person, on a cluster: found, retried and dropped whoever dies meanwhile."""

from __future__ import annotations

import asyncio

import pytest

from automata import ref, send
from automata.errors import StateError
from ssms.cluster_app import ClusterApp
from tests.cluster.in_memory import Cluster, cluster
from tests.cluster.network import Event
from tests.cluster.processes import virtually
from tests.cluster.purses import Purse


async def letters(app: ClusterApp, count: int) -> list[str]:
    """The ids of all dead letters, once there are so many."""
    async with asyncio.timeout(60):
        while len(found := [letter.id async for letter in app.dead_letters()]) != count:  # noqa: ASYNC110 - looks from outside
            await asyncio.sleep(0.1)
    return found


def lose_next_answer(running: Cluster) -> None:
    """The next answer of a host to a question is lost on its way."""

    def watch(event: Event) -> None:
        if event.what == "answers ask":
            running.network.watch = lambda event: None
            way = ("client", event.who)
            running.network.cut.add(way)
            asyncio.get_running_loop().call_later(0.05, running.network.cut.discard, way)

    running.network.watch = watch


@virtually
async def test_a_letter_is_dropped_once_though_the_answer_is_lost() -> None:
    async with cluster() as running, running.connect() as app:
        await send(ref(Purse, "p0").fail())
        found = await letters(app, 1)
        lose_next_answer(running)
        await app.discard(found[0])
        assert await letters(app, 0) == []
        with pytest.raises(StateError, match="there is no dead letter"):
            await app.discard(found[0])


@virtually
async def test_a_letter_keeps_its_id_when_another_copy_leads() -> None:
    async with cluster(stores=1, replicas=2) as running, running.connect() as app:
        await send(ref(Purse, "p0").fail())
        found = await letters(app, 1)
        await running.kill("s0.n0")
        await running.lead("s0.n1", [])
        assert await letters(app, 1) == found
        await app.retry(found[0])
        assert await letters(app, 1) != found
