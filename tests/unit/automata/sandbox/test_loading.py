"""What is loaded once, while nobody else waits for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from automata import ref
from automata.sandbox.examining import EXAMINED_AT_ONCE, examining
from automata.sandbox.loading import Loaded
from automata.sandbox.shelf import Shelf
from tests.core_modules import modules_app, take
from tests.sandbox_tools import other

_SECONDS = 30.0


def test_it_is_ready_once_it_has_been_loaded_and_not_before() -> None:
    seen: list[bool] = []

    def load() -> int:
        seen.append(loaded.ready)
        return len(seen)

    loaded = Loaded(load)
    assert not loaded.ready
    assert [loaded.get(), loaded.get()] == [1, 1]
    assert loaded.ready
    assert seen == [False]


def test_what_could_not_be_loaded_is_not_ready_and_is_tried_again() -> None:
    outcomes = [0, 1]
    loaded = Loaded(lambda: 1 // outcomes.pop(0))
    with pytest.raises(ZeroDivisionError):
        loaded.get()
    assert not loaded.ready
    assert loaded.get() == 1


def test_one_that_is_being_loaded_holds_up_no_other() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slowly() -> int:
        begun.set()
        assert go_on.wait(_SECONDS)
        return 1

    slow = Loaded(slowly)
    thread = threading.Thread(target=slow.get)
    thread.start()
    assert begun.wait(_SECONDS)
    assert Loaded(lambda: 2).get() == 2
    assert not slow.ready
    go_on.set()
    thread.join()
    assert slow.ready


def test_while_a_module_is_loaded_for_its_first_call_others_are_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    compiled = Shelf.compiled

    def slowly(shelf: Shelf, digest: str, kind: str, usable: Callable[[Path], bool]) -> Path:
        if digest == slow:
            assert threading.current_thread() is not threading.main_thread(), "the event loop would wait"
            begun.set()
            assert go_on.wait(_SECONDS)
        return compiled(shelf, digest, kind, usable)

    slow = ""

    async def scenario() -> None:
        nonlocal slow
        async with modules_app(tmp_path) as app:
            first = await take(app, tmp_path, other("Double", 2), "double")
            await take(app, tmp_path, other("Triple", 3), "triple")
            monkeypatch.setattr(Shelf, "compiled", slowly)
            slow = first.digest
            calls = [asyncio.ensure_future(ref("Double", "a").times(1))]
            await asyncio.get_running_loop().run_in_executor(None, begun.wait, _SECONDS)
            calls.append(asyncio.ensure_future(ref("Double", "b").times(2)))
            assert await ref("Triple", "c").times(1) == 3
            go_on.set()
            assert await asyncio.gather(*calls) == [2, 4]

    asyncio.run(scenario())


def test_uploads_that_are_examined_leave_the_threads_of_the_loop_to_others() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        go_on = threading.Event()
        waiting = [loop.run_in_executor(examining(), go_on.wait, _SECONDS) for _ in range(100)]
        assert await loop.run_in_executor(None, lambda: 1) == 1
        assert sum(thread.name.startswith("sandbox-upload") for thread in threading.enumerate()) == EXAMINED_AT_ONCE
        go_on.set()
        assert all(await asyncio.gather(*waiting))

    asyncio.run(scenario())
