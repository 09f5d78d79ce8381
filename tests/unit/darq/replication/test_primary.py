"""When a primary releases, whom it goes on without, and when it is one no more."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest

from darq import MemoryStore
from darq.errors import AutomataError, Fenced
from darq.replication import Head, Options, head_of, messages
from darq.replication.messages import Reply, Ship
from tests.unit.darq.replication.network import SlowLoop
from tests.unit.darq.replication.world import IDENTITY, SMALL, Copy, World, rows_of, run

QUICK = Options()


def play(scenario: Callable[[World], Coroutine[Any, Any, None]], names: str = "ab", options: Options = QUICK) -> None:
    """Run a scenario over copies of which `a` leads."""

    async def playing() -> None:
        world = World(1, names=names, options=options)
        try:
            world.promote("a")
            await world.led()
            await scenario(world)
        finally:
            await world.close()

    run(playing())


def cut(world: World, *names: str) -> None:
    world.network.cut.add(frozenset(names))


def test_a_group_is_released_when_all_copies_in_sync_hold_it() -> None:
    async def scenario(world: World) -> None:
        a = world.copies["a"]
        cut(world, "a", "c")
        world.write(a)
        await asyncio.sleep(0.3)
        group = a.log.group.number - 1  # type: ignore[union-attr]
        assert head_of(world.copies["b"].disk).group == head_of(a.disk).group == group
        assert world.promises.highest == 0
        world.network.cut.clear()
        await world.until(lambda: world.promises.highest == 1)
        assert head_of(world.copies["c"].disk).group == group

    play(scenario, names="abc")


def test_a_group_is_not_released_before_the_own_disk_holds_it() -> None:
    async def scenario(world: World) -> None:
        a, loop = world.copies["a"], asyncio.get_running_loop()
        await asyncio.sleep(1)
        world.write(a)
        await world.until(lambda: world.promises.highest == 1)
        loop.seconds = lambda: 0.4  # type: ignore[attr-defined]
        a.committer._flush_seconds = 1.0
        world.copies["b"].backup._inline_flush_seconds_max = 9.0  # type: ignore[union-attr]
        group = a.log.group.number  # type: ignore[union-attr]
        world.write(a)
        await world.until(lambda: head_of(world.copies["b"].disk).group == group)
        await asyncio.sleep(0.1)
        assert world.promises.highest == 1
        await world.until(lambda: world.promises.highest == 2)

    play(scenario)


def test_what_gathers_while_a_call_is_under_way_leaves_in_the_next() -> None:
    async def scenario(world: World) -> None:
        a = world.copies["a"]
        await asyncio.sleep(1)
        world.network.pause("b")
        for _ in range(50):
            world.write(a)
            await asyncio.sleep(0.002)
        groups = a.log.group.number  # type: ignore[union-attr]
        assert groups > 3
        carried = world.network.carried
        world.network.resume("b")
        await world.until(lambda: world.promises.highest == 50)
        assert world.network.carried - carried <= 3

    play(scenario)


def test_no_group_is_closed_while_a_backup_lags_too_far_behind() -> None:
    async def scenario(world: World) -> None:
        a = world.copies["a"]
        primary, log = a.primary, a.log
        assert primary is not None
        assert log is not None
        world.network.pause("b")
        for _ in range(300):
            world.write(a)
            await asyncio.sleep(0.002)
        assert primary.full
        behind = primary.recent.bytes_after(primary._counting[0].acked)
        assert behind < 2 * SMALL.lag_bytes_max
        assert log.full
        world.network.resume("b")
        await a.committer.settle()
        assert world.promises.highest == world.writes

    play(scenario, options=replace(SMALL, ack_seconds_max=60.0, gone_seconds_max=60.0))


def test_a_backup_that_fails_is_gone_on_without_once_the_catalog_and_its_own_lease_allow_it() -> None:
    async def scenario(world: World) -> None:
        a, b = world.copies["a"], world.copies["b"]
        await asyncio.sleep(1)
        backup = b.backup
        assert backup is not None
        assert backup.leased()
        cut(world, "a", "b")
        world.write(a)
        seen = []
        while world.promises.highest == 0:
            seen.append((backup.leased(), "b" in world.catalog.in_sync))
            await asyncio.sleep(0.01)
        assert seen[0] == (True, True)
        assert not backup.leased()
        assert world.catalog.in_sync == {"a"}
        assert a.primary.leased()  # type: ignore[union-attr]

    play(scenario, options=replace(QUICK, ack_seconds_max=0.1))


def test_a_primary_whose_loop_stood_still_drops_nobody() -> None:
    async def scenario(world: World) -> None:
        a, loop = world.copies["a"], asyncio.get_running_loop()
        assert isinstance(loop, SlowLoop)
        await asyncio.sleep(1)
        for _ in range(20):
            world.write(a)
            await asyncio.sleep(0.001)
            loop.stand_still(10)
            for _ in range(50):
                await asyncio.sleep(0.001)
                assert world.catalog.in_sync == {"a", "b"}
        await world.settle()
        assert world.promises.highest == world.writes

    play(scenario)


def test_nothing_is_released_by_fewer_copies_than_asked_for() -> None:
    async def scenario(world: World) -> None:
        a, b = world.copies["a"], world.copies["b"]
        await b.crash()
        world.write(a)
        await world.until(lambda: world.catalog.in_sync == {"a"})
        await asyncio.sleep(5)
        assert world.promises.highest == 0
        b.start()
        await world.until(lambda: world.promises.highest == 1)

    play(scenario, options=replace(QUICK, min_in_sync=2))


@pytest.mark.parametrize("recent_bytes_max", [1 << 20, 500], ids=["what it lacks", "everything"])
def test_a_copy_that_comes_back_gets_what_it_lacks_or_everything(recent_bytes_max: int) -> None:
    async def scenario(world: World) -> None:
        a, b = world.copies["a"], world.copies["b"]
        await b.crash()
        for _ in range(30):
            world.write(a)
            await asyncio.sleep(0.1)
        assert world.catalog.in_sync == {"a"}
        b.start()
        chain = b.backup.recent  # type: ignore[union-attr]
        while world.catalog.in_sync != {"a", "b"}:
            world.write(a)
            await asyncio.sleep(0.001)
        assert (b.backup.recent is chain) == (recent_bytes_max > 500)  # type: ignore[union-attr]
        await a.committer.settle()
        await world.until(lambda: head_of(a.disk) == head_of(b.disk))
        assert rows_of(a.disk) == rows_of(b.disk)

    play(scenario, options=replace(SMALL, recent_bytes_max=recent_bytes_max))


def test_a_copy_counts_before_the_catalog_is_asked_to_add_it() -> None:
    async def scenario(world: World) -> None:
        a, b = world.copies["a"], world.copies["b"]
        primary = a.primary
        assert primary is not None
        await b.crash()
        await world.until(lambda: world.catalog.in_sync == {"a"})
        counted: list[bool] = []
        add = primary._outside.members.add

        async def watched(copy: str) -> None:
            counted.append(copy in primary.in_sync)
            await add(copy)

        primary._outside.members.add = watched  # type: ignore[method-assign]
        b.start()
        await world.until(lambda: world.catalog.in_sync == {"a", "b"})
        assert counted
        assert all(counted)

    play(scenario)


def test_a_paused_primary_that_wakes_after_its_successor_took_over_answers_nothing() -> None:
    async def scenario(world: World) -> None:
        a, b = world.copies["a"], world.copies["b"]
        world.write(a)
        await world.until(lambda: world.promises.highest == 1)
        primary, log = a.primary, a.log
        assert primary is not None
        assert log is not None
        assert primary.leased()
        world.network.pause("a")
        await world.promote("b")
        assert b.log is not None
        assert not primary.leased()
        world.network.resume("a")
        assert not primary.leased()
        world.write(a)
        answered: list[BaseException | None] = []
        log.gate.release(log.group.number, answered.append)
        lease = asyncio.ensure_future(primary.lease())
        await world.until(lambda: bool(answered))
        assert isinstance(answered[0], Fenced)
        with pytest.raises(Fenced):
            await lease

    play(scenario)


def test_a_primary_that_the_catalog_fences_stops_for_good() -> None:
    async def scenario(world: World) -> None:
        a = world.copies["a"]
        primary, log = a.primary, a.log
        assert primary is not None
        assert log is not None
        world.catalog.epoch += 1
        await world.copies["b"].crash()
        world.write(a)
        await world.until(lambda: log.gate.failure is not None)
        assert isinstance(log.gate.failure, Fenced)
        assert not primary.leased()
        with pytest.raises(AutomataError):
            log.commit(log.step(b"x"))

    play(scenario)


def test_a_backup_that_has_lost_its_disk_is_dropped_before_it_is_copied_anew() -> None:
    async def scenario(world: World) -> None:
        a, b = world.copies["a"], world.copies["b"]
        for _ in range(30):
            world.write(a)
            await asyncio.sleep(0.1)
        await b.crash()
        b.disk = MemoryStore(identity=IDENTITY)
        b.start()
        chain = b.backup.recent  # type: ignore[union-attr]
        await world.until(lambda: b.backup.recent is not chain)  # type: ignore[union-attr]
        assert world.catalog.in_sync == {"a"}
        await world.until(lambda: world.catalog.in_sync == {"a", "b"})
        assert head_of(b.disk) == head_of(a.disk)

    play(scenario, options=replace(SMALL, recent_bytes_max=500, chunk_rows=2))


def test_a_primary_that_a_backup_refuses_stops_for_good() -> None:
    async def scenario(world: World) -> None:
        a, b = world.copies["a"], world.copies["b"]
        primary, log = a.primary, a.log
        assert primary is not None
        assert log is not None
        await b.backup.lead(primary.epoch + 1, old_is_dead=True)  # type: ignore[union-attr]
        await world.until(lambda: primary.failure is not None, seconds=0.5)
        assert not primary.leased()
        assert isinstance(log.gate.failure, Fenced)

    play(scenario)


def test_nobody_may_read_at_a_backup_of_a_primary_that_is_not_sure_of_itself() -> None:
    async def scenario(world: World) -> None:
        primary = world.copies["a"].primary
        assert primary is not None
        await asyncio.sleep(1)
        assert primary._heartbeat(primary._links["b"]).heard > 0
        cut(world, "a", "c")
        await world.until(lambda: not primary.leased())
        assert primary._heartbeat(primary._links["b"]).heard == 0

    play(scenario, names="abc", options=replace(QUICK, ack_seconds_max=60.0, gone_seconds_max=60.0))


def test_nobody_leads_while_another_backup_that_is_left_out_may_be_read() -> None:
    """The old primary is alive: it lets one backup be read for as long as the lease of the other one holds."""

    async def scenario(world: World) -> None:
        b, c = world.copies["b"], world.copies["c"]
        world.write(world.copies["a"])
        await world.until(lambda: world.promises.highest == 1)
        await asyncio.sleep(1)
        cut(world, "a", "b")
        cut(world, "b", "c")
        world.catalog.in_sync.discard("c")
        world.promote("b", keep=False)
        read = False
        while world.promises.highest == 1:
            read |= await world.read(c) is not None
            await asyncio.sleep(0.002)
            if b.log is not None and world.writes == 1:
                world.write(b)
        assert read
        await asyncio.sleep(0)
        await world.read(c)

    options = replace(QUICK, heartbeat_seconds=0.05, ack_seconds_max=60.0, gone_seconds_max=60.0)
    play(scenario, names="abc", options=options)


def test_a_new_primary_answers_nothing_before_the_others_hold_what_it_found() -> None:
    async def scenario(world: World) -> None:
        a, c = world.copies["a"], world.copies["c"]
        cut(world, "a", "c")
        world.write(a)
        await world.until(lambda: head_of(world.copies["b"].disk).group == 1)
        await a.crash()
        cut(world, "b", "c")
        world.promote("b", old_is_dead=True, keep=False)
        await asyncio.sleep(0.5)
        assert world.leader() is None
        world.network.cut.clear()
        await world.led()
        assert head_of(c.disk).group >= 1
        assert c.backup.recent.base == Head()  # type: ignore[union-attr]  # it was not copied anew

    play(scenario, names="abc")


def test_leases_are_renewed_from_a_thread_though_the_loop_hears_nothing() -> None:
    async def scenario(world: World) -> None:
        a, b = world.copies["a"], world.copies["b"]
        primary, backup = a.primary, b.backup
        assert primary is not None
        assert backup is not None
        await asyncio.sleep(1)
        cut(world, "a", "b")
        for _ in range(2):
            await asyncio.sleep(0.4)
            data, sent_at = primary.beat("b"), a.clock()
            assert data is not None
            primary.beaten("b", sent_at, await backup.receive(data))
            assert primary.beat("b") is None
        assert primary.leased()
        late = messages.encode(Reply(1, 9, Head(), None, 1.0, eager=False))
        await asyncio.to_thread(primary.beaten, "b", a.clock(), late)
        assert not primary.leased()
        assert primary.beat("b") is None
        await asyncio.sleep(0)
        assert isinstance(a.log.gate.failure, Fenced)  # type: ignore[union-attr]

    play(scenario)


def test_a_lease_counts_from_when_the_message_was_sent_however_late_the_answer_comes() -> None:
    async def scenario(world: World) -> None:
        a, b = world.copies["a"], world.copies["b"]
        primary, backup = a.primary, b.backup
        assert primary is not None
        assert backup is not None
        await asyncio.sleep(1)
        cut(world, "a", "b")
        await asyncio.sleep(0.5)
        data, sent_at = primary.beat("b"), a.clock()
        assert data is not None
        reply = await backup.receive(data)
        await asyncio.sleep(1)
        primary.beaten("b", sent_at, reply)
        assert not primary.leased()

    play(scenario, options=replace(QUICK, ack_seconds_max=60.0, gone_seconds_max=60.0))


def test_a_backup_hears_at_once_what_is_released_while_it_is_read() -> None:
    async def scenario(world: World) -> None:
        a, b = world.copies["a"], world.copies["b"]
        await asyncio.sleep(1)
        for _ in range(20):
            world.write(a)
            await asyncio.sleep(0.02)
            await world.read(b)
        assert world.promises.reads_there == 20

    play(scenario, options=replace(QUICK, heartbeat_seconds=0.9))


def test_messages_of_another_primary_are_answered_or_end_this_one() -> None:
    async def scenario(world: World) -> None:
        primary = world.copies["a"].primary
        assert primary is not None
        old = messages.encode(Ship(1, 0, 0, 0.0, [], None, None))
        assert messages.decode_reply(primary.receive(old)).epoch == primary.epoch
        with pytest.raises(Fenced):
            primary.receive(messages.encode(Ship(1, 7, 0, 0.0, [], None, None)))
        assert not primary.leased()

    play(scenario)


def test_a_copy_that_is_forgotten_is_dropped() -> None:
    async def scenario(world: World) -> None:
        primary = world.copies["a"].primary
        assert primary is not None
        primary.forget("b")
        await world.until(lambda: world.catalog.in_sync == {"a"})
        await world.until(lambda: primary.in_sync == [])
        world.write(world.copies["a"])
        await world.until(lambda: world.promises.highest == 1)

    play(scenario)


def copies(world: World) -> list[Copy]:
    return list(world.copies.values())


def test_a_closed_primary_and_its_backups_end_with_the_same_group() -> None:
    async def scenario(world: World) -> None:
        a = world.copies["a"]
        log, primary = a.log, a.primary
        assert log is not None
        assert primary is not None
        world.write(a)
        log.mark_closed()
        await a.committer.settle()
        await primary.stop()
        log.close()
        assert len({head_of(copy.disk) for copy in copies(world)}) == 1
        await a.crash()
        await world.promote("b", old_is_dead=True, keep=False)
        assert not world.copies["b"].log.was_killed  # type: ignore[union-attr]

    play(scenario)


@pytest.mark.parametrize("names", ["a", "ab"])
def test_a_primary_that_has_stopped_answers_and_releases_nothing(names: str) -> None:
    async def scenario(world: World) -> None:
        a = world.copies["a"]
        log, primary = a.log, a.primary
        assert log is not None
        assert primary is not None
        world.write(a)
        await world.until(lambda: world.promises.highest == 1)
        assert primary.leased()
        await primary.stop()
        assert not primary.leased()
        with pytest.raises(Fenced):
            await primary.lease()
        world.write(a)
        await asyncio.sleep(5)
        assert world.promises.highest == 1

    play(scenario, names=names)
