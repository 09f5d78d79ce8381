"""Transactions whose objects live in several stores: all or nothing, one after the other, whoever dies meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import random
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from automata import gather, ref, transaction
from automata.errors import StateError
from automata.partitions import partition_of
from automata.testing.loop import run_virtually
from tests.cluster.accounts import ACCOUNTS, BODIES, GATES, Account, Insufficient, Teller
from tests.cluster.in_memory import Cluster, cluster
from tests.cluster.interruptions import STEPS, Death, Interrupted, Slow, nothing_left

SEEDS = int(os.environ.get("SIM_EXAMPLES", "4"))
PATIENCE_SECONDS = 120.0  # of virtual time


def in_virtual_time(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Let an async test function run on a loop of its own, whose time passes by itself."""

    @functools.wraps(test)
    def run(*args: object, **kwargs: object) -> None:
        async def limited() -> None:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await test(*args, **kwargs)

        run_virtually(limited())

    return run


class Load:
    """Callers that move money between accounts, and readers of all of them, until so many calls were acknowledged."""

    def __init__(self, seed: int, tellers: int = 4, readers: int = 2) -> None:
        self.moves = dict.fromkeys([f"t{n}" for n in range(tellers)], 0)
        self.readers = [f"r{n}" for n in range(readers)]
        self.random = random.Random(seed)
        self.sums: list[int] = []
        self.stopping = False

    async def prepare(self) -> None:
        await gather(*(ref(Account, key).deposit(100) for key in ACCOUNTS))

    async def run(self, moves: int) -> None:
        await asyncio.gather(*(self._move(name, moves) for name in self.moves), *map(self._read, self.readers))

    async def _move(self, name: str, moves: int) -> None:
        for _ in range(moves):
            source, target = self.random.sample(ACCOUNTS, 2)
            try:
                await ref(Teller, name).transfer(source, target, self.random.randrange(1, 80))
                self.moves[name] += 1
            except Insufficient:
                pass
        self.stopping = True

    async def _read(self, name: str) -> None:
        while not self.stopping:
            self.sums.append(sum(await ref(Teller, name).total(ACCOUNTS)))

    async def check(self, app: Any) -> None:
        """No money is lost or made, nobody has seen a sum that never was, and each call has happened once."""
        left = await gather(*(ref(Account, key).get() for key in ACCOUNTS))
        assert sum(left) == 100 * len(ACCOUNTS)
        assert min(left) >= 0
        assert set(self.sums) <= {100 * len(ACCOUNTS)}
        moves = {name: (await app.inspect(ref(Teller, name))).get("moves", 0) for name in self.moves}
        assert moves == self.moves


async def loaded(running: Cluster, seed: int, moves: int = 6) -> None:
    running.network.delay_seconds = running.network.delay_seconds or 0.001  # else no time would ever pass
    async with running.connect() as app:
        load = Load(seed)
        await load.prepare()
        await load.run(moves)
        await nothing_left(running)
        await load.check(app)


@in_virtual_time
async def test_objects_of_several_stores_change_together() -> None:
    async with cluster(stores=3) as running, running.connect():
        await gather(*(ref(Account, key).deposit(100) for key in ACCOUNTS))
        for n, key in enumerate(ACCOUNTS):
            assert await ref(Teller, "t").transfer(key, ACCOUNTS[(n + 3) % 8], 10) == (90 if n < 3 else 100)
        assert await ref(Teller, "t").total(ACCOUNTS) == [100] * 8


@in_virtual_time
async def test_what_leaves_it_as_an_exception_undoes_all_of_it() -> None:
    async with cluster(stores=3) as running, running.connect():
        for target in ACCOUNTS[1:]:
            with pytest.raises(Insufficient):
                await ref(Teller, "t").transfer("a0", target, 10)
        assert await gather(*(ref(Account, key).get() for key in ACCOUNTS)) == [0] * 8
        await nothing_left(running)


