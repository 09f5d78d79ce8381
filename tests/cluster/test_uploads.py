"""Uploads on a cluster: every host runs them, through the deaths of hosts and of the coordinator, in virtual time."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from automata import call, gather, ref, send
from automata.errors import InvalidArgument, ModuleRefused, NotPublic, UnknownMethod, UnknownType
from automata.sandbox import shelf
from automata.sandbox.usage_book import SECONDS_BETWEEN
from automata.testing.loop import run_virtually
from automata.types import REGISTRY
from ssms.cluster_app import ClusterApp
from ssms.coordinator import Forbidden, Settings
from ssms.peers import Unreachable
from tests.cluster.coordinated import Coordinated, coordinated
from tests.cluster.purses import KEYS, Purse
from tests.memory_app import settled
from tests.uploaded_tally import compile_here, tally

Scenario = Callable[[Coordinated, ClusterApp], Awaitable[None]]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many processes of one test compile the same."""
    monkeypatch.setattr(shelf, "compile_module", compile_here)


def play(folder: Path, scenario: Scenario, *nodes: str, replicas: int = 2, settings: Settings | None = None) -> None:
    """Run a scenario on a cluster whose processes know of uploads each for itself."""

    async def run() -> None:
        given = {"replicas": replicas, "settings": settings, "modules": folder / "modules"}
        async with coordinated(folder, *nodes, **given) as running, running.connect() as app:  # type: ignore[arg-type]
            await scenario(running, app)

    run_virtually(run())


def test_an_upload_is_called_on_all_stores_by_clients_that_have_no_class(tmp_path: Path) -> None:
    async def scenario(running: Coordinated, app: ClusterApp) -> None:
        taken = await app.upload(tally(tmp_path), name="tallies", uploader="ann", limits={"fuel": 1_000_000})
        assert (taken.version, taken.types, taken.uploader) == (1, ["Tally"], "ann")
        assert await gather(*(ref("Tally", key).add(2) for key in KEYS)) == [2] * len(KEYS)
        assert await gather(*(ref("Tally", key).get() for key in KEYS)) == [2] * len(KEYS)
        assert [key async for key in app.objects("Tally")] == KEYS
        [shown] = [upload async for upload in app.uploads()]
        assert (shown.name, shown.version, shown.usage.runs) == ("tallies", 1, 2 * len(KEYS))
        assert "Tally" in await app.types()

    play(tmp_path, scenario, "x", "y")
    assert REGISTRY.find("Tally") is None


def test_a_client_that_was_connected_before_learns_of_a_type_when_it_calls_it(tmp_path: Path) -> None:
    async def scenario(running: Coordinated, app: ClusterApp) -> None:
        before = ref("Tally", "one")
        with pytest.raises(UnknownType, match="no upload"):
            await before.add(1)
        async with running.connect() as other:
            await other.upload(tally(tmp_path))
        assert REGISTRY.find("Tally") is None, "it was forgotten with the other client"
        tallied = app.ref("Tally", "one")
        assert await call(tallied.add(1), idempotency_key="k") == 1
        assert await call(app.ref("Tally", "one").add(1), idempotency_key="k") == 1
        with pytest.raises(UnknownMethod):
            await tallied.multiply(1)
        with pytest.raises(NotPublic):
            tallied._hidden()
        with pytest.raises(InvalidArgument):
            await tallied.add("1")

    play(tmp_path, scenario, "x", "y")


def test_a_message_to_a_type_that_is_not_known_yet_goes_before_the_call_behind_it(tmp_path: Path) -> None:
    async def scenario(running: Coordinated, app: ClusterApp) -> None:
        async with running.connect() as other:
            await other.upload(tally(tmp_path))
        sent = send(app.ref("Tally", "one").add(1))
        assert await app.ref("Tally", "one").add(1) == 2
        assert await sent
        assert await app.ref("Tally", "one").get() == 2

    play(tmp_path, scenario, "x", "y")


