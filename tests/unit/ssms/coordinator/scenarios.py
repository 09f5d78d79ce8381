"""What a coordinator is asked to do, each ending in a state that can be checked, whatever happens in between."""

from __future__ import annotations

from collections import Counter

from automata.partitions import partition_of
from automata.sandbox.record import UploadRecord
from ssms import slots
from ssms.catalog import deployments, placements, uploads
from ssms.catalog.rows import NodeState
from ssms.deployed import DeployedType
from tests.unit.ssms.coordinator.lives import World

ALICE = partition_of("User", "alice")


async def begin(world: World, replicas: int = 2) -> None:
    """Start a cluster."""
    await world.call("start", replicas, 1)
    await world.until(lambda: world.settled(replicas))


async def fail_over(world: World) -> None:
    """A primary is killed: its backup succeeds it, or itself, if nobody was there to see it before it was back."""
    await begin(world)
    world.cluster.kill("s0.n0")
    await world.until(lambda: world.rows().stores[0].epoch > 1 and world.settled(2))


async def fail_over_twice(world: World) -> None:
    """The successor is killed as soon as it leads."""
    await begin(world)
    world.cluster.kill("s0.n0")
    await world.until(lambda: world.rows().stores[0].epoch > 1)
    world.cluster.kill("s0.n1")
    await world.until(lambda: world.rows().stores[0].epoch > 2 and world.settled(2))


def leads_evenly(world: World) -> bool:
    """Whether living nodes lead as many stores as each other, but for one at most, and all is well."""
    if not world.settled(2):
        return False
    nodes = {copy.name: copy.node for copy in world.rows().copies}
    leads = Counter({node: 0 for node, alive in world.cluster.alive.items() if alive})
    leads.update(nodes[row.leader] for row in world.rows().stores)
    return max(leads.values()) - min(leads.values()) <= 1


async def hand_over(world: World) -> None:
    """A leader is killed, its store is led elsewhere, and is handed back to its node when all is calm."""
    await begin(world)
    world.cluster.cut_off.add("s0.n0")
    await world.until(lambda: world.rows().stores[0].leader == "s0.n1")
    world.cluster.cut_off.clear()
    await world.until(lambda: leads_evenly(world))
    assert any(what == "resign" for _, what in world.cluster.asked)


async def restart_alone(world: World) -> None:
    """A primary without backups is killed, and leads again once it is back."""
    await begin(world, 1)
    world.cluster.kill("s0.n0")
    await world.until(lambda: world.rows().stores[0].epoch > 1 and world.settled(1))
    assert world.rows().stores[0].leader == "s0.n0"


async def lose_node(world: World) -> None:
    """A node is lost, and comes back: the number of copies is restored, with no copy left over."""
    await begin(world)
    world.cluster.lose("z")
    await world.until(lambda: all("n2" not in name for row in world.rows().stores for name in row.in_sync))
    await world.until(lambda: all(len(row.in_sync) == 2 for row in world.rows().stores))
    world.cluster.back("z")
    await world.until(lambda: world.settled(2))


async def drop_node(world: World) -> None:
    """A node is emptied and forgotten."""
    await begin(world)
    await world.call("drain", "z")
    await world.until(lambda: world.settled(2))
    assert [node.id for node in world.rows().nodes] == ["x", "y"]
    assert not any(copy.node == "z" for copy in world.rows().copies)
    assert not any(node == "z" for node, _ in world.cluster.disks)


async def join_node(world: World) -> None:
    """A node joins: it leads a store of its own, which gets its share of slots."""
    await begin(world)
    world.cluster.alive["new"] = True
    await world.call("join_node", "new")
    await world.until(lambda: world.settled(2) and len(world.rows().stores) == 4)

    def even() -> bool:
        owners = world.catalog.read(placements.slot_owners)
        return set(slots.counts(owners).values()) == {slots.SLOTS // 4}

    await world.until(even)
    assert all(node.state is NodeState.ACTIVE for node in world.rows().nodes)
    assert {source for source, numbers, _ in world.cluster.given if len(numbers) % 2 == 0} == {
        row.identity for row in world.rows().stores[:3]
    }


async def deploy(world: World) -> None:
    """A type is deployed; each process has it, also those that begin later."""
    await begin(world)
    made = DeployedType("User", 0, "app:User", b"", b"1")
    world.cluster.kill("s1.n1")
    await world.call("deploy", [made.encode()])
    await world.until(lambda: world.settled(2))
    assert [(one.name, one.version) for one in world.catalog.read(deployments.newest_types)] == [("User", 1)]
    assert all(process.types == {"User": 1} for process in world.cluster.processes.values())


async def upload(world: World) -> None:
    """A module is uploaded twice and rolled back; each process has heard of it, also those that begin later."""
    await begin(world)
    for data, wanted in ((b"one", [1]), (b"two", [1, 2]), (b"two", [1, 2])):
        world.cluster.kill("s1.n1")
        record = UploadRecord.decode(await world.call("upload", data, "t", "ann", {"seconds": 0.5, "fuel": 7}))
        assert [version.number for version in record.versions] == wanted
    world.cluster.kill("s0.n0")
    await world.call("roll_back_upload", "t", 1)
    await world.until(lambda: world.settled(2))
    revision, [record] = world.catalog.read(uploads.all_uploads)
    assert (revision, record.current, record.running().size_bytes) == (3, 1, len(b"one"))
    await world.until(lambda: all(process.uploads == {"t": 1} for process in world.cluster.processes.values()))


async def move(world: World) -> None:
    """An object is moved to another node, and home again."""
    await begin(world)
    home = world.catalog.read(placements.holder, ALICE)
    by_identity = {row.identity: row.leader for row in world.rows().stores}
    away = next(identity for identity in by_identity if identity != home)
    nodes = {copy.name: copy.node for copy in world.rows().copies}
    assert await world.call("move", ALICE, nodes[by_identity[away]]) == away
    assert world.catalog.read(placements.holder, ALICE) == away
    assert await world.call("move", ALICE, nodes[by_identity[home]]) == home
    assert world.catalog.read(placements.all_placed) == []
    assert set(world.cluster.given) == {(home, ALICE, away), (away, ALICE, home)}


async def stop(world: World) -> None:
    """A cluster is stopped, and started again with all that it holds."""
    await begin(world)
    await world.call("stop")
    assert world.cluster.processes == {}
    assert world.cluster.supervised == {}
    await begin(world)
    assert all(row.epoch > 1 for row in world.rows().stores)


ALL = (
    begin,
    fail_over,
    fail_over_twice,
    hand_over,
    restart_alone,
    lose_node,
    drop_node,
    join_node,
    deploy,
    upload,
    move,
    stop,
)
