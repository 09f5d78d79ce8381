"""What one process does about the uploads that it is told of."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from wasmtime import wat2wasm

from automata.errors import InvalidArgument, ModuleRefused
from automata.options import Options
from automata.sandbox import shelf
from automata.sandbox.record import CORE, UploadRecord, Version
from automata.testing.loop import run_virtually
from automata.types import Registry
from darq.errors import AutomataError
from darq.memory import MemoryStore
from ssms.peers import Unreachable
from ssms.server_surroundings import Surroundings
from ssms.uploaded_modules import UploadedModules
from tests.uploaded_tally import compile_here, tally


class Office:
    """A coordinator that has modules. away: so many calls of it are lost."""

    def __init__(self) -> None:
        self.modules: dict[str, bytes] = {}
        self.away = 0
        self.asked = 0

    @property
    def coordinator(self) -> Office:
        return self

    def copy(self, name: str) -> Office:
        raise NotImplementedError

    async def call(self, what: str, *args: Any) -> Any:
        self.asked += 1
        if self.away:
            self.away -= 1
            raise Unreachable("away")
        return self.modules.get(args[0])


class World:
    """One process, and what it has around it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.office = Office()
        self.registry = Registry()
        self._tasks: set[asyncio.Task[None]] = set()
        self.begin()

    def begin(self) -> None:
        """The process begins anew, over the same disk."""
        options = Options(registry=self.registry, modules=self.folder / "modules", sandbox_threads=False)
        around = Surroundings(self.office, MemoryStore, lambda: 0.0, lambda why: None, options=options)
        self.modules = UploadedModules(around, lambda: None, self._spawn)

    def upload(self, name: str, *types: str, step: int = 1) -> UploadRecord:
        """A record of an upload, whose module is in the catalog; of more types than the module has."""
        data = bytes(wat2wasm(tally(self.folder, step=step, type_name=types[0]).read_bytes()))
        digest = hashlib.sha256(data).hexdigest()
        self.office.modules[digest] = data
        told = ", ".join(f'{{"name": "{one}"}}' for one in types)
        manifest = f'{{"interface": 1, "types": [{told}]}}'.encode()
        return UploadRecord(name, "ann", 1, [Version(1, digest, CORE, len(data), manifest, {})])

    async def load(self, revision: int, *records: UploadRecord, ready: bool = True) -> dict[str, str]:
        return await self.modules.load(revision, [record.encode() for record in records], ready)

    def files(self) -> set[str]:
        """The hashes of the modules in its folder."""
        return {file.name.partition(".")[0] for file in (self.folder / "modules").iterdir()}

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


Scenario = Callable[[World], Awaitable[None]]


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Scenario], None]:
    """Run a scenario in virtual time."""
    monkeypatch.setattr(shelf, "compile_module", compile_here)

    async def run(scenario: Scenario) -> None:
        await scenario(World(tmp_path))

    return lambda scenario: run_virtually(run(scenario))


Play = Callable[[Scenario], None]


def test_it_has_the_types_that_it_was_told_of_last_whatever_comes_late(play: Play) -> None:
    async def scenario(world: World) -> None:
        one, two = world.upload("one", "One"), world.upload("two", "Two")
        await world.load(1, one, two)
        assert world.registry.names() == ["One", "Two"]
        await world.load(3, two)
        await world.load(2, one)
        assert world.registry.names() == ["Two"]
        assert world.files() == {two.running().digest}

    play(scenario)


def test_a_type_may_go_from_one_upload_to_another_while_nobody_told(play: Play) -> None:
    async def scenario(world: World) -> None:
        await world.load(1, world.upload("a", "Left"), world.upload("b", "Right", "Both"))
        await world.load(5, world.upload("a", "Left", "Both"), world.upload("b", "Right"))
        applications = {name: world.registry.get(name).application for name in world.registry.names()}
        assert applications == {"Left": "a", "Both": "a", "Right": "b"}

    play(scenario)


def test_one_that_cannot_be_run_keeps_no_other_from_running(play: Play) -> None:
    async def scenario(world: World) -> None:
        same = world.upload("a", "Same")
        [(name, why)] = (await world.load(1, same, world.upload("b", "Same"), world.upload("c", "Other"))).items()
        assert name == "b"
        assert "Same is known already" in why
        assert world.registry.names() == ["Other", "Same"]
        assert await world.load(1, ready=False) == {name: why}, "as long as it is so"
        assert await world.load(2, world.upload("b", "Same"), world.upload("c", "Other")) == {}
        assert world.registry.get("Same").application == "b"

    play(scenario)


def test_types_are_known_at_once_and_the_module_comes_when_the_catalog_answers(play: Play) -> None:
    async def scenario(world: World) -> None:
        world.office.away = 4
        assert await world.load(1, world.upload("one", "One"), ready=False) == {"one": "its module is on its way"}
        assert world.registry.names() == ["One"]
        assert not (world.folder / "modules").exists()
        assert await world.load(1, ready=True) == {}
        assert world.office.asked == 5
        assert len(world.files()) == 1

    play(scenario)


def test_a_process_that_begins_anew_asks_for_no_module_that_its_disk_has(play: Play) -> None:
    async def scenario(world: World) -> None:
        one = world.upload("one", "One")
        await world.load(1, one)
        world.begin()
        await world.load(1, one)
        assert world.office.asked == 1
        damaged = world.folder / "modules" / f"{one.running().digest}.wasm"
        damaged.write_bytes(b"damaged")
        world.begin()
        await world.load(1, one)
        assert world.office.asked == 2

    play(scenario)


def test_a_module_that_the_catalog_lacks_is_told_and_its_types_are_known(play: Play) -> None:
    async def scenario(world: World) -> None:
        one = world.upload("one", "One")
        world.office.modules.clear()
        assert "upload it again" in (await world.load(1, one))["one"]
        assert world.registry.names() == ["One"]
        assert await world.load(2) == {}, "it was removed"

    play(scenario)


def test_a_folder_that_takes_no_module_is_tried_again(play: Play) -> None:
    async def scenario(world: World) -> None:
        (world.folder / "modules").touch()
        loading = asyncio.create_task(world.load(1, world.upload("one", "One")))
        await asyncio.sleep(20)
        assert not loading.done()
        assert "cannot be kept" in (await world.load(1, ready=False))["one"]
        (world.folder / "modules").unlink()
        assert await loading == {}
        assert len(world.files()) == 1

    play(scenario)


def test_what_is_examined_is_kept_for_when_it_is_uploaded_and_dropped_if_it_is_refused(play: Play) -> None:
    async def scenario(world: World) -> None:
        good = world.upload("one", "One").running().digest
        kind, size, manifest = await world.modules.examine("one", "ann", good, {})
        assert (kind, size) == (CORE, len(world.office.modules[good]))
        assert b"One" in manifest
        bad = hashlib.sha256(b"bad").hexdigest()
        world.office.modules[bad] = b"bad"
        torn = b"\0asm\x01\0\0\0torn"
        world.office.modules[hashlib.sha256(torn).hexdigest()] = torn
        refused: list[type[AutomataError]] = []
        for digest in world.office.modules.keys() - {good}:
            with pytest.raises(ModuleRefused) as caught:
                await world.modules.examine("two", "ann", digest, {})
            refused.append(caught.type)
        with pytest.raises(InvalidArgument, match="no limit"):
            await world.modules.examine("one", "ann", good, {"speed": 1})
        assert world.files() == {good}
        assert world.registry.names() == []

    play(scenario)
