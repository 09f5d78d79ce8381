"""What a coordinator does, over copies that keep real chains, in virtual time."""

import asyncio
import random
from pathlib import Path

import pytest

from automata.errors import ModuleRefused
from automata.partitions import partition_of
from automata.testing.disk import Disk
from darq.errors import InvalidArgument
from ssms.coordinator import Forbidden, Settings
from ssms.coordinator.upload_desk import MODULE_BYTES_MAX
from ssms.deployed import DeployedType
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


def test_a_primary_that_stands_still_is_succeeded_and_follows_when_it_wakes(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.call("start", 2, 1)
        await world.until(lambda: world.settled(2))
        world.cluster.cut_off.add("s0.n0")
        begun = world.cluster.now()
        await world.until(lambda: world.rows().stores[0].leader == "s0.n1")
        assert world.cluster.now() - begun < 4
        world.cluster.cut_off.clear()
        await world.until(lambda: world.settled(2))
        assert world.cluster.processes["s0.n0"].role == "backup"

    play(scenario, tmp_path, "x", "y")


def test_a_coordinator_that_stood_still_suspects_nobody(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.call("start", 2, 1)
        await world.until(lambda: world.settled(2))
        serve, world.cluster.serve = world.cluster.serve, None  # no heartbeat reaches it
        assert world.coordinator is not None
        for _ in range(100):
            world.coordinator._vigil.tick(stalled=True)
        world.cluster.serve = serve
        assert world.coordinator._vigil.suspects == set()
        await asyncio.sleep(10)
        assert [store.epoch for store in world.rows().stores] == [1, 1]

    play(scenario, tmp_path, "x", "y")


def test_a_coordinator_that_begins_gives_everybody_a_full_period(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.call("start", 2, 1)
        await world.until(lambda: world.settled(2))
        for _ in range(3):
            await world.crash()
        await asyncio.sleep(10)
        assert [store.epoch for store in world.rows().stores] == [1, 1]

    play(scenario, tmp_path, "x", "y")


def test_two_coordinators_at_once_never_make_two_primaries_of_an_epoch(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.call("start", 2, 1)
        await world.until(lambda: world.settled(2))
        first = world.coordinator
        world.disk = Disk(random.Random(1), 1000)  # another machine believes that it is the head
        await world.open()
        assert first is not None
        for copy in ("s0.n0", "s1.n1", "s0.n1", "s1.n0"):
            world.cluster.kill(copy)
            await asyncio.sleep(1.5)
        await first.close()
        await world.until(lambda: world.settled(2))

    play(scenario, tmp_path, "x", "y")


def test_a_store_whose_copies_all_end_at_once_is_led_again_by_one_that_holds_everything(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.call("start", 3, 1)
        await world.until(lambda: world.settled(3))
        await asyncio.sleep(1)
        for copy in list(world.cluster.processes):
            world.cluster.kill(copy)
        await world.until(lambda: world.settled(3))
        assert all(len(groups) > 5 for groups in world.cluster.audit.released.values())

    play(scenario, tmp_path, "x", "y", "z")


def test_only_who_knows_the_token_deploys(tmp_path: Path) -> None:
    made = DeployedType("User", 0, "app:User", b"", b"1").encode()

    async def scenario(world: World) -> None:
        await world.call("start", 1, 1)
        await world.until(lambda: world.settled(1))
        for wrong in ((), ("",), ("guess",)):
            with pytest.raises(Forbidden):
                await world.call("deploy", [made], *wrong)
        assert await world.call("types") == []
        [registered] = await world.call("deploy", [made], "secret")
        assert DeployedType.decode(registered).version == 1

    play(scenario, tmp_path, "x", settings=Settings(token="secret"))


def test_a_type_that_no_host_can_load_is_not_deployed(tmp_path: Path) -> None:
    made = DeployedType("Broken", 0, "app:Broken", b"", b"1").encode()

    async def scenario(world: World) -> None:
        await world.call("start", 1, 1)
        await world.until(lambda: world.settled(1))
        with pytest.raises(InvalidArgument, match="cannot be imported"):
            await world.call("deploy", [made])
        assert await world.call("types") == []

    play(scenario, tmp_path, "x")


def test_unknown_calls_copies_and_nodes_are_refused(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.call("start", 1, 1)
        for what, *args in (
            ("open",),
            ("hello", "s9.n9", 1, 0, 0),
            ("drop_node", "q"),
            ("drop_node", "x"),
            ("move", b"User\x00a", "q"),
            ("start", 0, 1),
        ):
            with pytest.raises(InvalidArgument):
                await world.call(str(what), *args)
        assert await world.call("placement", (await world.placement()).version) is None
        assert (await world.call("status"))["state"] == "running"

    play(scenario, tmp_path, "x")


def test_a_machine_that_is_new_joins_by_itself_and_one_that_was_dropped_does_not(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.call("start", 2, 1)
        world.cluster.alive["new"] = True
        await world.until(lambda: world.settled(2) and len(world.rows().stores) == 3)
        await world.call("drain", "new")
        begun = world.cluster.now()
        await world.until(lambda: world.cluster.now() - begun > 30)
        assert [node.id for node in world.rows().nodes] == ["x", "y"]
        await world.call("join_node", "new")
        await world.until(lambda: world.settled(2) and len(world.rows().nodes) == 3)

    play(scenario, tmp_path, "x", "y", settings=Settings(auto_join=True))


def test_a_machine_that_was_dropped_before_it_has_joined_stays_apart(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.call("start", 2, 1)
        world.cluster.alive["new"] = True
        await world.call("drop_node", "new")
        begun = world.cluster.now()
        await world.until(lambda: world.cluster.now() - begun > 30 and len(world.rows().nodes) == 2)

    play(scenario, tmp_path, "x", "y", settings=Settings(auto_join=True))


def test_an_object_moves_to_a_node_from_which_others_have_taken_over(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.call("start", 2, 1)
        await world.until(lambda: world.settled(2))
        world.cluster.kill("s0.n0")
        await world.until(lambda: world.rows().stores[0].leader == "s0.n1")
        partition = partition_of("User", "alice")
        store = await world.call("move", partition, "x")
        led = next(row for row in world.rows().stores if row.identity == store)
        assert led.leader.endswith(".n0")
        await world.until(lambda: world.settled(2))

    play(scenario, tmp_path, "x", "y")


def test_a_type_is_deployed_only_where_every_living_copy_can_load_it(tmp_path: Path) -> None:
    made = DeployedType("User", 0, "app:User", b"", b"1").encode()

    async def scenario(world: World) -> None:
        await world.call("start", 1, 1)
        await world.until(lambda: world.settled(1))
        world.cluster.unloadable = {("s1.n1", "User")}
        with pytest.raises(InvalidArgument, match="copy s1"):
            await world.call("deploy", [made])
        assert await world.call("types") == []

    play(scenario, tmp_path, "x", "y")


def test_a_copy_that_cannot_load_a_deployed_type_serves_the_others_and_is_shown(tmp_path: Path) -> None:
    made = DeployedType("User", 0, "app:User", b"", b"1").encode()

    async def scenario(world: World) -> None:
        await world.call("start", 1, 1)
        await world.until(lambda: world.settled(1))
        await world.call("deploy", [made])
        world.cluster.unloadable = {("s0.n0", "User")}
        world.cluster.kill("s0.n0")
        await world.until(lambda: world.rows().stores[0].epoch == 2 and world.settled(1))
        [copy] = (await world.call("status"))["copies"]
        assert "cannot be imported" in copy["unloadable"]

    play(scenario, tmp_path, "x")


def test_a_process_that_begins_hears_of_all_uploads_before_its_part(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.call("start", 1, 1)
        await world.until(lambda: world.settled(1))
        await world.call("upload", b"module", "t", "ann", {})
        world.cluster.asked.clear()
        world.cluster.kill("s0.n0")
        await world.until(lambda: world.rows().stores[0].epoch == 2 and world.settled(1))
        asked = [what for copy, what in world.cluster.asked if copy == "s0.n0"]
        assert asked.index("load_uploads") < asked.index("lead")

    play(scenario, tmp_path, "x")


def test_a_module_that_is_refused_is_no_upload(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.call("start", 1, 1)
        await world.until(lambda: world.settled(1))
        for data, name, limits, error in (
            (b"bad", "t", {}, ModuleRefused),
            (b"module", "a/b", {}, InvalidArgument),
            (b"module", "t", {"speed": 1}, InvalidArgument),
            (b"m" * (MODULE_BYTES_MAX + 1), "t", {}, ModuleRefused),
        ):
            with pytest.raises(error):
                await world.call("upload", data, name, "ann", limits)
        assert await world.call("uploads") == (0, [])
        assert (await world.call("status"))["uploads"] == []

    play(scenario, tmp_path, "x")


def test_a_module_that_ends_whoever_examines_it_is_refused_after_three(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.call("start", 1, 1)
        await world.until(lambda: world.settled(1))
        with pytest.raises(ModuleRefused, match="ended, or gave no answer"):
            await world.call("upload", b"deadly", "t", "ann", {})
        assert len([what for _, what in world.cluster.asked if what == "examine"]) == 3
        await world.until(lambda: world.settled(1))
        await world.call("upload", b"module", "t", "ann", {})

    play(scenario, tmp_path, "x", "y", "z")


def test_a_coordinator_that_can_keep_watch_no_more_ends(tmp_path: Path) -> None:
    class Broken(Exception):
        pass

    async def scenario(world: World) -> None:
        def fail(stalled: bool) -> None:
            raise Broken

        assert world.coordinator is not None
        world.coordinator._vigil.tick = fail  # type: ignore[method-assign]
        await world.until(lambda: [type(why) for why in world.left] == [Broken])

    play(scenario, tmp_path, "x")


def test_a_store_that_takes_long_to_recover_is_waited_for_under_one_epoch(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.call("start", 1, 1)
        await world.until(lambda: world.settled(1))
        world.cluster.recovery_seconds = 13.0
        world.cluster.kill("s0.n0")
        begun = world.cluster.now()
        await world.until(lambda: world.rows().stores[0].epoch > 1 and world.settled(1))
        assert world.rows().stores[0].epoch == 2
        assert world.cluster.now() - begun < 16

    play(scenario, tmp_path, "x")
