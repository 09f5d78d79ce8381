"""Virtual time."""

from __future__ import annotations

import asyncio
import socket
import threading

import pytest

from automata.errors import StateError
from automata.testing import Stalled, VirtualLoop
from automata.testing.loop import run_virtually

DAY_SECONDS = 24 * 3600.0


def test_three_days_of_timers_fire_in_order_at_their_times() -> None:
    async def three_days() -> list[tuple[str, float]]:
        loop = asyncio.get_running_loop()
        seen: list[tuple[str, float]] = []
        for day, name in ((3, "c"), (1, "a"), (2, "b")):
            loop.call_later(day * DAY_SECONDS, lambda name=name: seen.append((name, loop.time())))
        await asyncio.sleep(3.5 * DAY_SECONDS)
        return seen

    assert run_virtually(three_days()) == [("a", DAY_SECONDS), ("b", 2 * DAY_SECONDS), ("c", 3 * DAY_SECONDS)]


def test_a_hundred_thousand_timers_of_ten_years_come_to_an_end() -> None:
    async def ten_years() -> float:
        for _ in range(1000):
            await asyncio.sleep(3.65 * DAY_SECONDS)
        return asyncio.get_running_loop().time()

    assert run_virtually(ten_years()) == pytest.approx(3650 * DAY_SECONDS)


def test_no_time_passes_while_something_is_ready() -> None:
    async def busy() -> float:
        asyncio.get_running_loop().call_later(1e-9, lambda: None)
        for _ in range(100):
            await asyncio.sleep(0)
        return asyncio.get_running_loop().time()

    assert run_virtually(busy()) == 0.0


def test_a_timeout_runs_out_in_virtual_time() -> None:
    async def waits() -> None:
        async with asyncio.timeout(DAY_SECONDS):
            await asyncio.get_running_loop().create_future()

    with pytest.raises(TimeoutError):
        run_virtually(waits())


def test_who_waits_for_nothing_is_told_where() -> None:
    async def waits_for_ever() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(Stalled, match=r"waits_for_ever at .*test_loop\.py:\d+"):
        run_virtually(waits_for_ever())


def test_what_stalls_is_cancelled_and_cleans_up() -> None:
    cleaned = []

    async def waits_for_ever() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await asyncio.sleep(1)
            cleaned.append(True)

    with pytest.raises(Stalled):
        run_virtually(waits_for_ever())
    assert cleaned == [True]


def test_threads_run_in_place() -> None:
    async def in_threads() -> list[int]:
        return [await asyncio.to_thread(threading.get_ident) for _ in range(2)]

    assert run_virtually(in_threads()) == [threading.get_ident()] * 2


def test_what_a_thread_raises_reaches_who_awaits_it() -> None:
    def fails() -> None:
        raise LookupError

    async def in_thread() -> None:
        await asyncio.to_thread(fails)

    with pytest.raises(LookupError):
        run_virtually(in_thread())


def test_real_files_are_waited_for() -> None:
    here, there = socket.socketpair()

    async def listens() -> bytes:
        here.setblocking(False)
        there.send(b"hello")
        return await asyncio.get_running_loop().sock_recv(here, 5)

    with here, there:
        assert run_virtually(listens()) == b"hello"


def test_inside_a_running_loop_it_is_refused() -> None:
    async def nothing() -> None: ...

    async def nested() -> None:
        run_virtually(nothing())

    with pytest.raises(StateError, match="inside a running event loop"):
        asyncio.run(nested())


def test_a_loop_begins_at_zero() -> None:
    loop = VirtualLoop()
    try:
        assert loop.time() == 0.0
    finally:
        loop.close()
