"""What keeps the event loop free: counted in runs and in what each does at once, not in time."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import msgspec
import pytest

from automata import errors, object_type, ref
from automata.app import App
from automata.sandbox.module import RANGES_MAX
from automata.sandbox.session import ERRAND_ROWS, INLINE_BYTES, INLINE_READ_BYTES, INLINE_ROWS, Page, Rows, Session
from tests.core_modules import modules_app, take, with_module
from tests.hostile.components import answering
from tests.sandbox_tools import tools


@object_type
class Taker:
    key: str

    async def take(self, data: bytes) -> int:
        return len(data)


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


@pytest.mark.parametrize(("rows", "size", "expected"), [(INLINE_ROWS - 1, 8, 1), (INLINE_ROWS, 8, 2), (10, 7000, 2)])
def test_many_rows_are_read_beside_the_loop(rows: int, size: int, expected: int) -> None:
    assert INLINE_READ_BYTES < 10 * 7000

    @with_module(tools())
    async def scans(app: App) -> None:
        for row in range(rows):
            await ref("Guest", "one").put(row.to_bytes(2, "big"), bytes(size))
        before = await runs(app)
        with contextlib.suppress(errors.GuestTrapped):  # the guest has no room for the last of these
            await ref("Guest", "one").scan(b"", b"", 100_000, False)
        assert await runs(app) - before == expected

    scans()


@with_module(tools())
async def test_a_thread_reads_its_rows_in_errands_of_some_at_once(app: App) -> None:
    asked: list[int] = []
    collect = Session.collect

    def counted(session: Session, page: Page, limit: int, size_max: int) -> Rows:
        asked.append(limit)
        return collect(session, page, limit, size_max)

    for row in range(2 * ERRAND_ROWS + 10):
        await ref("Guest", "one").put(row.to_bytes(2, "big"), b"x")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Session, "collect", counted)
        for limit in (ERRAND_ROWS + 5, 100_000):
            await ref("Guest", "one").scan(b"", b"", limit, False)
            assert max(asked) == ERRAND_ROWS
    assert asked[-3:] == [ERRAND_ROWS] * 3


@pytest.mark.parametrize("backwards", [False, True])
def test_errands_go_on_where_the_one_before_has_ended(backwards: bool) -> None:
    count = 2 * ERRAND_ROWS + 10

    @with_module(tools())
    async def scans(app: App) -> None:
        for row in range(count):
            await ref("Guest", "one").put(row.to_bytes(2, "big"), b"x")
        found = await ref("Guest", "one").scan(b"", b"", 100_000, backwards)
        keys = [int.from_bytes(found[at + 4 : at + 6], "big") for at in range(0, len(found), 11)]
        assert keys == sorted(range(count), reverse=backwards)

    scans()


@pytest.mark.parametrize(("size", "refused"), [(20_000, False), (40_000, True)])
def test_the_arguments_of_calls_count_towards_what_is_kept_while_they_are_awaited(size: int, refused: bool) -> None:
    @with_module(tools(), awaiting_bytes=(64 << 10) + 100_000)
    async def awaits(app: App) -> None:
        arguments = msgspec.msgpack.encode([bytes(size)])
        if not refused:
            found = await ref("Guest", "one").call("Taker", "k", "take", arguments)
            assert msgspec.msgpack.decode(found) == size
            return
        with pytest.raises(errors.LimitExceeded) as raised:
            await ref("Guest", "one").call("Taker", "k", "take", arguments)
        assert raised.value.limit == "awaiting_bytes"

    awaits()


@pytest.mark.parametrize(("different", "refused"), [(RANGES_MAX, False), (RANGES_MAX + 1, True)])
def test_a_component_drops_only_so_many_ranges_of_rows_at_once(different: int, refused: bool, tmp_path: Path) -> None:
    begins = [b"words\0\3" + number.to_bytes(2, "big") for number in range(different)] * 2
    answer = [0, b"\xc0", [False, [[begin, begin + b"\xff"] for begin in begins], [], []]]

    async def scenario() -> None:
        async with modules_app(tmp_path) as app:
            await take(app, tmp_path, answering(answer))
            if not refused:
                await ref("Guest", "one").go()
                return
            with pytest.raises(errors.LimitExceeded, match="ranges"):
                await ref("Guest", "one").go()

    asyncio.run(scenario())
