"""A copy whose disk was lost is not taken for one that never held anything."""

from pathlib import Path

from tests.unit.ssms.coordinator.fake_cluster import FakeDisk
from tests.unit.ssms.coordinator.lives import World, play


def test_a_copy_that_comes_back_empty_does_not_lead_and_is_copied_anew_once_the_other_is_back(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.call("start", 2, 1)
        await world.until(lambda: world.settled(2) and len(world.cluster.audit.released) == 2)
        for node in ("x", "y"):
            world.cluster.lose(node)
        for name in ("s0.n0", "s1.n0"):
            world.cluster.disks["x", name] = FakeDisk()
        world.cluster.back("x")
        await world.until(lambda: "s0.n0" in world.cluster.processes)
        begun = world.cluster.now()
        await world.until(lambda: world.cluster.now() - begun > 5)
        status = await world.call("status")
        assert [store["epoch"] for store in status["stores"]] == [1, 1]
        assert all("bring back" in store["trouble"] for store in status["stores"])
        world.cluster.back("y")
        await world.until(lambda: world.settled(2))
        assert world.rows().stores[0].leader == "s0.n1"
        assert [store["trouble"] for store in (await world.call("status"))["stores"]] == ["", ""]

    play(scenario, tmp_path, "x", "y")


def test_a_store_with_one_copy_is_not_born_again_empty(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.call("start", 1, 1)
        await world.until(lambda: world.settled(1) and len(world.cluster.audit.released) == 1)
        world.cluster.disks["x", "s0.n0"] = FakeDisk()
        world.cluster.kill("s0.n0")
        begun = world.cluster.now()
        await world.until(lambda: world.cluster.now() - begun > 5)
        [store] = (await world.call("status"))["stores"]
        assert (store["epoch"], "restore a copy from a backup" in store["trouble"]) == (1, True)

    play(scenario, tmp_path, "x")
