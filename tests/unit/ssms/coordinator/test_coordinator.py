"""What a coordinator does, over copies that keep real chains, in virtual time."""

from pathlib import Path

from tests.unit.ssms.coordinator.lives import World, play


def test_a_new_cluster_has_a_leader_and_its_backups_for_each_store(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.call("start", 2, 1)
        await world.until(lambda: world.settled(2))
        placed = await world.placement()
        assert [store.node for store in placed.stores] == ["x", "y", "z"]
        assert [store.epoch for store in placed.stores] == [1, 1, 1]
        assert len(placed.slots_of(placed.stores[0].identity)) in {1365, 1366}
        assert [(node.id, node.alive, node.is_head) for node in placed.nodes] == [
            ("x", True, True),
            ("y", True, False),
            ("z", True, False),
        ]

    play(scenario, tmp_path, "x", "y", "z")


def test_a_killed_primary_is_succeeded_by_its_backup_and_follows_it(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.call("start", 2, 1)
        await world.until(lambda: world.settled(2))
        begun = world.cluster.now()
        world.cluster.kill("s0.n0")
        await world.until(lambda: world.rows().stores[0].leader == "s0.n1" and world.settled(2))
        assert world.rows().stores[0].epoch == 2
        assert world.cluster.processes["s0.n0"].role == "backup"
        assert world.cluster.now() - begun < 2

    play(scenario, tmp_path, "x", "y")