def test_versions_replace_each_other_and_objects_keep_their_state(tmp_path: Path) -> None:
    async def scenario(running: Coordinated, app: ClusterApp) -> None:
        one = ref("Tally", "one")
        await app.upload(tally(tmp_path), name="t")
        assert await one.add(1) == 1
        assert (await app.upload(tally(tmp_path, step=10, resets=True), name="t")).versions == [1, 2]
        assert await one.add(1) == 11
        assert await one.reset() == 0
        assert (await app.upload(tally(tmp_path, step=10, resets=True), name="t")).versions == [1, 2], "it is the same"
        assert (await app.roll_back_upload("t")).version == 1
        assert await one.add(1) == 1
        with pytest.raises(UnknownMethod):
            await one.reset()
        with pytest.raises(InvalidArgument, match="no version 7"):
            await app.roll_back_upload("t", 7)
        assert (await app.roll_back_upload("t", 2)).version == 2
        assert await one.add(1) == 11
        await app.remove_upload("t")
        with pytest.raises(UnknownType):
            await ref("Tally", "one").add(1)
        with pytest.raises(InvalidArgument, match="no upload 't'"):
            await app.remove_upload("t")
        await app.upload(tally(tmp_path), name="again")
        assert await ref("Tally", "one").get() == 11

    play(tmp_path, scenario, "x", "y")


def test_a_client_with_older_signatures_finds_a_method_that_was_added(tmp_path: Path) -> None:
    async def scenario(running: Coordinated, app: ClusterApp) -> None:
        await app.upload(tally(tmp_path), name="t")
        assert await app.ref("Tally", "one").add(1) == 1
        async with running.connect() as other:
            await other.upload(tally(tmp_path, resets=True), name="t")
        assert await app.ref("Tally", "one").reset() == 0

    play(tmp_path, scenario, "x", "y")


def test_hosts_that_are_killed_know_all_uploads_when_they_are_back_and_so_does_who_takes_over(tmp_path: Path) -> None:
    async def scenario(running: Coordinated, app: ClusterApp) -> None:
        await app.upload(tally(tmp_path), name="t")
        await gather(*(ref("Tally", key).add(2) for key in KEYS))
        for store in range(2):
            leader = running.leader(store)
            await running.kill(leader)
            await running.until(lambda store=store, leader=leader: running.leader(store) not in ("", leader))  # type: ignore[misc]
        assert await gather(*(ref("Tally", key).add(2) for key in KEYS)) == [4] * len(KEYS)
        await running.until(lambda: running.settled(2))
        await app.upload(tally(tmp_path, step=10), name="t")
        for copy in list(running.network.servers):
            await running.kill(copy)
        assert await gather(*(ref("Tally", key).add(1) for key in KEYS)) == [14] * len(KEYS)

    play(tmp_path, scenario, "x", "y")


def test_a_guest_that_awaits_and_sends_to_objects_of_other_stores_goes_on_when_hosts_die(tmp_path: Path) -> None:
    async def scenario(running: Coordinated, app: ClusterApp) -> None:
        await app.upload(tally(tmp_path), name="t")
        asked = [app.ref("Tally", key).ask(to) for key in KEYS for to in KEYS]
        told = [app.ref("Tally", key).tell(to) for key in KEYS for to in KEYS]
        calling = [call(one, idempotency_key=str(n)) for n, one in enumerate([*asked, *told])]

        async def kill() -> None:
            for store in (0, 1, 0):
                leader = running.leader(store)
                await running.kill(leader)
                await running.until(lambda: running.leader(store) not in ("", leader))  # noqa: B023 - it is awaited
                await running.until(lambda: running.settled(2))

        await asyncio.gather(kill(), *calling)
        each = len(KEYS) * (11 + 100)
        assert await gather(*(app.ref("Tally", key).get() for key in KEYS)) == [each] * len(KEYS)

        async def purses() -> list[int]:
            return await gather(*(ref(Purse, key).look() for key in KEYS))

        await settled(purses, [len(KEYS) * (5 + 7)] * len(KEYS))

    play(tmp_path, scenario, "x", "y")


async def unreachable(*args: object) -> None:
    raise Unreachable("lost")


