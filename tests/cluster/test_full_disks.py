"""Where disks are so full that stores take no more writes, they are still led, and read: also on another machine."""

import asyncio
from pathlib import Path

import pytest

from automata import ref
from automata.errors import StorageFull
from automata.testing.loop import run_virtually
from tests.cluster.coordinated import Coordinated, coordinated
from tests.cluster.purses import Purse


def fill(running: Coordinated, megabytes: int = 32) -> None:
    """So much is left on all disks, the coordinator's among them."""
    for disk in (running._disk, *running.disks.values()):
        disk.free = megabytes << 20


def test_a_store_gets_another_leader_while_all_disks_are_full(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with coordinated(tmp_path, "x", "y", replicas=2) as running, running.connect():
            await ref(Purse, "p0").add(5)
            fill(running)
            await asyncio.sleep(5)  # it is noticed by then
            dead = running.leader(0), running.leader(1)
            for copy in dead:
                await running._end(copy)
            await running.until(lambda: not {running.leader(0), running.leader(1)} & set(dead))
            fill(running)
            assert await ref(Purse, "p0").look() == 5
            with pytest.raises(StorageFull):
                await ref(Purse, "p0").add(1)

    run_virtually(scenario())


def test_a_coordinator_without_any_room_goes_on_when_there_is_some(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with coordinated(tmp_path, "x", "y", replicas=2) as running:
            fill(running, megabytes=1)
            await asyncio.sleep(5)
            dead = running.leader(0), running.leader(1)
            for copy in dead:
                await running._end(copy)
            await asyncio.sleep(30)
            assert (running.leader(0), running.leader(1)) == dead
            fill(running)
            await running.until(lambda: not {running.leader(0), running.leader(1)} & set(dead))
            assert running.lives == 1

    run_virtually(scenario())
