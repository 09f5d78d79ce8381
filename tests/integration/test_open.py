"""Opening, looking and naming: the app as its users meet it, over RocksDB."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

import ssms
from automata import List, Map, Ref, Set, call, delete, object_type, readonly, ref, send
from automata.app import App
from automata.errors import InvalidArgument, StateError, UnknownType
from darq.errors import StoreClosed
from darq.memory import MemoryStore
from tests.memory_app import PATIENCE_SECONDS, in_app, in_embedded_app, in_loop, listed, memory_app, settled, slow_disk


@object_type
class Plant:
    key: str
    name: str = ""
    heights: List[int]
    notes: Map[str, str]
    near: Set[Ref[Plant]]

    async def grow(self, height: int) -> int:
        self.name = self.key
        self.heights.append(height)
        self.notes[str(height)] = "grown"
        self.near.add(ref(self))
        return len(self.heights)

    async def uproot(self, again: bool = False) -> str:
        delete()
        if again:
            self.name = "seedling"
        return self.name

    async def uproot_and_fail(self) -> None:
        delete()
        raise LookupError

    async def uproot_in_the_middle(self, other: Ref[Plant]) -> int:
        self.heights.append(1)
        delete()
        await other.grow(1)
        self.heights.append(2)
        return len(self.heights)

    @readonly
    async def count(self) -> int:
        return len(self.heights)


@object_type
class Rock:
    n: int = 0

    async def roll(self) -> int:
        self.n += 1
        return self.n


EMPTY = {"name": "", "heights": [], "notes": {}, "near": set()}


@in_loop
async def test_what_was_acknowledged_is_there_in_the_next_life(tmp_path: Path) -> None:
    async with ssms.open(tmp_path / "new" / "store"):
        assert await ref(Plant, "p").grow(3) == 1
        await send(ref(Plant, "q").grow(4))
        assert await call(ref(Plant, "p").grow(5), idempotency_key="k") == 2
    async with ssms.open(str(tmp_path / "new" / "store")) as app:
        await settled(lambda: ref(Plant, "q").count(), 1)
        assert await call(ref(Plant, "p").grow(5), idempotency_key="k") == 2
        assert await app.inspect(ref(Plant, "p")) == {
            "name": "p",
            "heights": [3, 5],
            "notes": {"3": "grown", "5": "grown"},
            "near": {ref(Plant, "p")},
        }


def test_the_same_from_synchronous_code(tmp_path: Path) -> None:
    with ssms.open(tmp_path) as app:
        assert app.run(ref(Plant, "p").grow(3)) == 1
        assert app.run(app.exists(ref(Plant, "p")))
        assert list(app.run(app.objects(Plant))) == ["p"]
        with pytest.raises(InvalidArgument):
            app.run(ref(Plant, "p").grow("x"))  # type: ignore[arg-type]
    with ssms.open(tmp_path) as app:
        assert app.run(ref(Plant, "p").count()) == 1


@in_app
async def test_keys_are_listed_in_order_with_prefix_and_after(app: App) -> None:
    keys = ["", "a", "a\x00", "a/b", "ab", "b", "é", "\U0001f9c0"][1:] + [f"n{n:04}" for n in range(1200)]
    for key in reversed(keys):
        await ref(Plant, key).grow(1)
        await ref(Rock, "r" + key).roll()
    assert await listed(app.objects(Plant)) == sorted(keys)
    assert await listed(app.objects("Plant", prefix="a")) == ["a", "a\x00", "a/b", "ab"]
    assert await listed(app.objects(Plant, after="a")) == sorted(keys)[1:]
    assert await listed(app.objects(Plant, after="a0")) == [k for k in sorted(keys) if k > "a0"]
    assert await listed(app.objects(Plant, prefix="n", after="n1197")) == ["n1198", "n1199"]
    assert await listed(app.objects(Plant, prefix="a", after="b")) == []
    assert await listed(app.objects(Plant, prefix="zz")) == []
    assert len(await listed(app.objects(Rock))) == len(keys)


@in_app
async def test_a_listing_goes_on_while_objects_come_and_go(app: App) -> None:
    for n in range(600):
        await ref(Plant, f"{n:04}").grow(1)
    seen = []
    async for key in app.objects(Plant):
        seen.append(key)
        await app.delete(ref(Plant, key))
        await ref(Rock, key).roll()
    assert seen == [f"{n:04}" for n in range(600)]
    assert await listed(app.objects(Plant)) == []


@pytest.mark.parametrize("how", ["method", "app"])
@in_app
async def test_a_deleted_object_is_an_empty_one_and_later_messages_apply_to_it(app: App, how: str) -> None:
    plant = ref(Plant, "p")
    await plant.grow(3)
    await plant.grow(4)
    assert await (plant.uproot() if how == "method" else app.delete(plant)) in ("", None)
    assert not await app.exists(plant)
    assert await app.inspect(plant) == EMPTY
    assert await listed(app.objects(Plant)) == []
    await send(plant.grow(5))
    await settled(plant.count, 1)
    assert (await app.inspect(plant))["heights"] == [5]
    assert await app.exists(plant)


@in_app
async def test_what_is_written_after_delete_belongs_to_the_new_life(app: App) -> None:
    await ref(Plant, "p").grow(3)
    assert await ref(Plant, "p").uproot(again=True) == "seedling"
    assert await app.inspect(ref(Plant, "p")) == EMPTY | {"name": "seedling"}
    assert await listed(app.objects(Plant)) == ["p"]


@in_app
async def test_a_delete_is_undone_by_an_exception_and_ends_a_part(app: App) -> None:
    await ref(Plant, "p").grow(3)
    with pytest.raises(LookupError):
        await ref(Plant, "p").uproot_and_fail()
    assert (await app.inspect(ref(Plant, "p")))["heights"] == [3]
    assert await ref(Plant, "p").uproot_in_the_middle(ref(Plant, "q")) == 1
    assert (await app.inspect(ref(Plant, "p")))["heights"] == [2]


@in_loop
async def test_several_apps_at_once_need_their_own_refs() -> None:
    async with memory_app() as one, memory_app() as two:
        assert await one.ref(Rock, "r").roll() == 1
        assert await one.ref(Rock, "r").roll() == 2
        assert await two.ref("Rock", "r").roll() == 1  # type: ignore[attr-defined]
        with pytest.raises(StateError, match=r"2 apps.*app\.ref"):
            await ref(Rock, "r").roll()
        with pytest.raises(StateError, match=r"app\.ref"):
            send(ref(Rock, "r").roll())
        assert one.ref(Rock, "r") == two.ref(Rock, "r") == ref(Rock, "r")
    async with memory_app():
        assert await ref(Rock, "r").roll() == 1


@in_loop
async def test_refs_inside_methods_stay_in_their_app() -> None:
    async with memory_app() as one, memory_app() as two:
        await one.ref(Plant, "p").uproot_in_the_middle(ref(Plant, "q"))
        assert await listed(one.objects(Plant)) == ["p", "q"]
        assert await listed(two.objects(Plant)) == []


@pytest.mark.parametrize("how", ["await", "send"])
@in_loop
async def test_a_method_does_not_call_objects_of_another_app(how: str) -> None:
    @object_type
    class Bridge:
        async def cross(self, end: str) -> None:
            app = apps[end]
            if how == "await":
                await app.ref(Rock, "r").roll()
            else:
                send(app.ref(Rock, "r").roll())

    async with memory_app() as one, memory_app() as two:
        apps = {"one": one, "two": two}
        await one.ref(Bridge, "b").cross("one")
        with pytest.raises(StateError, match=r"Bridge/b .* Rock/r of another app"):
            await one.ref(Bridge, "b").cross("two")
        await settled(lambda: listed(one.objects(Rock)), ["r"])
        assert await listed(two.objects(Rock)) == []


@in_loop
async def test_a_closed_app_says_so() -> None:
    app = memory_app()
    for attempt in (lambda: app.exists(ref(Rock, "r")), lambda: app.inspect(ref(Rock, "r")), app.stats):
        with pytest.raises(StoreClosed):
            await attempt()
    async with app:
        mine = app.ref(Rock, "r")
        assert await mine.roll() == 1
        with pytest.raises(StateError, match="open already"):
            await app.__aenter__()
        assert await mine.roll() == 2
    with pytest.raises(StoreClosed):
        await mine.roll()
    with pytest.raises(StoreClosed):
        send(mine.roll())


@in_app
async def test_wrong_things_to_look_at_are_refused(app: App) -> None:
    for wrong in ("Rock/r", Rock, None, 5):
        for look in (app.exists, app.inspect, app.delete, app.explain):
            with pytest.raises(InvalidArgument, match="ref"):
                await look(wrong)
    with pytest.raises(UnknownType):
        await app.inspect(ref("Nobody", "x"))
    with pytest.raises(UnknownType):
        await app.deploy(int)
    with pytest.raises(UnknownType):
        await listed(app.objects(int))
    await app.deploy(Rock, Plant)


@in_embedded_app
async def test_an_embedded_app_is_one_node(app: App) -> None:
    [node] = await listed(app.nodes())
    assert (node.alive, node.is_head) == (True, True)
    assert (await app.explain(ref(Rock, "r"))).node == node.id
    await app.move(ref(Rock, "r"), node.id)
    with pytest.raises(InvalidArgument):
        await app.move(ref(Rock, "r"), "elsewhere")
    assert all(isinstance(count, int) for count in (await app.stats()).values())


@in_app
async def test_inspect_gives_copies_and_makes_nothing(app: App) -> None:
    await ref(Plant, "p").grow(1)
    (await app.inspect(ref(Plant, "p")))["heights"].append(9)
    assert await ref(Plant, "p").count() == 1
    assert await app.inspect(ref(Plant, "ghost")) == EMPTY
    assert not await app.exists(ref(Plant, "ghost"))


class HeldDisk(MemoryStore):
    """Flushes on the committer's thread when the test lets it."""

    def __init__(self) -> None:
        super().__init__()
        self.flushing = threading.Event()
        self.allowed = threading.Semaphore(1000)

    def hold(self) -> None:
        self.flushing.clear()
        self.allowed = threading.Semaphore(0)

    def flush(self) -> None:
        self.flushing.set()
        assert self.allowed.acquire(timeout=PATIENCE_SECONDS)
        super().flush()