def test_an_upload_goes_on_when_the_coordinator_is_killed_and_is_done_once(tmp_path: Path) -> None:
    async def scenario(running: Coordinated, app: ClusterApp) -> None:
        uploading = asyncio.create_task(app.upload(tally(tmp_path), name="t"))
        for _ in range(3):
            await asyncio.sleep(0.02)
            await running.kill_coordinator()
        assert (await uploading).versions == [1]
        assert await ref("Tally", "one").add(1) == 1

    play(tmp_path, scenario, "x", "y")


def test_a_module_that_is_refused_leaves_everything_as_it_was(tmp_path: Path) -> None:
    async def scenario(running: Coordinated, app: ClusterApp) -> None:
        await app.upload(tally(tmp_path), name="t", uploader="ann")
        bad = tmp_path / "bad.wasm"
        bad.write_bytes(b"\0asm\x01\0\0\0\xff\xff")
        for file in (bad, tally(tmp_path, type_name="ClusterPurse")):
            with pytest.raises(ModuleRefused):
                await app.upload(file, name="t", uploader="ann")
        with pytest.raises(ModuleRefused, match="ann"):
            await app.upload(tally(tmp_path, step=3), name="t", uploader="bob")
        with pytest.raises(ModuleRefused, match="upload 't'"):
            await app.upload(tally(tmp_path, step=3), name="u")
        with pytest.raises(InvalidArgument, match="no limit"):
            await app.upload(tally(tmp_path, step=3), name="t", limits={"speed": 1})
        [shown] = [upload async for upload in app.uploads()]
        assert (shown.name, shown.versions) == ("t", [1])
        assert await ref("Tally", "one").add(1) == 1

    play(tmp_path, scenario, "x", replicas=1)


def test_only_who_knows_the_token_uploads(tmp_path: Path) -> None:
    async def scenario(running: Coordinated, app: ClusterApp) -> None:
        with pytest.raises(Forbidden):
            await app.upload(tally(tmp_path), name="t")
        app._token = "secret"
        await app.upload(tally(tmp_path), name="t")
        app._token = "guess"
        with pytest.raises(Forbidden):
            await app.remove_upload("t")
        with pytest.raises(Forbidden):
            await app.roll_back_upload("t", 1)
        assert await ref("Tally", "one").add(1) == 1

    play(tmp_path, scenario, "x", replicas=1, settings=Settings(token="secret"))


def test_a_type_of_an_upload_is_not_deployed_and_one_that_was_deployed_is_not_uploaded(tmp_path: Path) -> None:
    async def scenario(running: Coordinated, app: ClusterApp) -> None:
        await app.deploy(Purse)
        with pytest.raises(ModuleRefused, match="ClusterPurse"):
            await app.upload(tally(tmp_path, type_name="ClusterPurse"))

    play(tmp_path, scenario, "x", replicas=1)


def test_a_machine_that_joins_gets_the_modules_from_the_catalog(tmp_path: Path) -> None:
    async def scenario(running: Coordinated, app: ClusterApp) -> None:
        await app.upload(tally(tmp_path), name="t")
        await gather(*(ref("Tally", key).add(2) for key in KEYS))
        running.alive["z"] = True
        await running.call("join_node", "z")
        await running.until(lambda: running.settled(1) and len(running.rows().stores) == 3)
        await app.move(ref("Tally", KEYS[0]), "z")
        assert await ref("Tally", KEYS[0]).add(2) == 4
        held = {file.suffix for file in (tmp_path / "modules" / "s2.n2").iterdir()}
        assert held == {".wasm", ".compiled", ".sum"}

    play(tmp_path, scenario, "x", "y", replicas=1)


def test_a_host_that_has_missed_a_change_hears_of_it_by_and_by(tmp_path: Path) -> None:
    async def scenario(running: Coordinated, app: ClusterApp) -> None:
        serve = running.network.servers["s0.n0"]._calls
        load, serve["load_uploads"] = serve["load_uploads"], unreachable
        await app.upload(tally(tmp_path), name="t")
        serve["load_uploads"] = load
        await running.until(lambda: running.network.servers["s0.n0"]._uploads._revision == 1, seconds=10)
        assert await gather(*(ref("Tally", key).add(2) for key in KEYS)) == [2] * len(KEYS)

    play(tmp_path, scenario, "x", "y", replicas=1)


