"""Readonly methods answered by backups: linearizable, whoever dies, pauses or does not hear."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field

import pytest

from automata import call, ref, send
from automata.asking import AGAIN, READ, Ask
from automata.partitions import partition_of
from ssms import backup_reads
from ssms.cluster_app import ClusterApp
from tests.cluster.in_memory import Cluster, cluster
from tests.cluster.processes import virtually
from tests.cluster.purses import KEYS, Purse
from tests.memory_app import settled


@dataclass
class History:
    """What callers of one counter were answered, and when."""

    adds: list[tuple[float, float, int]] = field(default_factory=list)  # begun, ended, its value
    looks: list[tuple[float, float, int]] = field(default_factory=list)

    def check(self) -> None:
        """Each look falls on a moment between its beginning and its end; adds count one by one."""
        assert [value for _, _, value in sorted(self.adds, key=lambda add: add[2])] == list(
            range(1, len(self.adds) + 1)
        )
        begun_at = {value: begun for begun, _, value in self.adds}
        ends = sorted((ended, value) for _, ended, value in [*self.adds, *self.looks])
        for begun, ended, value in self.looks:
            seen_before = max((v for at, v in ends if at < begun), default=0)
            assert value >= seen_before, "it has missed what was known before it began"
            assert value == 0 or begun_at[value] <= ended, "it has seen what was not done yet"


class Traffic:
    """Callers and lookers of some counters, until they are stopped."""

    def __init__(self, keys: list[str], seed: int) -> None:
        self.histories = {key: History() for key in keys}
        self.stopping = False
        self._random = random.Random(seed)
        self._loop = asyncio.get_running_loop()
        self._tasks: list[asyncio.Task[None]] = []

    def begin(self, writers: ClusterApp, readers: ClusterApp) -> None:
        for key, history in self.histories.items():
            self._tasks.append(self._loop.create_task(self._add(writers.ref(Purse, key), history)))
            for _ in range(2):
                self._tasks.append(self._loop.create_task(self._look(readers.ref(Purse, key), history)))

    async def _add(self, purse: Purse, history: History) -> None:
        while not self.stopping:
            begun = self._loop.time()
            value = await purse.add(1)
            history.adds.append((begun, self._loop.time(), value))
            await asyncio.sleep(self._random.random() * 0.03)

    async def _look(self, purse: Purse, history: History) -> None:
        while not self.stopping:
            begun = self._loop.time()
            value = await purse.look()
            history.looks.append((begun, self._loop.time(), value))
            await asyncio.sleep(self._random.random() * 0.01)

    async def end(self) -> None:
        self.stopping = True
        await asyncio.gather(*self._tasks)
        for history in self.histories.values():
            history.check()


def answered(app: ClusterApp) -> int:
    """How many reads backups have answered."""
    assert app._lanes is not None
    assert app._lanes.spread is not None
    return app._lanes.spread.answered


async def ask(running: Cluster, copy: str, *keys: str, behind: bool = False) -> list[bytes]:
    """What a copy itself answers to reads."""
    asks = [Ask(READ, partition_of("ClusterPurse", key), "look", b"\x90", b"", behind) for key in keys]
    data = await running.network.serve(copy, "read", (backup_reads.encode(asks),))
    return backup_reads.decode_answers(data)


async def by_backup(running: Cluster, app: ClusterApp, key: str) -> int:
    """The value, once a backup has answered."""
    before = answered(app)
    while True:
        value = await app.ref(Purse, key).look()
        if answered(app) > before:
            return value
        await asyncio.sleep(0.01)


@virtually
async def test_a_backup_answers_a_readonly_method() -> None:
    async with cluster(stores=1, replicas=2) as running, running.connect(reads="any") as app, asyncio.timeout(20):
        assert await ref(Purse, "a").add(3) == 3
        assert await by_backup(running, app, "a") == 3
        assert ("s0.n1", "read") in running.network.calls


@virtually
async def test_reads_go_to_the_primary_unless_asked_otherwise() -> None:
    async with cluster(stores=1, replicas=2) as running, running.connect():
        await ref(Purse, "a").add(3)
        for _ in range(10):
            assert await ref(Purse, "a").look() == 3
        assert not [call for call in running.network.calls if call[1] == "read"]


@virtually
async def test_a_primary_and_a_backup_that_hears_nothing_refuse() -> None:
    async with cluster(stores=1, replicas=2) as running, running.connect(), asyncio.timeout(20):
        await ref(Purse, "a").add(1)
        await asyncio.sleep(0.6)
        assert await ask(running, "s0.n0", "a") == [AGAIN]
        assert await ask(running, "s0.n1", "a") != [AGAIN]
        assert await ask(running, "s0.n1", "a", behind=True) == [AGAIN]
        running.network.cut |= {("s0.n0", "s0.n1")}
        await asyncio.sleep(1.1)
        assert await ask(running, "s0.n1", "a") == [AGAIN]
        running.network.cut.clear()


@virtually
async def test_a_read_waits_behind_what_its_client_has_sent_or_called() -> None:
    async with cluster(stores=1, replicas=2) as running, running.connect(reads="any"), asyncio.timeout(20):
        for n in range(1, 20):
            adding = asyncio.create_task(call(ref(Purse, "a").add(1)))
            await asyncio.sleep(0)
            assert await ref(Purse, "a").look() == n
            await adding
        send(ref(Purse, "b").add(1))
        for _ in range(4):
            assert await ref(Purse, "b").look() == 1


@virtually
async def test_a_method_that_awaits_others_is_left_to_the_primary() -> None:
    async with cluster(stores=2, replicas=2) as running, running.connect(reads="any"), asyncio.timeout(20):
        for key in KEYS:
            await ref(Purse, key).add(2)
        for _ in range(6):
            assert await ref(Purse, "p0").sum_of(KEYS) == 16


@virtually
async def test_an_object_that_has_moved_is_not_read_where_it_was() -> None:
    async with cluster(stores=2, replicas=2) as running, running.connect(reads="any") as app, asyncio.timeout(20):
        await ref(Purse, "a").add(5)
        placement = running.catalog.placement
        partition = partition_of("ClusterPurse", "a")
        home = placement.owner(partition)
        other = next(store for store in placement.stores if store.identity != home.identity)
        await running.network.serve(
            home.primary,
            "give",
            (
                partition,
                other.identity,
            ),
        )
        await settled(lambda: app.ref(Purse, "a").add(1), 6)
        await asyncio.sleep(0.6)
        assert await ask(running, home.backups[0], "a") == [AGAIN]
        assert await ask(running, other.backups[0], "a") != [AGAIN]
        for _ in range(6):
            assert await ref(Purse, "a").look() == 6


@virtually
@pytest.mark.parametrize("seed", range(3))
async def test_reads_are_linearizable_on_a_bad_network(seed: int) -> None:
    async with (
        cluster(stores=2, replicas=3, seed=seed) as running,
        running.connect() as writers,
        running.connect(reads="any") as readers,
        asyncio.timeout(60),
    ):
        running.network.lost = running.network.doubled = 0.05
        running.network.delay_seconds = 0.01
        traffic = Traffic(KEYS[:3], seed)
        traffic.begin(writers, readers)
        await asyncio.sleep(3)
        running.network.lost = running.network.doubled = 0.0
        await traffic.end()
        assert answered(readers) > 20


@virtually
@pytest.mark.parametrize("seed", range(3))
async def test_reads_are_linearizable_while_leaders_change_and_a_cut_off_backup_was_dropped(seed: int) -> None:
    async with (
        cluster(stores=1, replicas=3, seed=seed) as running,
        running.connect() as writers,
        running.connect(reads="any") as readers,
        asyncio.timeout(60),
    ):
        running.network.delay_seconds = 0.005
        traffic = Traffic(KEYS[:2], seed)
        traffic.begin(writers, readers)
        await asyncio.sleep(0.5)
        running.network.cut |= {
            ("s0.n0", "s0.n1"),
            ("s0.n2", "s0.n1"),
        }  # it answers reads, and hears nothing of its primary
        while "s0.n1" in running.catalog.placement.stores[0].backups:  # noqa: ASYNC110 - a primary sets it
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.5)
        await running.kill("s0.n0")
        await running.lead("s0.n2", [], old_is_dead=True)
        await asyncio.sleep(0.5)
        running.network.cut.clear()
        place = running.catalog.placement.stores[0]
        await running.network.serve("s0.n1", "follow", (place.epoch, "s0.n2"))
        await asyncio.sleep(1)
        await traffic.end()
        assert answered(readers) > 20
