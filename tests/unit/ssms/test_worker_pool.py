"""Worker processes of one machine: they run methods, ask for rows, and may die."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

import ssms
from automata import object_type, ref
from automata.errors import DeclarationError, StateError, WorkerDied
from automata.handing_out import ROWS_BYTES
from darq.errors import StoreClosed
from tests.hands import Hand
from tests.memory_app import in_loop, settled

pytestmark = pytest.mark.process


def test_methods_run_in_another_process_which_is_used_again(tmp_path: Path) -> None:
    with ssms.open(tmp_path) as app:
        first, second = (app.run(ref(Hand, "a").work()) for _ in range(2))
    assert first[0] == second[0] != os.getpid()
    assert (first[1], second[1]) == (1, 2)
    with pytest.raises(ProcessLookupError):
        os.kill(first[0], 0)


def test_a_worker_asks_for_rows_sends_and_raises(tmp_path: Path) -> None:
    text = "x" * 1000
    with ssms.open(tmp_path) as app:
        app.run(ref(Hand, "a").note([text] * (2 * ROWS_BYTES // 1000)))
        assert app.run(ref(Hand, "a").read()) == 2 * ROWS_BYTES // 1000 * 1000
        with pytest.raises(StateError, match="as itself"):
            app.run(ref(Hand, "a").fail())
        app.run(ref(Hand, "a").pass_on(ref(Hand, "b")))
        app.run(settled(lambda: ref(Hand, "b").read(), len("from another process")))


def test_a_worker_that_dies_is_a_failed_call_and_the_app_goes_on(tmp_path: Path) -> None:
    with ssms.open(tmp_path) as app:
        with pytest.raises(WorkerDied, match=r"Hand/a die.*-9"):
            app.run(ref(Hand, "a").die())
        assert app.run(ref(Hand, "a").work())[1] == 1


@in_loop
async def test_an_app_that_closes_ends_its_workers(tmp_path: Path) -> None:
    options = ssms.Options(closing_seconds_max=0.01)
    async with ssms.open(tmp_path / "store", options=options) as app:
        waiting = asyncio.ensure_future(ref(Hand, "a").wait(str(tmp_path / "begun")))
        await settled(lambda: _exists(tmp_path / "begun"), True)
        assert await app.exists(ref(Hand, "a")) is False
    with pytest.raises(StoreClosed):
        await waiting


def test_a_type_that_no_process_can_import_is_named(tmp_path: Path) -> None:
    @object_type(compute="worker", name="tests.Local")
    class Local:
        async def work(self) -> None: ...

    with ssms.open(tmp_path) as app, pytest.raises(DeclarationError, match="top of a module"):
        app.run(ref(Local, "a").work())


async def _exists(path: Path) -> bool:
    return path.exists()  # noqa: ASYNC240 - as above
