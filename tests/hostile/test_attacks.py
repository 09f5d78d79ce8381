"""Attacks of core modules that run: each ends in bounded time and memory, with a typed error and nothing left of it."""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from automata import errors, ref
from automata.options import Options
from tests.clock import Clock
from tests.core_modules import modules_app, take
from tests.hostile.attacks import ATTACKS, CEILING, ITSELF, bomb
from tests.hostile.conftest import MEMORY_BYTES_MAX
from tests.hostile.survivor import survives
from tests.memory_app import memory_app


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_stopped_and_others_are_served(name: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with modules_app(tmp_path, limits=CEILING) as app:
            await survives(app, tmp_path, ATTACKS[name])

    asyncio.run(scenario())


def test_a_process_survives_all_attacks_under_a_cap_of_its_memory() -> None:
    def cap() -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))

    done = subprocess.run(
        [sys.executable, "-m", "tests.hostile.all_attacks"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        preexec_fn=cap,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(len(ATTACKS)), "survived"]


def test_a_method_that_calls_itself_without_end_comes_to_one(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with modules_app(tmp_path) as app:
            await take(app, tmp_path, ITSELF, limits={"awaiting_bytes": 50 * (64 << 10)})
            await ref("Guest", "one").go()  # the innermost is refused, and the others do not care
            [upload] = [one async for one in app.uploads()]
            assert 50 <= upload.usage.runs <= 200
            assert await ref("Guest", "one").begin() is None

    asyncio.run(scenario())


async def goes_on() -> None:
    for _ in range(50):
        await ref("Guest", "one").go()


@pytest.mark.parametrize("delay", ["0", "0.001"])
def test_messages_that_send_more_of_themselves_come_to_an_end(delay: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        standing = Options(modules=tmp_path / "modules", clock=Clock())  # so no more of its rate ever comes in
        async with memory_app(options=standing) as app:
            await take(app, tmp_path, bomb(delay), limits={"messages_per_second": 40})
            with pytest.raises(errors.LimitExceeded) as raised:
                await goes_on()
            assert raised.value.limit == "messages_per_second"
            for _ in range(100):
                await asyncio.sleep(0)
            ended = (await app.inspect(ref("Guest", "one")))["rows"][b"row"][0]
            assert 5 <= ended <= 40 * 5 // 20 + 1

    asyncio.run(scenario())


def test_many_attacks_at_once_hold_no_more_threads_than_their_uploader_may(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with modules_app(tmp_path) as app:
            limits = {"seconds": 0.1, "runs_at_once": 2}
            await take(app, tmp_path, ATTACKS["an endless loop"].data, limits=limits, uploader="bad")
            calls = [asyncio.ensure_future(ref("Guest", f"k{n}").go()) for n in range(6)]
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            assert [type(one) for one in outcomes] == [errors.LimitExceeded] * 6
            assert not [key async for key in app.objects("Guest")]

    asyncio.run(scenario())
