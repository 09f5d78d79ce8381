"""A cluster that acknowledges nothing that fewer copies hold than it was told."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from automata.testing.loop import run_virtually
from darq.errors import Fenced
from darq.replication import Options as CopyOptions
from ssms.peers import Unreachable
from tests.cluster.coordinated import Coordinated, coordinated
from tests.cluster.in_memory import Cluster, cluster
from tests.cluster.processes import virtually
from tests.cluster.purses import Purse, key_in_each

AWAY_SECONDS = 8.0
"""Longer than it takes until a primary goes on without a copy."""


async def lone_leader(running: Coordinated) -> tuple[str, str]:
    """Let one of both copies die, until the other leads without it. Returns leader and follower."""
    leader, identity = running.leader(0), running.rows().stores[0].identity
    [follower] = [copy for copy, (_, store) in running.homes.items() if store == identity and copy != leader]
    running.restart_seconds = AWAY_SECONDS
    await running.kill(follower)
    await running.until(lambda: running.rows().stores[0].in_sync == (leader,))
    return leader, follower


def test_nothing_is_acknowledged_while_too_few_copies_are_in_sync(tmp_path: Path) -> None:
    async def scenario() -> None:
        two = CopyOptions(min_in_sync=2)
        async with (
            coordinated(tmp_path, "x", "y", replicas=2, copying=two) as running,
            running.connect() as app,
            asyncio.timeout(120),
        ):
            purse = app.ref(Purse, key_in_each(running.placement())[0])
            assert await purse.add(1) == 1
            await lone_leader(running)
            adding = asyncio.ensure_future(purse.add(1))
            await asyncio.sleep(2)
            assert not adding.done()
            assert await adding == 2
            assert len(running.rows().stores[0].in_sync) == 2

    run_virtually(scenario())


def test_a_lone_leader_that_begins_anew_has_the_other_copy_brought_up_to_date_first(tmp_path: Path) -> None:
    async def scenario() -> None:
        two = CopyOptions(min_in_sync=2)
        async with (
            coordinated(tmp_path, "x", "y", replicas=2, copying=two) as running,
            running.connect() as app,
            asyncio.timeout(300),
        ):
            purse = app.ref(Purse, key_in_each(running.placement())[0])
            assert await purse.add(1) == 1
            leader, _ = await lone_leader(running)
            adding = asyncio.ensure_future(purse.add(1))
            running.restart_seconds = 0.2
            await running.kill(leader)
            assert await adding == 2
            await running.until(lambda: running.settled(2))
            assert await purse.look() == 2

    run_virtually(scenario())


async def short(running: Cluster) -> int:
    """Let s0.n1 be all that is left of its store, and about to lead it. Returns the epoch."""
    running.copying = CopyOptions(min_in_sync=2)
    for name in ("s0.n0", "s0.n1"):
        await running.kill(name)
    await running.begin("s0.n1")
    await running.lead("s0.n1", [], old_is_dead=True)
    return running.catalog.placement.stores[0].epoch


@virtually
async def test_who_waits_for_copies_serves_nobody_and_takes_those_that_ask() -> None:
    async with cluster(stores=1, replicas=2) as running, running.connect() as app, asyncio.timeout(60):
        assert await app.ref(Purse, "a").add(1) == 1
        epoch = await short(running)
        reading = asyncio.ensure_future(app.ref(Purse, "a").look())
        await asyncio.sleep(5)
        assert not reading.done()
        await running.network.serve("s0.n1", "lead", (epoch, [], True))  # asked again, it is no error
        with pytest.raises(Fenced):
            await running.network.serve("s0.n1", "follow", (epoch, "s0.n0"))
        await running.begin("s0.n0")
        await running.network.serve("s0.n0", "follow", (epoch, "s0.n1"))
        assert await reading == 1
        assert running.catalog.placement.stores[0].backups == ("s0.n0",)


@pytest.mark.parametrize(("what", "newer"), [("lead", ([], True)), ("follow", ("s0.n0",)), ("resign", None)])
@virtually
async def test_who_waits_for_copies_begins_anew_when_it_is_to_be_something_else(
    what: str, newer: tuple[object, ...] | None
) -> None:
    async with cluster(stores=1, replicas=2) as running, asyncio.timeout(60):
        epoch = await short(running)
        with pytest.raises(Unreachable):
            await running.network.serve("s0.n1", what, (epoch,) if newer is None else (epoch + 1, *newer))
        assert "s0.n1" not in running.running()
