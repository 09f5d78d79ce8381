"""Slots that a coordinator spreads: one move after another, each finished."""

from pathlib import Path

from tests.unit.ssms.coordinator.lives import World, play


async def a_node_joins(world: World, replicas: int = 1) -> None:
    await world.call("start", replicas, 1)
    await world.until(lambda: world.settled(replicas))
    world.cluster.alive["new"] = True


def test_a_move_that_was_begun_is_finished_though_another_would_be_chosen_now(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await a_node_joins(world)
        world.cluster.refused = 1_000_000
        await world.call("join_node", "new")
        await world.until(lambda: bool(world.cluster.slot_moves))
        first = world.cluster.slot_moves[0]
        for node in ("newer", "newest"):
            world.cluster.alive[node] = True
            await world.call("join_node", node)
        await world.until(lambda: world.settled(1) and len(world.rows().stores) == 5)
        tried = len(world.cluster.slot_moves)
        await world.until(lambda: len(world.cluster.slot_moves) > tried + 2)
        world.cluster.refused = 0
        await world.until(lambda: bool(world.cluster.given))
        assert set(world.cluster.slot_moves[: tried + 3]) == {first}
        assert world.cluster.given[0] == first

    play(scenario, tmp_path, "x", "y")


def test_slots_do_not_move_again_before_what_was_under_way_to_them_has_come(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await a_node_joins(world)
        world.cluster.unsettled = True
        await world.call("join_node", "new")
        await world.until(lambda: [what for _, what in world.cluster.asked].count("settled_slots") > 5)
        assert world.cluster.slot_moves == []
        world.cluster.unsettled = False
        await world.until(lambda: bool(world.cluster.given))

    play(scenario, tmp_path, "x", "y")