def test_methods_wait_for_a_module_that_is_on_its_way_to_their_host(tmp_path: Path) -> None:
    async def scenario(running: Coordinated, app: ClusterApp) -> None:
        await app.upload(tally(tmp_path), name="t")
        await gather(*(ref("Tally", key).add(2) for key in KEYS))
        serve, away = running.serve, asyncio.Event()
        assert serve is not None

        async def without_modules(what: str, args: object) -> object:
            if what == "module" and not away.is_set():
                raise Unreachable("the catalog is away")
            return await serve(what, args)

        running.serve = without_modules
        shutil.rmtree(tmp_path / "modules" / "s0.n0")
        await running.kill("s0.n0")
        await running.until(lambda: running.rows().stores[0].epoch > 1 and running.settled(1))
        calls = [asyncio.create_task(_given(ref("Tally", key).add(2))) for key in KEYS]
        reads = [asyncio.create_task(_given(ref("Tally", f"new {key}").get())) for key in KEYS]
        await asyncio.sleep(5)
        waiting = [task.done() for task in calls]
        assert 0 < sum(waiting) < len(KEYS), "those of the other store go on"
        away.set()
        assert await asyncio.gather(*calls, *reads) == [4] * len(KEYS) + [0] * len(KEYS)

    play(tmp_path, scenario, "x", "y", replicas=1)


async def _given(invocation: Awaitable[object]) -> object:
    return await invocation


def test_a_client_that_deploys_what_it_uses_deploys_no_type_of_an_upload(tmp_path: Path) -> None:
    async def scenario(running: Coordinated, app: ClusterApp) -> None:
        await app.upload(tally(tmp_path), name="t")
        async with running.connect(deploys=True) as other:
            assert await other.ref("Tally", "one").add(1) == 1
            assert await other.ref(Purse, "p").add(1) == 1
        async with running.connect(deploys=True) as other:
            [_] = [upload async for upload in other.uploads()]
            known = other.ref("Tally", "two")
            async with running.connect() as third:
                await third.remove_upload("t")
            assert REGISTRY.find("Tally") is not None, "the first client has not heard of it"
            with pytest.raises(UnknownType):
                await known.add(1)
            with pytest.raises(UnknownType):
                await other.ref("Tally", "one").add(1)
        types = await app.types()
        assert "ClusterPurse" in types
        assert "Tally" not in types

    play(tmp_path, scenario, "x", replicas=1)


def test_what_a_host_cannot_load_is_told_to_clients_and_operators_until_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing: list[str] = []

    def compile_elsewhere(kind: str, source: Path, target: Path) -> None:
        if any(copy in source.parts for copy in failing):
            raise ModuleRefused("it takes too long to compile")
        compile_here(kind, source, target)

    async def scenario(running: Coordinated, app: ClusterApp) -> None:
        async def trouble() -> set[str]:
            [shown] = [upload async for upload in app.uploads()]
            status = await running.call("status")
            return {shown.trouble, status["uploads"][0]["trouble"]}

        host = running.leader(0)  # one that leads nothing examines the module
        failing.append(host)
        taken = await app.upload(tally(tmp_path), name="t")
        assert taken.types == ["Tally"], "other hosts run it"
        assert taken.trouble == f"on {host}: it takes too long to compile"
        assert await trouble() == {taken.trouble}
        await running.kill_coordinator()
        await settled(trouble, {taken.trouble})
        failing.clear()
        await running.kill(host)
        await settled(trouble, {""})

    monkeypatch.setattr(shelf, "compile_module", compile_elsewhere)
    play(tmp_path, scenario, "x", "y")


def test_a_host_whose_disk_was_full_is_no_longer_told_of_once_it_has_the_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full: list[str] = []

    def compile_if_there_is_room(kind: str, source: Path, target: Path) -> None:
        if any(copy in source.parts for copy in full):
            raise OSError("no space left")
        compile_here(kind, source, target)

    async def scenario(running: Coordinated, app: ClusterApp) -> None:
        async def trouble() -> list[str]:
            return [upload.trouble async for upload in app.uploads()]

        host = running.leader(0)
        full.append(host)
        await app.upload(tally(tmp_path), name="t")
        await settled(trouble, [f"on {host}: its module cannot be kept: no space left"])
        full.clear()
        await asyncio.sleep(10)
        await settled(trouble, [""])

    monkeypatch.setattr(shelf, "compile_module", compile_if_there_is_room)
    play(tmp_path, scenario, "x", "y")