@in_virtual_time
async def test_an_exception_that_the_body_catches_undoes_that_call_alone() -> None:
    async def body() -> int:
        await ref(Account, "a1").deposit(5)
        for key in ACCOUNTS:
            with contextlib.suppress(Insufficient):
                await ref(Account, key).withdraw(50)
        return await ref(Account, "a1").deposit(5)

    BODIES["catches"] = body
    async with cluster(stores=3) as running, running.connect():
        assert await ref(Teller, "t").run("catches") == 10
        assert await gather(*(ref(Account, key).get() for key in ACCOUNTS)) == [0, 10] + [0] * 6


@in_virtual_time
async def test_objects_of_a_transaction_call_each_other_through_several_stores_and_come_back() -> None:
    async def body() -> int:
        return await ref(Account, "a0").pass_on([*ACCOUNTS[1:], "a1"], 7)

    BODIES["round"] = body
    async with cluster(stores=3) as running, running.connect():
        assert await ref(Teller, "t").run("round") == 0
        await nothing_left(running)
        assert await gather(*(ref(Account, key).get() for key in ACCOUNTS)) == [0] * 8


@in_virtual_time
async def test_an_inner_transaction_that_fails_undoes_all_even_if_it_is_caught() -> None:
    async def inner() -> None:
        await ref(Account, "a2").withdraw(1)

    async def body() -> None:
        for key in ACCOUNTS:
            await ref(Account, key).deposit(0 if key == "a2" else 1)
        with contextlib.suppress(Insufficient):
            await transaction(inner)

    BODIES["inner"] = body
    async with cluster(stores=3) as running, running.connect():
        with pytest.raises(Insufficient):
            await ref(Teller, "t").run("inner")
        assert await gather(*(ref(Account, key).get() for key in ACCOUNTS)) == [0] * 8


@pytest.mark.parametrize("fails", [False, True])
@in_virtual_time
async def test_messages_leave_with_a_transaction_that_happens_and_never_with_another(fails: bool) -> None:
    async def body() -> None:
        for n, key in enumerate(ACCOUNTS):
            await ref(Account, key).tell(ACCOUNTS[(n + 1) % 8], f"from {key}")
        await ref(Account, "a0").withdraw(1 if fails else 0)

    BODIES["tells"] = body
    async with cluster(stores=3) as running, running.connect():
        with contextlib.suppress(Insufficient):
            await ref(Teller, "t").run("tells")
        await nothing_left(running)
        lines = await gather(*(ref(Account, key).lines() for key in ACCOUNTS))
        assert lines == [[] if fails else [f"from {ACCOUNTS[n - 1]}"] for n in range(8)]


@in_virtual_time
async def test_a_transaction_does_not_overtake_messages_of_its_sender() -> None:
    async with cluster(stores=3) as running, running.connect():
        slow = Slow(running, "deliver")
        for key in ACCOUNTS:
            for n in range(2):
                lines = await ref(Teller, "t").note_and_read(key, f"{n}")
                assert lines == [f"{i}" for i in range(n + 1)]
        assert slow.happened


@in_virtual_time
async def test_it_waits_for_a_method_that_holds_one_of_its_objects_and_others_wait_for_it() -> None:
    async with cluster(stores=3) as running, running.connect():
        await ref(Account, "a0").deposit(100)
        for n, key in enumerate(ACCOUNTS[1:], 1):
            gate = GATES["holding"] = asyncio.Event()
            holding = asyncio.create_task(ref(Account, key).hold("holding"))
            await asyncio.sleep(1)
            moving = asyncio.create_task(ref(Teller, "t").transfer("a0", key, 1))
            await asyncio.sleep(1)
            assert not moving.done()
            gate.set()
            assert await moving == 100 - n
            await holding
            assert await ref(Account, key).get() == 2


@in_virtual_time
async def test_readers_wait_for_what_is_decided_and_not_there_yet() -> None:
    async with cluster(stores=3) as running, running.connect():
        await ref(Account, "a0").deposit(100)
        slow = Slow(running, "commit")
        for n, key in enumerate(ACCOUNTS[1:], 1):
            await ref(Teller, "t").transfer("a0", key, 1)
            assert await ref(Account, key).get() == 1
            assert await ref(Account, "a0").get() == 100 - n
            assert await ref(Account, key).deposit(1) == 2
        assert slow.happened


