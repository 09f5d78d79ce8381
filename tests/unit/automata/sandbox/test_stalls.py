"""What keeps the event loop free: counted in runs and in what each does at once, not in time."""

from __future__ import annotations

import msgspec
import pytest

from automata import ref
from automata.app import App
from automata.sandbox.session import INLINE_BYTES
from tests.core_modules import with_module
from tests.sandbox_tools import tools


async def runs(app: App) -> int:
    """So many instances were there; a method that goes on beside the loop makes two."""
    [upload] = [upload async for upload in app.uploads()]
    return upload.usage.runs


@pytest.mark.parametrize(("size", "expected"), [(INLINE_BYTES - 4, 1), (INLINE_BYTES + 1, 2)])
def test_messages_with_large_arguments_are_read_beside_the_loop(size: int, expected: int) -> None:
    @with_module(tools())
    async def sends(app: App) -> None:
        await ref("Guest", "one").delete(b"")
        before = await runs(app)
        arguments = msgspec.msgpack.encode(["x" * (size - 4)])
        await ref("Guest", "one").send("Guest", "two", "fail", arguments, 1e8)
        assert await runs(app) - before == expected

    sends()


@pytest.mark.parametrize(("items", "expected"), [(1000, 1), (5000, 2)])
def test_large_results_are_read_beside_the_loop(items: int, expected: int) -> None:
    @with_module(tools())
    async def echoes(app: App) -> None:
        await ref("Guest", "one").delete(b"")
        before = await runs(app)
        assert await ref("Guest", "one").echo_list([1] * items) == [1] * items
        assert await runs(app) - before == expected

    echoes()
