import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from automata.errors import StorageFull
from ssms.cluster_order import ClusterOrder
from ssms.on_ray.local_cluster import LocalCluster
from ssms.on_ray.peers import RayPeers
from ssms.peers import Unreachable

pytestmark = pytest.mark.process

STORE = bytes(16)
PATIENCE_SECONDS = 60.0
Asked = Callable[..., Any]


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(ClusterOrder(roles="tests.integration.stand_in:STAND_IN")) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def peers(cluster: LocalCluster) -> RayPeers:
    return cluster.peers()


async def settled(question: Callable[[], Awaitable[Any]], answers: Callable[[Any], bool] = bool) -> Any:
    """The first answer that will do; whoever cannot be reached is asked again."""
    last = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            answer = await question()
        except Unreachable:
            answer = None
        if answers(answer):
            return answer
        assert time.monotonic() < last, answer
        await asyncio.sleep(0.02)


async def started(peers: RayPeers, node: str, copy: str) -> int:
    """A copy on a node; its process."""
    await peers.coordinator.call("start_copy", node, STORE, copy)
    here, name, pid = await settled(lambda: peers.copy(copy).call("who"))
    assert (here, name) == (node, copy)
    return int(pid)


def test_a_copy_lives_on_its_node_and_is_started_once(peers: RayPeers, cluster: LocalCluster) -> None:
    async def scenario() -> None:
        pid = await started(peers, "n2", "a.n2")
        assert await started(peers, "n2", "a.n2") == pid
        nodes = await peers.coordinator.call("nodes")
        assert {(node.id, node.alive, node.is_head) for node in nodes if node.id in cluster.nodes} == {
            ("n1", True, True), ("n2", True, False), ("n3", True, False)
        }  # fmt: skip

    asyncio.run(scenario())


def test_errors_of_a_peer_arrive_as_themselves(peers: RayPeers) -> None:
    async def scenario() -> None:
        await started(peers, "n1", "b.n1")
        with pytest.raises(StorageFull, match="no room") as caught:
            await peers.copy("b.n1").call("refuse")
        assert type(caught.value) is StorageFull
        assert "in serve" in str(caught.value.__cause__)

    asyncio.run(scenario())


def test_whoever_does_not_exist_is_unreachable(peers: RayPeers) -> None:
    with pytest.raises(Unreachable):
        asyncio.run(peers.copy("nobody").call("who"))


def test_a_killed_host_shows_at_once_and_comes_back_on_its_disk(peers: RayPeers, cluster: LocalCluster) -> None:
    async def scenario() -> None:
        pid = await started(peers, "n2", "c.n2")
        copy = peers.copy("c.n2")
        watching = asyncio.create_task(copy.call("watch"))
        await copy.call("who")
        assert await asyncio.to_thread(cluster.kill_host, "n2") >= 1
        with pytest.raises(Unreachable):
            await watching
        _, _, again = await settled(lambda: copy.call("who"))
        assert again != pid
        assert await copy.call("lives") == 2

    asyncio.run(scenario())


def test_a_dead_process_is_known_as_dead_and_a_living_one_is_not(peers: RayPeers, cluster: LocalCluster) -> None:
    async def scenario() -> None:
        await started(peers, "n3", "d.n3")
        assert not await peers.coordinator.call("is_dead", "d.n3")
        await asyncio.to_thread(cluster.kill_host, "n3")
        await settled(lambda: peers.coordinator.call("is_dead", "d.n3"))
        await settled(lambda: peers.copy("d.n3").call("who"))

    asyncio.run(scenario())


def test_a_paused_host_is_not_dead_and_answers_when_it_goes_on(peers: RayPeers, cluster: LocalCluster) -> None:
    async def scenario() -> None:
        pid = await started(peers, "n3", "e.n3")
        await asyncio.to_thread(cluster.pause, "n3")
        asking = asyncio.create_task(peers.copy("e.n3").call("who"))
        assert not await peers.coordinator.call("is_dead", "e.n3")
        assert not asking.done()
        await asyncio.to_thread(cluster.resume, "n3")
        assert (await asking)[2] == pid

    asyncio.run(scenario())


def test_a_stopped_copy_is_closed_and_gone_and_its_folder_stays_until_it_is_wiped(peers: RayPeers) -> None:
    async def scenario() -> None:
        await started(peers, "n1", "f.n1")
        await peers.coordinator.call("stop_copy", "f.n1")
        await peers.coordinator.call("stop_copy", "f.n1")
        with pytest.raises(Unreachable):
            await peers.copy("f.n1").call("who")
        await started(peers, "n1", "f.n1")
        assert await peers.copy("f.n1").call("lives") == 2
        await peers.coordinator.call("stop_copy", "f.n1")
        await peers.coordinator.call("wipe_copy", "n1", STORE, "f.n1")
        await peers.coordinator.call("wipe_copy", "n1", STORE, "f.n1")
        await started(peers, "n1", "f.n1")
        assert await peers.copy("f.n1").call("lives") == 1

    asyncio.run(scenario())


def test_a_removed_node_takes_its_copies_with_it_and_a_new_one_can_hold_them(
    peers: RayPeers, cluster: LocalCluster
) -> None:
    async def scenario() -> None:
        lost = await asyncio.to_thread(cluster.add_node)
        await started(peers, lost, f"g.{lost}")
        await asyncio.to_thread(cluster.remove_node, lost)
        with pytest.raises(Unreachable):
            await peers.copy(f"g.{lost}").call("who")
        await settled(
            lambda: peers.coordinator.call("nodes"),
            lambda nodes: nodes is not None and not any(n.alive for n in nodes if n.id == lost),
        )
        assert not await peers.coordinator.call("is_dead", f"g.{lost}")
        new = await asyncio.to_thread(cluster.add_node)
        assert new != lost
        await started(peers, new, f"g.{new}")

    asyncio.run(scenario())