@in_virtual_time
async def test_a_store_that_is_prepared_waits_for_another_that_is_not_yet() -> None:
    async def body() -> None:
        for key in ACCOUNTS:
            await ref(Account, key).deposit(1)

    BODIES["all"] = body
    async with cluster(stores=3) as running, running.connect():
        slow = [Slow(running, "prepare", name) for name in running.network.servers]
        for n in range(1, 4):
            slow[n % 3]._to = "nobody"
            await ref(Teller, f"t{n}").run("all")
            slow[n % 3]._to = list(running.network.servers)[n % 3]
            assert await gather(*(ref(Account, key).get() for key in ACCOUNTS)) == [n] * 8
        await nothing_left(running)


@in_virtual_time
async def test_a_store_that_dies_between_two_calls_has_not_forgotten_the_first_alone() -> None:
    async with cluster(stores=3) as running, running.connect():
        here, there, teller = [of_store(running, index) for index in range(3)]

        async def body() -> None:
            await ref(Account, here[0]).deposit(1)
            await ref(Account, there[0]).deposit(1)
            await ref(Account, here[1]).deposit(1)

        BODIES["between"] = body
        interrupted = Interrupted(running, [])
        slow = Slow(running, "part", "s1.n1")
        calling = asyncio.create_task(ref(Teller, teller[0]).run("between"))
        await asyncio.sleep(1)
        assert slow.happened
        await interrupted.kill("s0.n0")
        await calling
        await nothing_left(running)
        assert await gather(*(ref(Account, key).get() for key in (here[0], there[0], here[1]))) == [1, 1, 1]


def of_store(running: Cluster, index: int) -> list[str]:
    """Keys of which a store has the accounts, and the tellers too."""
    placement = running.catalog.placement
    identity = placement.stores[index].identity
    types, keys = ("ClusterAccount", "ClusterTeller"), [f"k{n}" for n in range(100)]
    return [k for k in keys if all(placement.owner(partition_of(t, k)).identity == identity for t in types)]


@in_virtual_time
async def test_foreign_awaits_and_automata_are_refused_in_every_store() -> None:
    async def body() -> None:
        for key in ACCOUNTS:
            await ref(Account, key).hold("never")

    BODIES["foreign"] = body
    GATES["never"] = asyncio.Event()
    async with cluster(stores=3) as running, running.connect():
        with pytest.raises(StateError, match="awaits what is no automaton"):
            await ref(Teller, "t").run("foreign")
        assert await gather(*(ref(Account, key).get() for key in ACCOUNTS)) == [0] * 8


@pytest.mark.parametrize("replicas", [1, 2])
@in_virtual_time
async def test_a_resumed_method_does_not_run_a_decided_transaction_again(replicas: int) -> None:
    async with cluster(stores=2, replicas=replicas) as running, running.connect():
        interrupted = Interrupted(running, [])
        await ref(Account, "a0").deposit(100)
        gate = GATES["waiting"] = asyncio.Event()
        waiting = [
            asyncio.create_task(ref(Teller, f"t{n}").move_and_wait("a0", key, 1, "waiting"))
            for n, key in enumerate(ACCOUNTS[1:])
        ]
        await asyncio.sleep(5)
        for place in running.catalog.placement.stores:
            await interrupted.kill(place.primary)
        await interrupted.settled()
        gate.set()
        assert await asyncio.gather(*waiting) == [1] * 7
        await nothing_left(running)
        assert await gather(*(ref(Account, key).get() for key in ACCOUNTS[1:])) == [1] * 7


@pytest.mark.parametrize("replicas", [1, 2])
@pytest.mark.parametrize("seed", range(SEEDS))
@in_virtual_time
async def test_concurrent_transactions_come_one_after_the_other(seed: int, replicas: int) -> None:
    async with cluster(stores=3, replicas=replicas, seed=seed) as running:
        await loaded(running, seed)