def test_usage_is_kept_by_the_stores_when_their_leaders_die_and_everybody_begins_anew(tmp_path: Path) -> None:
    async def scenario(running: Coordinated, app: ClusterApp) -> None:
        async def used() -> list[tuple[str, int, int]]:
            return [(one.name, one.usage.runs, one.of_uploader.runs) async for one in app.uploads()]

        await app.upload(tally(tmp_path), name="t", uploader="ann")
        await app.upload(tally(tmp_path, type_name="Other"), name="o", uploader="ann")
        await gather(*(ref("Tally", key).add(2) for key in KEYS))
        await ref("Other", "one").add(1)
        await asyncio.sleep(SECONDS_BETWEEN)
        await gather(*(ref("Tally", key).add(2) for key in KEYS))
        assert await used() == [("o", 1, 2 * len(KEYS) + 1), ("t", 2 * len(KEYS), 2 * len(KEYS) + 1)]
        for copy in list(running.network.servers):
            await running.kill(copy)
        await running.until(lambda: running.settled(2))
        [(_, others, all_then), (_, tallies, _)] = await used()
        assert (others, all_then) == (1, tallies + 1)
        assert len(KEYS) < tallies <= 2 * len(KEYS), "a crash loses the last seconds"
        await gather(*(ref("Tally", key).add(2) for key in KEYS))
        assert await used() == [("o", 1, all_then + len(KEYS)), ("t", tallies + len(KEYS), all_then + len(KEYS))]
        await app.remove_upload("t")
        await app.upload(tally(tmp_path), name="t", uploader="ann")
        assert await used() == [("o", 1, all_then + len(KEYS)), ("t", 0, all_then + len(KEYS))]

    play(tmp_path, scenario, "x", "y")


MOMENTS = range(0, 180, 7)
"""Tenths of milliseconds from when an upload is asked for; it is done after 15 ms."""


@pytest.mark.parametrize("who", ["the coordinator", "a host", "both"])
def test_an_upload_is_there_as_a_whole_whoever_is_killed_at_whichever_moment_of_it(tmp_path: Path, who: str) -> None:
    async def scenario(running: Coordinated, app: ClusterApp) -> None:
        for moment in MOMENTS:
            name = f"T{moment}"
            uploading = asyncio.create_task(app.upload(tally(tmp_path, type_name=name), name=name, uploader="ann"))
            await asyncio.sleep(moment / 10_000)
            if who != "the coordinator":
                await running.kill(sorted(running.network.servers)[moment % len(running.network.servers)])
            if who != "a host":
                await running.kill_coordinator()
            taken = await uploading
            assert (taken.versions, taken.types) == ([1], [name])
            assert await gather(*(app.ref(name, key).add(2) for key in KEYS)) == [2] * len(KEYS)
            await running.until(lambda: running.settled(2))
        assert len([upload async for upload in app.uploads()]) == len(MOMENTS)

    play(tmp_path, scenario, "x", "y")


def test_of_two_uploaders_who_bring_a_type_at_once_one_has_it_on_all_hosts(tmp_path: Path) -> None:
    async def scenario(running: Coordinated, app: ClusterApp) -> None:
        async with running.connect() as other:
            mine = app.upload(tally(tmp_path), name="mine", uploader="ann")
            theirs = other.upload(tally(tmp_path, step=10), name="theirs", uploader="bob")
            again = other.upload(tally(tmp_path, step=100), name="mine", uploader="bob")
            taken = await asyncio.gather(mine, theirs, again, return_exceptions=True)
        assert [type(one).__name__ for one in taken].count("ModuleRefused") == 2, taken
        [shown] = [upload async for upload in app.uploads()]
        step = {("mine", "ann"): 1, ("theirs", "bob"): 10, ("mine", "bob"): 100}[shown.name, shown.uploader]
        assert await gather(*(app.ref("Tally", key).add(1) for key in KEYS)) == [step] * len(KEYS)

    play(tmp_path, scenario, "x", "y")
