"""Uploads of one store: versions, roll back, removal, clashes, and what is there when the store opens again."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import msgspec
import pytest
from wasmtime import Engine, Module

from automata import errors, object_type, ref
from automata.app import App
from automata.declare import definition
from automata.options import Options
from automata.sandbox import shelf
from automata.sandbox.limits import SandboxLimits
from automata.sandbox.record import VERSIONS_KEPT
from automata.sandbox.usage_book import SECONDS_BETWEEN
from automata.types import REGISTRY
from darq import keys
from darq.errors import StoreDamaged
from darq.memory import MemoryStore
from darq.step import Step
from tests.core_modules import core_module, described, method, modules_app, one_method, shelve, take, upload
from tests.memory_app import in_loop, memory_app
from tests.sandbox_tools import other, tools


@object_type
class Native:
    key: str
    count: int = 0

    async def add(self) -> int:
        self.count += 1
        return self.count


def compiled(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "modules").glob("*"))


def counting(step: int) -> bytes:
    """A counter that counts in such steps."""
    return core_module(
        described([method("add", result="int")], "Counter"),
        f"""(data (i32.const 0) "n")
        (func (export "Counter.add") (result i64)
          (drop (call $get (i32.const 0) (i32.const 1) (i32.const 8) (i32.const 8)))
          (i64.store (i32.const 8) (i64.add (i64.load (i32.const 8)) (i64.const {step})))
          (call $put (i32.const 0) (i32.const 1) (i32.const 8) (i32.const 8))
          (i64.load (i32.const 8)))""",
    )


def test_the_first_upload_compiles_and_a_replaced_version_keeps_the_state(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with modules_app(tmp_path) as app:
            first = await upload(app, tmp_path, counting(1), "c", uploader="me")
            assert (first.version, first.versions, first.types, first.uploader) == (1, [1], ["Counter"], "me")
            assert [await ref("Counter", "a").add() for _ in range(2)] == [1, 2]
            second = await take(app, tmp_path, counting(10), "c", uploader="me")
            assert (second.version, second.versions) == (2, [1, 2])
            assert await ref("Counter", "a").add() == 12
            rolled = await app.roll_back_upload("c")
            assert (rolled.version, rolled.versions, rolled.digest) == (1, [1, 2], first.digest)
            assert await ref("Counter", "a").add() == 13
            assert (await app.roll_back_upload("c", 2)).version == 2
            assert await ref("Counter", "a").add() == 23
            assert [one.name async for one in app.uploads()] == ["c"]

    asyncio.run(scenario())


def test_the_same_bytes_again_are_the_same_version_and_other_limits_are_another(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with modules_app(tmp_path) as app:
            await take(app, tmp_path, counting(1), "c")
            assert (await take(app, tmp_path, counting(1), "c")).versions == [1]
            assert (await take(app, tmp_path, counting(1), "c", limits={"fuel": 10_000})).versions == [1, 2]
            await take(app, tmp_path, counting(2), "c")
            assert (await take(app, tmp_path, counting(1), "c")).versions == [1, 2, 3, 4]

    asyncio.run(scenario())


def test_removed_uploads_leave_no_file_and_no_type_but_the_state(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with modules_app(tmp_path) as app:
            await take(app, tmp_path, counting(1), "c")
            await ref("Counter", "a").add()
            await app.remove_upload("c")
            assert compiled(tmp_path) == []
            with pytest.raises(errors.UnknownType):
                await ref("Counter", "a").add()
            with pytest.raises(errors.InvalidArgument, match="no upload"):
                await app.remove_upload("c")
            with pytest.raises(errors.InvalidArgument, match="no upload"):
                await app.roll_back_upload("c")
            await take(app, tmp_path, counting(5), "again")
            assert await ref("Counter", "a").add() == 6

    asyncio.run(scenario())


def test_a_module_that_two_uploads_share_stays_with_the_other_one(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = MemoryStore()
        async with modules_app(tmp_path, store) as app:
            await take(app, tmp_path, counting(1), "c")
            with pytest.raises(errors.ModuleRefused, match="known already, of the upload 'c'"):
                await take(app, tmp_path, counting(1), "d")
            assert await ref("Counter", "a").add() == 1
        async with modules_app(tmp_path, store):
            assert await ref("Counter", "a").add() == 2

    asyncio.run(scenario())


def test_names_that_are_taken_are_refused_and_nothing_stays(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with modules_app(tmp_path) as app:
            with pytest.raises(errors.ModuleRefused, match="known already"):
                await take(app, tmp_path, other("Native", 2), "n")
            assert await ref(Native, "a").add() == 1
            await take(app, tmp_path, counting(1), "c", uploader="me")
            with pytest.raises(errors.ModuleRefused, match="'me'"):
                await take(app, tmp_path, counting(2), "c", uploader="you")
            with pytest.raises(errors.ModuleRefused):
                await take(app, tmp_path, other("Counter", 2), "d", uploader="me")
            assert [one.name async for one in app.uploads()] == ["c"]
            assert len(compiled(tmp_path)) == 3
            assert await ref("Counter", "a").add() == 1

    asyncio.run(scenario())


@pytest.mark.parametrize("name", ["", "a/b", "ä", "x" * 101, "a\n"])
def test_a_name_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    async def scenario() -> None:
        (tmp_path / "m.wasm").write_bytes(counting(1))
        async with modules_app(tmp_path) as app:
            if name:
                with pytest.raises(errors.InvalidArgument):
                    await app.upload(tmp_path / "m.wasm", name=name)
                with pytest.raises(errors.InvalidArgument):
                    await app.upload(tmp_path / "m.wasm", name="m", uploader=name)
            assert [one async for one in app.uploads()] == []

    asyncio.run(scenario())


def test_a_new_version_may_bring_and_drop_types(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with modules_app(tmp_path) as app:
            await take(app, tmp_path, other("First", 2), "c")
            await take(app, tmp_path, other("Second", 3), "c")
            assert await ref("Second", "a").times(2) == 6
            with pytest.raises(errors.UnknownType):
                await ref("First", "a").times(2)
            await app.roll_back_upload("c")
            assert await ref("First", "a").times(2) == 4
            with pytest.raises(errors.UnknownType):
                await ref("Second", "a").times(2)

    asyncio.run(scenario())


def test_only_the_newest_versions_are_kept(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with modules_app(tmp_path) as app:
            for step in range(1, VERSIONS_KEPT + 3):
                last = await take(app, tmp_path, counting(step), "c")
            assert last.versions == list(range(3, VERSIONS_KEPT + 3))
            assert len(compiled(tmp_path)) == 3 * VERSIONS_KEPT
            with pytest.raises(errors.InvalidArgument, match="no version 1"):
                await app.roll_back_upload("c", 1)

    asyncio.run(scenario())


def test_types_are_known_at_once_when_the_store_opens_again_and_nothing_is_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MemoryStore()

    async def scenario() -> None:
        async with modules_app(tmp_path, store) as app:
            await take(app, tmp_path, counting(1), "c")
            await take(app, tmp_path, counting(2), "c")
            await app.roll_back_upload("c")
            await ref("Counter", "a").add()
        monkeypatch.setattr(shelf, "compile_module", lambda *given: pytest.fail("it was compiled"))
        async with modules_app(tmp_path, store) as app:
            [found] = [one async for one in app.uploads()]
            assert (found.version, found.versions, found.types) == (1, [1, 2], ["Counter"])
            assert await ref("Counter", "a").add() == 2

    asyncio.run(scenario())


@pytest.mark.parametrize("damage", ["release", "sum", "bytes", "gone", "elsewhere"])
def test_a_compiled_form_that_does_not_fit_is_made_anew(tmp_path: Path, damage: str) -> None:
    store = MemoryStore()

    async def scenario() -> None:
        async with modules_app(tmp_path, store) as app:
            await take(app, tmp_path, counting(1), "c")
            await ref("Counter", "a").add()
        [form] = (tmp_path / "modules").glob("*.compiled")
        if damage == "release":
            form.rename(form.with_name(form.name.replace(shelf._RELEASE, "0.1-z80-1")))
        elif damage == "sum":
            form.with_suffix(".sum").write_text("0" * 64)
        elif damage == "elsewhere":
            form.write_bytes(Module(Engine(), counting(1)).serialize())  # set up otherwise, as if for another processor
            form.with_suffix(".sum").write_text(hashlib.sha256(form.read_bytes()).hexdigest())
        elif damage == "bytes":
            form.write_bytes(form.read_bytes()[:-1] + b"\0\0")
        else:
            form.unlink()
        async with modules_app(tmp_path, store):
            assert await ref("Counter", "a").add() == 2

    asyncio.run(scenario())


@pytest.mark.parametrize("damage", ["gone", "altered"])
def test_a_module_that_is_missing_or_altered_is_reported_and_runs_no_more(tmp_path: Path, damage: str) -> None:
    store = MemoryStore()

    async def scenario() -> None:
        async with modules_app(tmp_path, store) as app:
            await take(app, tmp_path, counting(1), "c")
        for path in (tmp_path / "modules").iterdir():
            if path.suffix != ".wasm" or damage == "gone":
                path.unlink()
            else:
                path.write_bytes(path.read_bytes() + b"\0")
        async with modules_app(tmp_path, store) as app:
            assert await ref(Native, "a").add() == 1
            with pytest.raises(StoreDamaged, match="missing or damaged"):
                await ref("Counter", "a").add()
            await take(app, tmp_path, counting(1), "c", limits={"fuel": 100_000})
            assert await ref("Counter", "a").add() == 1

    asyncio.run(scenario())


def test_an_upload_that_fails_leaves_no_file_no_type_and_what_was_there(tmp_path: Path) -> None:
    liar = core_module(described([method("go")], "Counter"), "")

    async def scenario() -> None:
        async with modules_app(tmp_path) as app:
            for bad in (b"", b"no module", b"\0asm\x01\0\0\0junk", b"(module", liar):
                with pytest.raises(errors.ModuleRefused):
                    await upload(app, tmp_path, bad, "c")
                assert compiled(tmp_path) == []
                assert [one async for one in app.uploads()] == []
            await take(app, tmp_path, counting(1), "c")
            kept = compiled(tmp_path)
            shelve(tmp_path / "modules", liar)
            with pytest.raises(errors.ModuleRefused):
                await upload(app, tmp_path, liar, "c")
            assert compiled(tmp_path) == kept
            assert await ref("Counter", "a").add() == 1

    asyncio.run(scenario())


def test_uploads_at_once_under_one_name_are_versions_and_under_two_names_one_is_refused(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with modules_app(tmp_path) as app:
            await asyncio.gather(*(take(app, tmp_path, counting(step), "c") for step in (1, 1, 1)))
            assert [one.versions async for one in app.uploads()] == [[1]]
            data = other("Both", 2)
            outcomes = await asyncio.gather(
                take(app, tmp_path, data, "x"), take(app, tmp_path, data, "y"), return_exceptions=True
            )
            assert sorted(type(one).__name__ for one in outcomes) == ["ModuleRefused", "Upload"]
            assert await ref("Both", "a").times(2) == 4

    asyncio.run(scenario())


def test_an_upload_that_is_refused_takes_no_module_from_one_of_the_same_bytes(tmp_path: Path) -> None:
    async def scenario() -> None:
        for step in range(1, 11):
            async with modules_app(tmp_path) as app:
                data = other("Both", step)
                refused, taken = await asyncio.gather(
                    take(app, tmp_path, data, "x", limits={"methods": 1}),
                    take(app, tmp_path, data, "y"),
                    return_exceptions=True,
                )
                assert isinstance(refused, errors.ModuleRefused)
                assert not isinstance(taken, BaseException)
                assert await ref("Both", "a").times(2) == 2 * step

    asyncio.run(scenario())


def test_an_upload_that_nobody_waits_for_any_more_is_whole_or_not_there(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = MemoryStore()
        for rounds in range(30):
            data = counting(rounds + 1)
            shelve(tmp_path / "modules", data)
            async with modules_app(tmp_path, store) as app:
                task = asyncio.ensure_future(take(app, tmp_path, data, "c"))
                for _ in range(rounds):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait([task])
            async with modules_app(tmp_path, store) as app:
                for _ in [one async for one in app.uploads()]:
                    await ref("Counter", "a").add()  # its module is there

    asyncio.run(scenario())


@in_loop
async def test_usage_is_counted_for_each_upload_and_kept_over_its_versions(tmp_path: Path) -> None:
    async with modules_app(tmp_path) as app:
        await take(app, tmp_path, tools(), "t")
        await take(app, tmp_path, counting(1), "c")
        await ref("Guest", "one").put(b"key", b"value")
        await ref("Guest", "one").get(b"key")
        await ref("Guest", "one").send("Native", "n", "add", msgspec.msgpack.encode([]), 0.0)
        with pytest.raises(errors.GuestTrapped):
            await ref("Guest", "one").put_then_fail(b"a", b"b")
        mine, theirs = sorted([one async for one in app.uploads()], key=lambda one: one.name == "c")
        assert theirs.usage.runs == 0
        used = mine.usage
        assert (used.written_bytes, used.read_bytes, used.sends, used.stopped) == (10, 8, 1, 1)
        assert used.runs >= 4
        assert used.fuel > 0
        assert used.seconds > 0
        again = await take(app, tmp_path, one_method("", rest=""), "t")
        assert again.usage.runs == used.runs


@in_loop
async def test_an_app_runs_its_own_uploads_and_not_those_of_another_app_of_the_process(tmp_path: Path) -> None:
    async with modules_app(tmp_path / "a") as mine, modules_app(tmp_path / "b") as theirs:
        for folder in "ab":
            (tmp_path / folder).mkdir(exist_ok=True)
        await take(mine, tmp_path / "a", counting(1), "c")
        assert await mine.ref("Counter", "x").add() == 1
        with pytest.raises(errors.UnknownType, match="another app of this process"):
            await theirs.ref("Counter", "x").add()
        with pytest.raises(errors.ModuleRefused, match="of the upload 'c' of another app of this process"):
            await take(theirs, tmp_path / "b", counting(10), "c")
        assert await mine.ref("Counter", "x").add() == 2


@pytest.mark.parametrize("why", ["limits", "interface", "native"])
def test_an_upload_that_cannot_be_run_any_more_is_left_out_and_says_why(tmp_path: Path, why: str) -> None:
    wanted = {"limits": "at most 0 are taken", "interface": "interface 2", "native": "known already"}[why]
    store = MemoryStore()

    async def scenario() -> None:
        async with modules_app(tmp_path, store) as app:
            await take(app, tmp_path, other("Fine", 2), "fine", limits={"methods": 2})
            await take(app, tmp_path, counting(1), "c")
            await ref("Counter", "a").add()
            if why == "interface":
                log = app._engine.log  # type: ignore[union-attr]
                row = log.row(keys.UPLOAD + b"c")
                assert row is not None
                step = Step(b"", b"")
                step.set_row(keys.UPLOAD + b"c", row.replace(b'"interface":1', b'"interface":2'))
                log.commit(step)
        limits = SandboxLimits(types=0) if why == "limits" else None
        native = definition(type("Counter", (), {"__module__": __name__, "__annotations__": {"key": str}}), "Counter")
        if why == "native":
            REGISTRY.add(native)
        async with modules_app(tmp_path, store, limits) as app:
            found = {one.name: one async for one in app.uploads()}
            assert wanted in found["c"].trouble
            assert found["c"].types == []
            if why != "limits":
                assert found["fine"].trouble == ""
                assert await app.ref("Fine", "a").times(4) == 8
            if why != "native":
                with pytest.raises(errors.UnknownType, match=f"'c' cannot be run: .*{wanted}"):
                    await app.ref("Counter", "a").add()
                await app.remove_upload("c")
                with pytest.raises(errors.UnknownType, match="upload it"):
                    await app.ref("Counter", "a").add()
        if why == "native":
            REGISTRY.remove(native)
            async with modules_app(tmp_path, store):
                assert await ref("Counter", "a").add() == 2

    asyncio.run(scenario())


@pytest.mark.parametrize("uploads", [0, 1])
@in_loop
async def test_files_that_no_upload_needs_are_dropped_when_the_store_opens(tmp_path: Path, uploads: int) -> None:
    store, folder = MemoryStore(), tmp_path / "modules"
    async with modules_app(tmp_path, store) as app:
        if uploads:
            await take(app, tmp_path, counting(1), "c")
    kept = compiled(tmp_path)
    shelve(folder, counting(2))
    (folder / "tmpabc.partial").write_bytes(b"half")
    (folder / "mine.txt").write_text("nobody here has written this")
    for path in list(folder.glob("*.compiled")):
        path.with_name(path.name.replace(shelf._RELEASE, "0.1-z80-1")).write_bytes(b"of another release")
    async with modules_app(tmp_path, store):
        assert compiled(tmp_path) == sorted([*kept, "mine.txt"])
        if uploads:
            assert await ref("Counter", "a").add() == 1


async def used(app: App) -> list[tuple[str, int, int]]:
    """(name, runs, runs of its uploader) of each upload."""
    return [(one.name, one.usage.runs, one.of_uploader.runs) async for one in app.uploads()]


@in_loop
async def test_usage_is_kept_with_the_store_for_each_upload_and_each_uploader(tmp_path: Path) -> None:
    store = MemoryStore()
    async with modules_app(tmp_path, store) as app:
        await take(app, tmp_path, counting(1), "c", uploader="ann")
        await take(app, tmp_path, other("Another", 2), "a", uploader="ann")
        await take(app, tmp_path, other("Theirs", 2), "b", uploader="bob")
        await ref("Counter", "a").add()
        await ref("Another", "a").times(2)
        assert await used(app) == [("a", 1, 2), ("b", 0, 0), ("c", 1, 2)]
    async with modules_app(tmp_path, store) as app:
        await ref("Counter", "a").add()
        assert await used(app) == [("a", 1, 3), ("b", 0, 0), ("c", 2, 3)]
        assert all([one.usage.fuel > 0 and one.usage.seconds > 0 async for one in app.uploads() if one.name != "b"])
        await app.remove_upload("c")
    async with modules_app(tmp_path, store) as app:
        await take(app, tmp_path, counting(1), "c", uploader="ann")
        assert await used(app) == [("a", 1, 3), ("b", 0, 0), ("c", 0, 3)], "the upload is another, its uploader is not"


@in_loop
async def test_usage_is_written_every_few_seconds_with_a_group_that_is_written_anyway(tmp_path: Path) -> None:
    store, time = MemoryStore(), [1000.0]
    options = Options(modules=tmp_path / "modules", clock=lambda: time[0])

    def kept() -> list[tuple[bytes, bytes]]:
        return list(store.scan(keys.USAGE, keys.after(keys.USAGE), 10))

    async with memory_app(store, options=options) as app:
        await take(app, tmp_path, counting(1), "c")
        await ref("Counter", "a").add()
        assert kept() == []
        time[0] += SECONDS_BETWEEN
        await ref("Counter", "a").add()
        first = kept()
        assert [key for key, _ in first] == [keys.USAGE + b"mc", keys.USAGE + b"uanybody"]
        await ref("Counter", "a").add()
        assert kept() == first, "no row for each call"
    async with memory_app(store, options=options) as app:
        assert await used(app) == [("c", 3, 3)]


@in_loop
async def test_of_two_uploaders_who_bring_a_type_at_once_one_has_it(tmp_path: Path) -> None:
    async with modules_app(tmp_path) as app:
        mine = take(app, tmp_path, counting(1), "mine", uploader="ann")
        theirs = take(app, tmp_path, counting(10), "theirs", uploader="bob")
        again = take(app, tmp_path, counting(100), "mine", uploader="bob")
        taken = await asyncio.gather(mine, theirs, again, return_exceptions=True)
        assert [type(one).__name__ for one in taken].count("ModuleRefused") == 2, taken
        [shown] = [one async for one in app.uploads()]
        step = {("mine", "ann"): 1, ("theirs", "bob"): 10, ("mine", "bob"): 100}[shown.name, shown.uploader]
        assert await ref("Counter", "a").add() == step
        assert [path for path in compiled(tmp_path) if path.endswith(".wasm")] == [f"{shown.digest}.wasm"]