@pytest.mark.parametrize("seed", range(SEEDS))
@in_virtual_time
async def test_a_network_that_loses_doubles_and_delays(seed: int) -> None:
    async with cluster(stores=3, seed=seed) as running:
        network = running.network
        network.lost, network.doubled, network.delay_seconds = 0.05, 0.1, 0.02
        await loaded(running, seed)


@pytest.mark.parametrize("replicas", [1, 2])
@pytest.mark.parametrize("sender", [False, True], ids=["receiver", "sender"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", STEPS)
@in_virtual_time
async def test_a_death_at_each_step(step: str, after: bool, sender: bool, replicas: int) -> None:
    async with cluster(stores=2, replicas=replicas) as running:
        deaths = [Death(step, nth, after, sender) for nth in (1, 3)]
        interrupted = Interrupted(running, deaths)
        await loaded(running, seed=1, moves=4)
        assert all(death.happened for death in deaths)
        await interrupted.settled()


@pytest.mark.parametrize("replicas", [1, 2])
@pytest.mark.parametrize("seed", range(SEEDS))
@in_virtual_time
async def test_deaths_at_any_time_under_a_faulty_network(seed: int, replicas: int) -> None:
    async with cluster(stores=3, replicas=replicas, seed=seed) as running:
        network, chance = running.network, random.Random(seed)
        network.lost, network.doubled, network.delay_seconds = 0.02, 0.05, 0.01
        interrupted = Interrupted(running, [])

        async def kill() -> None:
            for _ in range(3):
                await asyncio.sleep(chance.random() * 0.5)
                await interrupted.settled()
                await interrupted.kill(chance.choice([place.primary for place in running.catalog.placement.stores]))

        killing = asyncio.create_task(kill())
        await loaded(running, seed)
        await killing
        await interrupted.settled()


async def give(running: Cluster, type_name: str, key: str, to: int) -> None:
    """Move an object to a store."""
    partition, placement = partition_of(type_name, key), running.catalog.placement
    leading = running.network.servers[placement.owner(partition).primary]._leading
    assert leading is not None
    assert leading.doors.moving is not None
    await leading.doors.moving.give(partition, placement.stores[to].identity)


@in_virtual_time
async def test_a_transaction_whose_method_has_moved_away_happens_once_where_that_goes_on() -> None:
    async with cluster(stores=3) as running, running.connect():
        here, there, teller = [of_store(running, index) for index in range(3)]
        await ref(Account, here[0]).deposit(100)
        slow = Slow(running, "prepare")
        calling = asyncio.create_task(ref(Teller, teller[0]).transfer(here[0], there[0], 1))
        await asyncio.sleep(1)
        assert slow.happened
        await give(running, "ClusterTeller", teller[0], 0)
        assert await calling == 99
        await nothing_left(running)
        assert await ref(Account, there[0]).get() == 1


@in_virtual_time
async def test_what_is_prepared_does_not_move_in_a_later_life_either() -> None:
    async with cluster(stores=3) as running, running.connect():
        interrupted = Interrupted(running, [])
        here, there, teller = [of_store(running, index) for index in range(3)]
        await ref(Account, here[0]).deposit(100)
        slow = Slow(running, "commit", "s0.n0")
        await ref(Teller, teller[0]).transfer(here[0], there[0], 1)
        assert slow.happened
        await interrupted.kill("s0.n0")
        await interrupted.settled()
        await give(running, "ClusterAccount", here[0], 1)
        assert await ref(Account, here[0]).get() == 99
        await nothing_left(running)


@pytest.mark.parametrize("seed", range(SEEDS))
@in_virtual_time
async def test_objects_that_move_meanwhile(seed: int) -> None:
    async with cluster(stores=3, seed=seed) as running:
        chance = random.Random(seed)

        async def move_some() -> None:
            names = [("ClusterAccount", key) for key in ACCOUNTS] + [("ClusterTeller", f"t{n}") for n in range(4)]
            while True:
                await asyncio.sleep(chance.random() * 0.02)
                await give(running, *chance.choice(names), chance.randrange(3))

        moving = asyncio.create_task(move_some())
        await loaded(running, seed)
        assert not moving.done()
        moving.cancel()
