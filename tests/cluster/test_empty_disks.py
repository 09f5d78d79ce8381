"""A new store holds something in each of its copies before it is led, so that a lost disk can be told."""

from pathlib import Path

from automata.testing.loop import run_virtually
from darq.memory import MemoryStore
from darq.replication.chain import head_of
from tests.cluster.coordinated import coordinated


def test_every_copy_of_a_store_that_is_led_holds_a_group(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with coordinated(tmp_path, "x", "y", replicas=2) as running:
            assert [head_of(disk).group >= 1 for disk in running.disks.values()] == [True] * 4
            assert all(row.led for row in running.rows().stores)

    run_virtually(scenario())


def test_a_store_whose_one_disk_was_lost_is_led_no_more(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with coordinated(tmp_path, "x", replicas=1) as running:
            await running._end("s0.n0")
            [identity] = [row.identity for row in running.rows().stores]
            running.disks["x", "s0.n0"] = MemoryStore(identity=identity)
            await running._begin("s0.n0")
            await running.until(lambda: running.rows().copies[0].told < 0)
            await running.until(lambda: bool(running._coordinator and running._coordinator._steps.emptied))
            [store] = (await running.call("status"))["stores"]
            assert (store["epoch"], "lost what they held" in store["trouble"]) == (1, True)

    run_virtually(scenario())
