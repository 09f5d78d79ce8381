"""Effects that run while the app closes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from automata import effect, object_type, ref, send, sleep
from automata.options import Options
from darq.memory import MemoryStore
from tests.memory_app import PATIENCE_SECONDS, in_loop, memory_app, settled
from tests.unit.automata.gates import close_gates, gate, journals

RUNS: list[str] = []
GO_ON = threading.Event()


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    close_gates()
    RUNS.clear()
    GO_ON.clear()
    yield
    GO_ON.set()
    close_gates()


@object_type
class Payer:
    key: str
    receipt: str = ""

    async def pay(self) -> None:
        self.receipt = await effect(_pay)

    async def pay_slowly(self) -> None:
        self.receipt = await effect(_pay_slowly)

    async def nap(self) -> None:
        await sleep(3600.0)

    async def paid(self) -> str:
        return self.receipt


def _pay() -> str:
    RUNS.append("begin")
    GO_ON.wait(PATIENCE_SECONDS)
    RUNS.append("end")
    return "paid"


async def _pay_slowly() -> str:
    RUNS.append("begin")
    await gate("g").wait()
    RUNS.append("end")
    return "paid"


async def _runs() -> list[str]:
    return list(RUNS)


@pytest.mark.parametrize("method", ["pay", "pay_slowly"])
@in_loop
async def test_closing_waits_for_an_effect_that_has_begun_and_keeps_its_outcome(method: str) -> None:
    store = MemoryStore()
    app = await memory_app(store, options=Options(closing_seconds_max=0.0)).__aenter__()
    await send(getattr(ref(Payer, "a"), method)())
    await settled(_runs, ["begin"])
    closing = asyncio.create_task(app.__aexit__(None, None, None))
    await asyncio.wait([closing], timeout=0.01)
    assert not closing.done()
    GO_ON.set()
    gate("g").set()
    await closing
    assert RUNS == ["begin", "end"]
    async with memory_app(store):
        await settled(ref(Payer, "a").paid, "paid")
    assert RUNS == ["begin", "end"]


@in_loop
async def test_an_effect_that_does_not_end_is_cut_off_with_a_warning_and_run_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = MemoryStore()
    options = Options(closing_seconds_max=0.0, closing_effect_seconds_max=0.01)
    async with memory_app(store, options=options):
        await send(ref(Payer, "a").pay_slowly())
        await settled(_runs, ["begin"])
    assert "effect _pay_slowly still runs" in caplog.text
    close_gates()
    gate("g").set()
    async with memory_app(store):
        await settled(ref(Payer, "a").paid, "paid")
    assert RUNS == ["begin", "begin", "end"]


@in_loop
async def test_closing_waits_for_nothing_that_merely_sleeps() -> None:
    store = MemoryStore()
    app = await memory_app(store, options=Options(closing_seconds_max=3600.0)).__aenter__()
    await send(ref(Payer, "a").nap())

    async def asleep() -> int:
        return len(journals(app))

    await settled(asleep, 1)
    async with asyncio.timeout(PATIENCE_SECONDS):
        await app.__aexit__(None, None, None)
