"""Objects, slots and stores that change their places under load: nothing is lost, doubled or overtaken."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from automata import cancel, gather, ref, send
from automata.errors import InvalidArgument
from automata.testing.loop import run_virtually
from ssms import slots
from ssms.cluster_app import ClusterApp
from ssms.peers import Unreachable
from tests.cluster.coordinated import Coordinated, coordinated
from tests.cluster.load import Load
from tests.cluster.purses import Purse

KEYS = [f"m{number}" for number in range(24)]
CALLERS = 6

Scenario = Callable[["Written"], Awaitable[None]]


class Written(Load):
    """Callers, and writers who write down what they have sent and called, in order."""

    def __init__(self, running: Coordinated, app: ClusterApp, seed: int) -> None:
        super().__init__(running, app, seed, KEYS)
        self.random = random.Random(seed)

    async def writer(self, n: int) -> int:
        """One object sends and calls another: what it has sent comes first. So does what a client has sent."""
        turn = 0
        while not self.stopping:
            await ref(Purse, f"from{n}").note_twice(f"to{n}", turn)
            send(ref(Purse, f"direct{n}").note(f"sent {turn}"))
            await ref(Purse, f"direct{n}").note(f"called {turn}")
            turn += 1
        return turn

    async def check(self, turns: list[int]) -> None:
        async def total() -> int:
            return sum(await gather(*(ref(Purse, key).look() for key in KEYS)))

        async with asyncio.timeout(60):
            while await total() != 0:  # noqa: ASYNC110 - messages are under way
                await asyncio.sleep(0.1)
        moves = [(await self.app.inspect(ref(Purse, key)))["moves"] for key in KEYS]
        assert sum(moves) == self.acknowledged
        for n, count in enumerate(turns):
            expected = [f"{what} {turn}" for turn in range(count) for what in ("sent", "called")]
            assert await ref(Purse, f"to{n}").notes() == expected
            assert await ref(Purse, f"direct{n}").notes() == expected

    async def other_node(self, key: str) -> str:
        here = (await self.app.explain(ref(Purse, key))).node
        return self.random.choice([node for node, alive in self.running.alive.items() if alive and node != here])


def under_load(scenario: Scenario, folder: Path, *nodes: str, replicas: int = 1, seed: int = 0) -> None:
    """Run a scenario on a cluster under load, and see that all adds up."""

    async def run() -> None:
        async with coordinated(folder, *nodes, replicas=replicas, seed=seed) as running, running.connect() as app:
            load = Written(running, app, seed)
            callers = [asyncio.create_task(load.caller(n)) for n in range(CALLERS)]
            writers = [asyncio.create_task(load.writer(n)) for n in range(2)]
            try:
                await load.more(30)
                await scenario(load)
                await load.more(30)
                load.stopping = True
                await asyncio.gather(*callers)
                await load.check(await asyncio.gather(*writers))
            finally:
                for task in (*callers, *writers):
                    task.cancel()

    run_virtually(run())


@pytest.mark.parametrize("replicas", [1, 2])
@pytest.mark.parametrize("seed", range(3))
def test_objects_move_from_node_to_node(tmp_path: Path, replicas: int, seed: int) -> None:
    async def scenario(load: Written) -> None:
        names = [*KEYS[:6], "from0", "to0", "to1", "direct0"]
        for _ in range(2):
            for key in names:
                there = await load.other_node(key)
                await load.app.move(ref(Purse, key), there)
                assert (await load.app.explain(ref(Purse, key))).node == there

    under_load(scenario, tmp_path, "x", "y", "z", replicas=replicas, seed=seed)


def test_a_move_to_where_the_object_is_does_nothing(tmp_path: Path) -> None:
    async def scenario(load: Written) -> None:
        for _ in range(3):
            here = (await load.app.explain(ref(Purse, KEYS[0]))).node
            await load.app.move(ref(Purse, KEYS[0]), here)
            assert (await load.app.explain(ref(Purse, KEYS[0]))).node == here
            await load.app.move(ref(Purse, KEYS[0]), await load.other_node(KEYS[0]))

    under_load(scenario, tmp_path, "x", "y")


def test_a_move_to_a_node_that_there_is_not_is_refused(tmp_path: Path) -> None:
    async def scenario(load: Written) -> None:
        with pytest.raises(InvalidArgument, match="node 'nowhere'"):
            await load.app.move(ref(Purse, KEYS[0]), "nowhere")

    under_load(scenario, tmp_path, "x", "y")


@pytest.mark.parametrize("replicas", [1, 2])
@pytest.mark.parametrize("seed", range(3))
def test_a_move_ends_whoever_dies_in_the_middle_of_it(tmp_path: Path, replicas: int, seed: int) -> None:
    async def scenario(load: Written) -> None:
        running = load.running
        for key in KEYS[:4]:
            moving = asyncio.create_task(load.app.move(ref(Purse, key), await load.other_node(key)))
            await asyncio.sleep(load.random.random() * 0.03)
            victim = load.random.randrange(3)
            if victim == 2:
                await running.kill_coordinator()
            else:
                await running.kill(running.leader(victim))
            async with asyncio.timeout(60):
                await asyncio.wait([moving])
            if moving.exception() is not None:
                assert isinstance(moving.exception(), InvalidArgument)  # its node led no store just then
            await running.until(lambda: running.settled(replicas))

    under_load(scenario, tmp_path, "x", "y", "z", replicas=replicas, seed=seed)


@pytest.mark.parametrize("replicas", [1, 2])
@pytest.mark.parametrize("seed", range(3))
def test_slots_move_to_a_new_node(tmp_path: Path, replicas: int, seed: int) -> None:
    async def scenario(load: Written) -> None:
        running = load.running
        for key in [*KEYS[:4], "to0", "direct0"]:
            await load.app.move(ref(Purse, key), await load.other_node(key))
        running.alive["new"] = True
        await running.call("join_node", "new")
        for _ in range(2):
            await asyncio.sleep(load.random.random())
            victim = load.random.randrange(5)
            if victim == 4:
                await running.kill_coordinator()
            elif victim < len(running.rows().stores) and running.leader(victim):
                await running.kill(running.leader(victim))
        await running.until(lambda: evenly(running))
        await running.until(lambda: running.settled(replicas))

    under_load(scenario, tmp_path, "x", "y", replicas=replicas, seed=seed)


def test_slots_are_not_expected_of_a_store_that_has_given_them_away(tmp_path: Path) -> None:
    async def scenario(load: Written) -> None:
        running = load.running
        before = running.placement()
        running.alive["new"] = True
        await running.call("join_node", "new")
        await running.until(lambda: evenly(running))
        await running.until(lambda: running.settled(1))
        first, second, third = running.placement().stores
        moved = set(before.slots_of(first.identity)).intersection(running.placement().slots_of(third.identity))
        late = slots.encode(sorted(moved)[:1]), first.identity
        with pytest.raises(Unreachable, match="does not have the slots"):
            await running.network.servers[second.primary].serve("take_slots", late)

    under_load(scenario, tmp_path, "x", "y")


@pytest.mark.parametrize("replicas", [1, 2])
@pytest.mark.parametrize("seed", range(3))
def test_a_node_is_emptied_whoever_dies_meanwhile(tmp_path: Path, replicas: int, seed: int) -> None:
    async def scenario(load: Written) -> None:
        running = load.running
        for key in [*KEYS[:4], "to0", "direct0"]:
            await load.app.move(ref(Purse, key), await load.other_node(key))
        draining = asyncio.create_task(running.call("drain", "y"))
        await asyncio.sleep(load.random.random())
        if seed % 2:
            await running.kill_coordinator()
        else:
            await running.kill(running.leader(load.random.randrange(3)))
        async with asyncio.timeout(120):
            await draining
        assert not [copy for copy in running.rows().copies if copy.node == "y"]
        await running.until(lambda: running.settled(replicas))

    under_load(scenario, tmp_path, "x", "y", "z", replicas=replicas, seed=seed)


def test_messages_for_later_are_cancelled_by_their_ids_wherever_their_slots_have_gone(tmp_path: Path) -> None:
    """Also from where they were set to a new node, and when where they were set is no more."""

    async def scenario(load: Written) -> None:
        running = load.running
        ids = [await send(ref(Purse, f"later{n}").note("late"), delay=3600) for n in range(24)]
        ids += [await send(ref(Purse, f"later{n}").note("again"), every=3600) for n in range(24)]
        running.alive["new"] = True
        await running.call("join_node", "new")
        await running.until(lambda: evenly(running))
        assert [await cancel(at) for at in ids[::4]] == [True] * 12
        for node in ("x", "y"):
            async with asyncio.timeout(120):
                await running.call("drain", node)
        await running.until(lambda: running.settled(1))
        assert [await cancel(at) for at in ids[1::4]] == [True] * 12
        assert [await ref(Purse, "any").cancel_for(at) for at in ids[2::4]] == [True] * 12
        assert [await cancel(at) for at in [*ids[::4], *ids[1::4], *ids[2::4]]] == [False] * 36

    under_load(scenario, tmp_path, "x", "y")


def evenly(running: Coordinated) -> bool:
    """Whether all stores have as many slots."""
    found = running.placement()
    counts = [len(found.slots_of(store.identity)) for store in found.stores]
    return max(counts) - min(counts) <= 1


def test_an_object_that_its_slot_has_taken_along_moves_again(tmp_path: Path) -> None:
    async def scenario(load: Written) -> None:
        running = load.running
        away = {key: await load.other_node(key) for key in KEYS}
        for key, node in away.items():
            await load.app.move(ref(Purse, key), node)
        running.alive["new"] = True
        await running.call("join_node", "new")
        await running.until(lambda: evenly(running))
        taken = [key for key in KEYS if (await load.app.explain(ref(Purse, key))).node == "new"]
        assert taken
        for key in taken:
            await load.app.move(ref(Purse, key), away[key])
            assert (await load.app.explain(ref(Purse, key))).node == away[key]

    under_load(scenario, tmp_path, "x", "y")
