"""Apps and refs from any thread and any event loop."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import ssms
from automata import call, gather, object_type, readonly, ref, send
from automata.app import App
from automata.errors import StateError
from automata.options import Options
from darq.errors import StoreClosed
from tests.memory_app import PATIENCE_SECONDS, in_app, in_loop, memory_app, settled


@object_type
class Till:
    n: int = 0

    async def add(self, amount: int = 1) -> int:
        self.n += amount
        return self.n

    async def slow(self) -> int:
        seen = self.n
        await asyncio.sleep(0)
        self.n = seen + 1
        return self.n

    async def fail(self) -> None:
        raise LookupError("no")

    async def hang(self) -> None:
        await asyncio.Event().wait()

    @readonly
    async def get(self) -> int:
        return self.n


T = ref(Till, "t")


def in_threads(work: Callable[[int], object], count: int = 8) -> list[object]:
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(work, range(count)))


def test_run_takes_awaitables_and_async_iterators_from_many_threads() -> None:
    with memory_app() as app:

        def work(n: int) -> list[str]:
            for _ in range(20):
                app.run(T.add())
                app.run(T.slow())
            app.run(call(ref(Till, f"own{n}").add(), idempotency_key="k"))
            app.run(send(T.add()))
            with pytest.raises(LookupError):
                app.run(T.fail())
            return list(app.run(app.objects(Till, prefix=f"own{n}")))

        assert in_threads(work) == [[f"own{n}"] for n in range(8)]
        app.run(settled(T.get, 8 * 41))


def test_run_takes_coroutines_of_its_own_loop() -> None:
    async def both() -> list[int]:
        return await gather(T.add(), T.add())

    with memory_app() as app:
        assert app.run(both()) == [1, 2]
        assert app.run(asyncio.sleep(0, "x")) == "x"


def test_refs_work_in_other_event_loops() -> None:
    async def elsewhere() -> list[object]:
        sent = send(T.add())
        await sent
        return [await T.slow(), *(await gather(T.get(), T.get())), await call(T.get(), timeout=20)]

    with memory_app():
        results = in_threads(lambda n: asyncio.run(elsewhere()))
        assert len(results) == 8
        assert asyncio.run(_eventually_sixteen()) == 16


async def _eventually_sixteen() -> int:
    await settled(T.get, 16)
    return await T.get()


def test_looking_works_from_other_event_loops() -> None:
    async def look(app: App) -> tuple[bool, object, list[str]]:
        return await app.exists(T), await app.inspect(T), [key async for key in app.objects(Till)]

    with memory_app() as app:
        app.run(T.add())
        assert asyncio.run(look(app)) == (True, {"n": 1}, ["t"])


@in_app
async def test_an_app_opened_in_a_loop_serves_threads(app: App) -> None:
    results = await asyncio.gather(*(asyncio.to_thread(lambda: app.run(T.add())) for _ in range(10)))
    assert sorted(results) == list(range(1, 11))
    assert await asyncio.to_thread(lambda: asyncio.run(T.get())) == 10  # type: ignore[arg-type]


@in_app
async def test_run_on_the_apps_own_loop_is_refused(app: App) -> None:
    invocation = T.get()
    with pytest.raises(StateError, match="await"):
        app.run(invocation)
    assert await invocation == 0


def test_a_cancelled_wait_elsewhere_leaves_the_app_alive() -> None:
    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await ref(Wait, "w").wait()

    @object_type
    class Wait:
        async def wait(self) -> None:
            await asyncio.Event().wait()

    with memory_app(options=Options(closing_seconds_max=0.01)) as app:
        asyncio.run(give_up())
        assert app.run(T.add()) == 1


def test_threads_that_come_after_closing_are_told_so() -> None:
    with memory_app() as app:
        mine = app.ref(Till, "t")
        app.run(mine.add())
    for attempt in (lambda: app.run(mine.add()), lambda: asyncio.run(mine.add()), lambda: send(mine.add())):  # type: ignore[arg-type]
        with pytest.raises((StoreClosed, StateError)):
            attempt()


def test_two_synchronous_apps_and_their_threads_end_with_them() -> None:
    before = threading.active_count()
    with memory_app() as one, memory_app() as two:
        assert one.run(one.ref(Till, "t").add()) == two.run(two.ref(Till, "t").add()) == 1
    assert threading.active_count() == before


@pytest.mark.parametrize("kind", ["coroutine", "iterator", "call", "elsewhere"])
def test_a_thread_that_waits_when_the_app_is_closed_is_told_so(kind: str) -> None:
    begun = threading.Event()

    async def wait() -> None:
        begun.set()
        await asyncio.Event().wait()

    async def items() -> AsyncIterator[None]:
        yield await wait()

    @object_type
    class Waits:
        async def wait(self) -> None:
            await wait()

    def work(app: App) -> object:
        if kind == "coroutine":
            return app.run(wait())
        if kind == "iterator":
            return list(app.run(items()))
        return app.run(ref(Waits, "w").wait()) if kind == "call" else asyncio.run(elsewhere())

    async def elsewhere() -> None:
        await ref(Waits, "w").wait()

    with ThreadPoolExecutor(1) as pool:
        with memory_app(options=Options(closing_seconds_max=0.01)) as app:
            waiting = pool.submit(work, app)
            assert begun.wait(PATIENCE_SECONDS)
        with pytest.raises(StoreClosed):
            waiting.result(PATIENCE_SECONDS)


def test_what_leaves_by_sys_exit_leaves_the_app_alive() -> None:
    async def leave() -> None:
        sys.exit(3)

    with memory_app() as app:
        with pytest.raises(SystemExit):
            app.run(leave())
        assert app.run(T.add()) == 1


def test_closing_ends_what_runs_on_the_apps_own_loop() -> None:
    ended: list[str] = []

    async def items() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            ended.append("iterator")

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("task")

    async def begin() -> asyncio.Task[None]:
        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        return task

    with memory_app() as app:
        started = app.run(begin()), app.run(items())
        assert next(started[1]) == 1
    assert sorted(ended) == ["iterator", "task"]


@in_loop
async def test_closing_that_is_cancelled_lets_go_of_the_store(tmp_path: Path) -> None:
    app = ssms.open(tmp_path)
    await app.__aenter__()
    running = asyncio.create_task(hang())
    assert await T.add() == 1
    closing = asyncio.create_task(app.__aexit__(None, None, None))
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.gather(closing, return_exceptions=True)
    async with ssms.open(tmp_path):
        assert await T.get() == 1
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def hang() -> None:
    await ref(Till, "other").hang()
