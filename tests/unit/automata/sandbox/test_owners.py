"""Whose objects are: nobody reads those of another by bringing a type of the same name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from automata import Retry, delete, errors, object_type, ref, send, sleep
from automata.app import App
from automata.options import Options
from automata.types import REGISTRY, Registry
from darq import keys
from darq.memory import MemoryStore
from darq.step import Step
from tests.core_modules import modules_app, take
from tests.memory_app import in_loop, listed, memory_app, until
from tests.sandbox_tools import other
from tests.unit.automata.sandbox.test_uploads import counting


@object_type(name="OwnersAccount", retry=Retry(tries=1))
class Account:
    key: str
    balance: int = 0

    async def pay_in(self, amount: int) -> None:
        self.balance += amount

    async def close(self) -> None:
        delete()

    async def refuse(self, secret: str) -> None:
        raise ValueError(secret)

    async def wait(self, secret: str) -> None:
        await sleep(3600)


def stranger(folder: Path) -> Options:
    """Of a process that has the store, and none of the native classes."""
    return Options(registry=Registry(), modules=folder / "modules")


async def steal(app: App, folder: Path, name: str = "thief", **more: str) -> None:
    await take(app, folder, other("OwnersAccount", 2), name, **more)


@in_loop
async def test_an_upload_gets_no_type_of_which_native_code_has_objects(tmp_path: Path) -> None:
    store = MemoryStore()
    async with memory_app(store):
        await ref(Account, "mine").pay_in(100)
    async with memory_app(store, options=stranger(tmp_path)) as app:
        with pytest.raises(errors.ModuleRefused, match="OwnersAccount, which are those of native code"):
            await steal(app, tmp_path)
        assert [one async for one in app.uploads()] == []
    async with memory_app(store) as app:
        assert (await app.inspect(ref(Account, "mine")))["balance"] == 100


@in_loop
async def test_a_type_of_which_all_objects_are_deleted_is_free(tmp_path: Path) -> None:
    store = MemoryStore()
    async with memory_app(store):
        await ref(Account, "mine").pay_in(100)
        await ref(Account, "mine").close()
    async with memory_app(store, options=stranger(tmp_path)) as app:
        await steal(app, tmp_path)


@in_loop
async def test_a_removed_uploads_objects_are_its_uploaders_in_this_life_and_the_next(tmp_path: Path) -> None:
    store = MemoryStore()
    async with modules_app(tmp_path, store) as app:
        await take(app, tmp_path, counting(1), "c", uploader="ann")
        await ref("Counter", "a").add()
        await app.remove_upload("c")
        with pytest.raises(errors.ModuleRefused, match="those of the upload 'c' of 'ann'"):
            await take(app, tmp_path, counting(1), "c", uploader="bob")
    async with modules_app(tmp_path, store) as app:
        for name in ("c", "d"):
            with pytest.raises(errors.ModuleRefused, match="those of the upload 'c' of 'ann'"):
                await take(app, tmp_path, counting(1), name, uploader="bob")
        await take(app, tmp_path, counting(5), "d", uploader="ann")
        assert await ref("Counter", "a").add() == 6


@in_loop
async def test_a_type_that_a_later_version_drops_stays_its_uploaders(tmp_path: Path) -> None:
    async with modules_app(tmp_path) as app:
        await take(app, tmp_path, counting(1), "c", uploader="ann")
        await ref("Counter", "a").add()
        await take(app, tmp_path, other("Another", 2), "c", uploader="ann")
        with pytest.raises(errors.ModuleRefused, match="those of the upload 'c' of 'ann'"):
            await take(app, tmp_path, counting(1), "d", uploader="bob")


@pytest.mark.parametrize("late", [False, True])
@in_loop
async def test_what_native_code_stores_under_a_removed_uploads_type_is_its_own(tmp_path: Path, late: bool) -> None:
    store = MemoryStore()
    async with memory_app(store, options=stranger(tmp_path)) as app:
        await steal(app, tmp_path)
        await app.remove_upload("thief")
    definition = Account.__automaton__  # type: ignore[attr-defined]
    async with memory_app(store, options=stranger(tmp_path) if late else None) as app:
        await app.deploy(Account)
        await app.ref(Account, "mine").pay_in(100)
    assert REGISTRY.find("OwnersAccount") is definition
    async with memory_app(store, options=stranger(tmp_path)) as app:
        with pytest.raises(errors.ModuleRefused, match="native code"):
            await steal(app, tmp_path)


@in_loop
async def test_a_type_that_another_app_of_the_process_has_uploaded_is_no_native_one(tmp_path: Path) -> None:
    store = MemoryStore()
    async with modules_app(tmp_path, store) as app:
        await take(app, tmp_path, counting(1), "c", uploader="ann")
        await ref("Counter", "a").add()
        await app.remove_upload("c")
    async with modules_app(tmp_path) as theirs:
        await take(theirs, tmp_path, counting(1), "c", uploader="bob")
        async with modules_app(tmp_path / "mine", store):
            pass
    async with modules_app(tmp_path, store) as app:
        await take(app, tmp_path, counting(5), "c", uploader="ann")
        assert await ref("Counter", "a").add() == 6


@in_loop
async def test_an_upload_of_a_store_that_does_not_say_whose_types_are_has_a_next_version(tmp_path: Path) -> None:
    async with modules_app(tmp_path) as app:
        await take(app, tmp_path, counting(1), "c")
        await ref("Counter", "a").add()
        step = Step(b"", b"")
        step.set_row(keys.OWNER + b"Counter", None)
        assert app._engine is not None
        app._engine.log.commit(step)
        await take(app, tmp_path, counting(5), "c")
        assert await ref("Counter", "a").add() == 6
        await app.remove_upload("c")
        await take(app, tmp_path, counting(1), "c")


async def later(app: App) -> None:
    await send(ref(Account, "mine").pay_in(100), delay=3600)


async def dead(app: App) -> None:
    await send(ref(Account, "mine").refuse("secret"))
    await until(lambda: any_of(app.dead_letters()))


async def unfinished(app: App) -> None:
    waiting = asyncio.ensure_future(ref(Account, "mine").wait("secret"))
    assert app._engine is not None
    log = app._engine.log
    await until(lambda: truth(bool(log.store.scan(keys.INVOCATION, keys.after(keys.INVOCATION), 1))))
    waiting.cancel()


async def undelivered(app: App) -> None:
    assert app._engine is not None
    app._engine.log.inbox.next = lambda group: None  # type: ignore[method-assign]
    await send(ref(Account, "mine").pay_in(100))


async def any_of(items: AsyncIterator[object]) -> bool:
    return bool(await listed(items))


async def truth(found: bool) -> bool:
    return found


@pytest.mark.parametrize("leave", [later, dead, unfinished, undelivered])
@in_loop
async def test_an_upload_gets_no_type_for_which_native_codes_messages_or_methods_wait(
    tmp_path: Path, leave: Callable[[App], Awaitable[None]]
) -> None:
    store = MemoryStore()
    async with memory_app(store) as app:
        await leave(app)
        assert not await app.exists(ref(Account, "mine"))
    async with memory_app(store, options=stranger(tmp_path)) as app:
        with pytest.raises(errors.ModuleRefused, match="wait for a type OwnersAccount of native code"):
            await steal(app, tmp_path)
        await take(app, tmp_path, other("Another", 2), "another")


@in_loop
async def test_what_waits_for_a_removed_uploads_type_is_its_uploaders(tmp_path: Path) -> None:
    async with modules_app(tmp_path) as app:
        await take(app, tmp_path, counting(1), "c", uploader="ann")
        await send(ref("Counter", "a").add(), delay=3600)
        await app.remove_upload("c")
        with pytest.raises(errors.ModuleRefused, match="wait for a type Counter of the upload 'c' of 'ann'"):
            await take(app, tmp_path, counting(1), "d", uploader="bob")
        await take(app, tmp_path, counting(1), "d", uploader="ann")


@in_loop
async def test_a_version_is_not_rolled_back_to_a_type_for_which_native_codes_messages_wait(tmp_path: Path) -> None:
    store = MemoryStore()
    async with memory_app(store, options=stranger(tmp_path)) as app:
        await steal(app, tmp_path, "both")
        await take(app, tmp_path, other("Another", 2), "both")
    async with memory_app(store, options=Options(modules=tmp_path / "modules")) as app:
        await later(app)
    async with memory_app(store, options=stranger(tmp_path)) as app:
        with pytest.raises(errors.ModuleRefused, match="wait for a type OwnersAccount of native code"):
            await app.roll_back_upload("both")
