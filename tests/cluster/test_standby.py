"""Automata that a backup keeps warm: what it has is what a replay would give, and its promotion replays nothing."""

from __future__ import annotations

import asyncio
import random

import pytest

from automata import ref
from automata.partitions import partition_of
from automata.standby import Standby
from darq.replication import Head, head_of
from tests.cluster.in_memory import Cluster, cluster
from tests.cluster.processes import virtually
from tests.cluster.tallies import Tally
from tests.cluster.test_backup_reads import answered

MADE = Tally.__automaton__  # type: ignore[attr-defined]
FIELDS = ("total", "last", "padding")


def standby_of(running: Cluster, copy: str = "s0.n1") -> Standby:
    standby = running.server(copy)._standby
    assert standby is not None
    return standby


async def caught_up(running: Cluster, copy: str = "s0.n1") -> None:
    """Wait until the backup holds all that its primary does."""
    leading = running.server("s0.n0")._leading
    assert leading is not None
    while head_of(running.disks[copy]) != leading.primary.recent.head:  # noqa: ASYNC110 - messages bring it there
        await asyncio.sleep(0.001)


def values(instance: object) -> list[object]:
    return [vars(instance)[name] for name in FIELDS]


def check(running: Cluster, key: str) -> bool:
    """Whether the automaton is warm; if it is, it is as a replay of the copy's store gives it."""
    partition = partition_of("ClusterTally", key)
    warm = standby_of(running).find(partition)
    if warm is None:
        return False
    fresh = Standby(running.server("s0.n1")._store, running_registry(running))  # type: ignore[arg-type]
    built = fresh._build(MADE, key, partition)
    assert values(warm.instance) == values(built.instance)
    assert (warm.state.records_since, warm.state.saved_lsn) == (built.state.records_since, built.state.saved_lsn)
    return True


def running_registry(running: Cluster) -> object:
    return running.server("s0.n1")._around.options.registry


async def promote(running: Cluster) -> None:
    await running.kill("s0.n0")
    await running.lead("s0.n1", [], old_is_dead=True)


@virtually
@pytest.mark.parametrize("seed", range(4))
async def test_a_warm_automaton_is_what_a_replay_gives_after_each_record(seed: int) -> None:
    rng = random.Random(seed)
    async with cluster(stores=1, replicas=2, seed=seed) as running, running.connect():
        warm = 0
        for n in range(60):
            key = rng.choice("ab")
            match rng.randrange(8):
                case 0:
                    await ref(Tally, key).empty()
                case 1:
                    await ref(Tally, key).pad(rng.randrange(20_000))
                case 2:
                    await ref(Tally, key).count(n, 300)  # enough for a checkpoint now and then
                case _:
                    await ref(Tally, key).count(n, rng.randrange(1, 4))
            await caught_up(running)
            warm += sum(check(running, key) for key in "ab")
        assert warm > 60


@virtually
async def test_a_promotion_replays_nothing_of_ten_thousand_records() -> None:
    async with cluster(stores=1, replicas=2) as running, running.connect():
        await ref(Tally, "a").pad(4_000_000)  # a large state: no checkpoint is worth it for long
        for _ in range(100):
            await ref(Tally, "a").count(1, 100)
        await caught_up(running)
        before = Tally.applications
        await promote(running)
        assert await ref(Tally, "a").count(1, 1) == 10_001
        assert Tally.applications == before + 1
        assert await ref(Tally, "a").look() == 10_001


@virtually
async def test_without_what_is_warm_the_promoted_copy_replays() -> None:
    async with cluster(stores=1, replicas=2) as running, running.connect():
        for _ in range(5):
            await ref(Tally, "a").count(1, 10)
        await caught_up(running)
        standby_of(running).forget()
        before = Tally.applications
        await promote(running)
        assert await ref(Tally, "a").count(1, 1) == 51
        assert Tally.applications == before + 51


@virtually
async def test_a_record_that_does_not_apply_drops_the_warm_state_and_never_the_copy() -> None:
    async with cluster(stores=1, replicas=2) as running, running.connect():
        await ref(Tally, "a").count(5, 2)
        await caught_up(running)
        assert check(running, "a")
        Tally.fails = 2  # not at the primary, but at the backup
        await ref(Tally, "a").spoil(1)
        await caught_up(running)
        assert Tally.fails == 0
        assert not check(running, "a")
        await ref(Tally, "b").count(1, 1)
        await caught_up(running)
        assert check(running, "b")
        assert running.catalog.placement.stores[0].backups == ("s0.n1",)
        await promote(running)
        assert await ref(Tally, "a").look() == 9


@virtually
async def test_a_deleted_automaton_and_a_wiped_copy_leave_nothing_warm() -> None:
    async with cluster(stores=1, replicas=2) as running, running.connect():
        await ref(Tally, "a").count(5, 2)
        await ref(Tally, "b").count(5, 2)
        await caught_up(running)
        await ref(Tally, "a").empty()
        await caught_up(running)
        assert not check(running, "a")
        assert check(running, "b")
        standby_of(running).forget()
        assert not check(running, "b")
        await ref(Tally, "b").count(1, 1)
        await caught_up(running)
        assert check(running, "b")
        await promote(running)
        assert await ref(Tally, "a").count(1, 1) == 1
        assert await ref(Tally, "b").look() == 11


@virtually
async def test_a_copy_that_was_wiped_while_warm_is_copied_anew_and_shows_nothing_old() -> None:
    async with cluster(stores=1, replicas=2) as running, running.connect():
        await ref(Tally, "a").count(5, 2)
        await caught_up(running)
        backup = running.server("s0.n1")._backup
        assert backup is not None
        backup._wipe(Head())
        assert not check(running, "a")
        for _ in range(2):  # with the first it is found out, and copied
            await ref(Tally, "a").count(1, 1)
            await asyncio.sleep(5)
            await caught_up(running)
        assert running.catalog.placement.stores[0].backups == ("s0.n1",)
        assert check(running, "a")
        await promote(running)
        assert await ref(Tally, "a").look() == 12


@virtually
async def test_a_backup_answers_reads_of_a_warm_automaton() -> None:
    async with cluster(stores=1, replicas=2) as running, running.connect() as app, running.connect("any") as readers:
        for n in range(1, 20):
            await asyncio.sleep(0.05)
            await app.ref(Tally, "a").count(1, 1)
            for _ in range(3):
                assert await readers.ref(Tally, "a").look() == n
        assert answered(readers) > 10


@virtually
async def test_only_so_many_are_kept() -> None:
    async with cluster(stores=1, replicas=2) as running, running.connect():
        standby_of(running)._max = 3
        for n in range(6):
            await ref(Tally, f"t{n}").count(1, 1)
        await caught_up(running)
        assert len(standby_of(running)) == 3
        assert [check(running, f"t{n}") for n in range(6)] == [False] * 3 + [True] * 3