@in_loop
async def test_a_listing_shows_what_is_durable_alone() -> None:
    store = HeldDisk()
    async with memory_app(store, slow_disk()) as app:
        engine = app._engine
        assert engine is not None
        store.hold()
        first = asyncio.create_task(ref(Rock, "a").roll())  # type: ignore[arg-type]
        await asyncio.to_thread(store.flushing.wait)
        # when the first group is durable, the next is written before anybody else on the loop has a turn
        engine.log.gate.release(engine.log.gate.durable + 1, lambda error: engine.host.committer.touch())
        listing = asyncio.create_task(listed(app.objects(Rock)))
        await asyncio.sleep(0)
        second = asyncio.create_task(ref(Rock, "b").roll())  # type: ignore[arg-type]
        await asyncio.sleep(0)
        store.allowed.release()
        shown = await listing
        store.allowed.release(1000)
        await first, await second
        assert shown == ["a"]
        assert await listed(app.objects(Rock)) == ["a", "b"]


@in_loop
async def test_a_listing_takes_in_what_is_not_written_yet() -> None:
    store = HeldDisk()
    async with memory_app(store, slow_disk()) as app:
        for key in ("b", "d"):
            await ref(Plant, key).grow(1)
        store.hold()
        tasks = [asyncio.create_task(ref(Plant, "a").grow(1))]  # type: ignore[arg-type]
        await asyncio.to_thread(store.flushing.wait)
        tasks += [asyncio.create_task(ref(Plant, key).grow(1)) for key in ("c", "e")]  # type: ignore[arg-type]
        tasks.append(asyncio.create_task(ref(Plant, "b").uproot()))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        listing = asyncio.create_task(listed(app.objects(Plant)))
        await asyncio.sleep(0)
        store.allowed.release(1000)
        assert await listing == ["a", "c", "d", "e"]
        await asyncio.gather(*tasks)
