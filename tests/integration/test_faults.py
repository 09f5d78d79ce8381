"""Faults of the disk and of the load: a clear error, nothing lost, and everything goes on afterwards."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import ssms
from automata import List, Ref, call, gather, object_type, readonly, ref, send
from automata.errors import CallTimeout, InvalidArgument, OutcomeUnknown, Overloaded, StorageFull
from automata.options import Options
from darq.errors import StoreClosed, StoreLocked, StorePathError
from darq.limits import Limits
from darq.memory import MemoryStore
from tests.memory_app import PATIENCE_SECONDS, in_loop, listed, memory_app, settled

GATES: dict[str, asyncio.Event] = {}


@object_type
class Meter:
    n: int = 0
    blob: bytes = b""
    parts: List[bytes]

    async def add(self, amount: int = 1) -> int:
        self.n += amount
        return self.n

    async def forward(self, other: Ref[Meter]) -> None:
        self.n += 1
        send(other.add())

    async def ask(self, other: Ref[Meter]) -> int:
        self.n += 1
        return await other.add()

    async def wait(self, gate: str) -> int:
        await GATES[gate].wait()
        self.n += 1
        return self.n

    async def hang(self) -> None:
        self.n += 100
        await asyncio.Event().wait()

    async def hang_after_call(self, other: Ref[Meter]) -> None:
        self.n += 1
        await other.add()
        self.n += 100
        await asyncio.Event().wait()

    async def grow(self, size: int) -> None:
        self.blob = bytes(size)

    async def grow_many(self, size: int, count: int) -> None:
        for _ in range(count):
            self.parts.append(bytes(size))

    @readonly
    async def get(self) -> int:
        return self.n


A, B = ref(Meter, "a"), ref(Meter, "b")


@pytest.fixture(autouse=True)
def _fresh() -> None:
    GATES.clear()


@in_loop
async def test_a_full_disk_refuses_writes_before_they_run_while_reads_go_on() -> None:
    store = MemoryStore()
    async with memory_app(store, Limits(free_check_seconds=0.0)) as app:
        await A.add(5)
        store.free = 0
        for attempt in (A.add, lambda: A.forward(B), lambda: A.ask(B), lambda: gather(A.add(), B.add())):
            with pytest.raises(StorageFull, match="make room"):
                await attempt()
        with pytest.raises(StorageFull):
            await send(B.add())
        with pytest.raises(StorageFull):
            await call(A.add(), idempotency_key="k")
        assert await A.get() == 5
        assert (await app.inspect(A))["n"] == 5
        assert await listed(app.objects(Meter)) == ["a"]
        store.free = 1 << 40
        assert await call(A.add(), idempotency_key="k") == 6
        assert await B.get() == 0


@in_loop
async def test_messages_wait_while_the_disk_is_full_and_are_delivered_once_there_is_room() -> None:
    store = MemoryStore()
    GATES["g"] = asyncio.Event()
    async with memory_app(store, Limits(free_check_seconds=0.0)) as app:
        running = asyncio.create_task(B.wait("g"))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        for _ in range(3):
            await A.forward(B)  # they wait behind the method that runs
        store.free = 0
        GATES["g"].set()
        await asyncio.sleep(0.01)
        store.free = 1 << 40
        await settled(B.get, 4)
        await asyncio.gather(running, return_exceptions=True)
        assert await listed(app.dead_letters()) == []


@pytest.mark.parametrize("where", ["fail_next_write", "fail_next_flush"])
@in_loop
async def test_a_failed_disk_leaves_the_outcome_unknown_until_the_store_is_opened_again(where: str) -> None:
    store = MemoryStore()
    async with memory_app(store):
        await A.add(1)
        setattr(store, where, OSError(5, "I/O error"))
        with pytest.raises(OutcomeUnknown):
            await call(A.add(10), idempotency_key="k")
        setattr(store, where, None)
        for attempt in (lambda: A.add(100), A.get, lambda: send(A.add(100))):
            with pytest.raises(OutcomeUnknown):
                await attempt()
    store.crash()
    async with memory_app(store):
        assert await A.get() in (1, 11)
        assert await call(A.add(10), idempotency_key="k") == 11
        assert await A.get() == 11


@pytest.mark.parametrize("where", ["fail_next_write", "fail_next_flush"])
@in_loop
async def test_a_method_hears_of_a_disk_that_fails_at_its_commit_point(where: str) -> None:
    store = MemoryStore()
    GATES["b"] = asyncio.Event()
    async with memory_app(store, Limits(group_steps_max=1)):
        held = asyncio.ensure_future(B.wait("b"))
        await asyncio.sleep(0)
        setattr(store, where, OSError(5, "I/O error"))
        asking = asyncio.ensure_future(A.ask(B))
        await asyncio.sleep(0)
        GATES["b"].set()
        async with asyncio.timeout(PATIENCE_SECONDS):
            for waiting in (asking, held):
                with pytest.raises(OutcomeUnknown):
                    await waiting
        setattr(store, where, None)


@in_loop
async def test_values_and_steps_over_their_limits_are_refused_whole() -> None:
    limits = Limits(value_bytes_max=1000, step_bytes_max=5000)
    async with memory_app(limits=limits) as app:
        await A.grow(900)
        with pytest.raises(InvalidArgument, match="value"):
            await A.grow(1100)
        await A.grow_many(900, 4)
        with pytest.raises(InvalidArgument, match="step"):
            await A.grow_many(900, 8)
        state = await app.inspect(A)
        assert (len(state["blob"]), len(state["parts"])) == (900, 4)
        await send(A.grow(1100))
        await A.add()
        assert await A.get() == 1


@in_loop
async def test_too_many_waiting_calls_are_refused_early() -> None:
    GATES["g"] = asyncio.Event()
    async with memory_app(limits=Limits(outside_calls_max=5)):
        calls = [asyncio.create_task(A.wait("g")) for _ in range(20)]  # type: ignore[arg-type]
        await asyncio.sleep(0.001)
        GATES["g"].set()
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        refused = [o for o in outcomes if isinstance(o, Overloaded)]
        assert len(refused) == 14
        assert sorted(o for o in outcomes if isinstance(o, int)) == [1, 2, 3, 4, 5, 6]
        assert await A.add() == 7


@in_loop
async def test_a_foreign_await_has_a_limit() -> None:
    async with memory_app(options=Options(foreign_await_seconds_max=0.01)):
        with pytest.raises(CallTimeout, match="holds its object"):
            await A.hang()
        assert await A.get() == 0
        with pytest.raises(CallTimeout):
            await A.hang_after_call(B)
        assert (await A.get(), await B.get()) == (1, 1)
        assert await A.add() == 2


@in_loop
async def test_closing_ends_what_hangs_and_rolls_it_back() -> None:
    store = MemoryStore()
    async with memory_app(store, options=Options(closing_seconds_max=0.01)):
        hanging = asyncio.create_task(A.hang())  # type: ignore[arg-type]
        waiting = asyncio.create_task(A.add())  # type: ignore[arg-type]
        message = send(A.add(10))
        await asyncio.sleep(0.001)
    with pytest.raises(StoreClosed):
        await hanging
    outcome = (await asyncio.gather(waiting, return_exceptions=True))[0]
    assert outcome in (1, 11) or isinstance(outcome, StoreClosed)
    await message
    async with memory_app(store):
        await settled(A.get, 10 + isinstance(outcome, int))


@in_loop
async def test_closing_answers_whoever_waits_in_line() -> None:
    store = MemoryStore()
    async with memory_app(store, options=Options(closing_seconds_max=0.01)):
        hanging = [asyncio.create_task(A.hang()) for _ in range(3)]  # type: ignore[arg-type]
        chained = asyncio.create_task(B.ask(A))  # type: ignore[arg-type]
        await asyncio.sleep(0.001)
    for outcome in await asyncio.gather(*hanging, chained, return_exceptions=True):
        assert isinstance(outcome, int | StoreClosed)
    async with memory_app(store):
        assert await A.get() in (0, 1)


@in_loop
async def test_closing_lets_short_methods_end() -> None:
    store = MemoryStore()
    GATES["g"] = asyncio.Event()
    async with memory_app(store):
        running = asyncio.create_task(A.wait("g"))  # type: ignore[arg-type]
        await asyncio.sleep(0.001)
        asyncio.get_running_loop().call_later(0.01, GATES["g"].set)
    assert await running == 1
    async with memory_app(store):
        assert await A.get() == 1


@in_loop
async def test_closing_waits_for_messages_that_nobody_awaits() -> None:
    store = MemoryStore()
    async with memory_app(store):
        for _ in range(50):
            send(A.add())
    async with memory_app(store):
        await settled(A.get, 50)


def test_a_store_opened_twice_names_the_process_that_holds_it(tmp_path: Path) -> None:
    with ssms.open(tmp_path / "store"), pytest.raises(StoreLocked, match=r"\d+"):
        ssms.open(tmp_path / "store").__enter__()
    with ssms.open(tmp_path / "store") as app:
        assert app.run(A.add()) == 1


def test_a_path_that_cannot_be_a_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StorePathError):
            ssms.open(path).__enter__()


def test_an_app_that_could_not_open_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    app = ssms.open(tmp_path / "file")
    for _ in range(2):
        with pytest.raises(StorePathError):
            app.__enter__()
    (tmp_path / "file").unlink()
    with app:
        assert app.run(A.add()) == 1
