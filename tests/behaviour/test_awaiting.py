"""Methods that await others are the same natively and in a sandbox, also when their process dies."""

from __future__ import annotations

import asyncio
from typing import Any

from automata.app import App
from automata.errors import AutomataError, ReadOnlyError, StateError
from darq.memory import MemoryStore
from tests.behaviour.kinds import Kind, account, in_both
from tests.memory_app import crash, memory_app, settled, until


@in_both
async def test_an_await_is_a_commit_point(app: App, kind: Kind) -> None:
    await account("a").put(10)
    assert await account("a").pay("b", 4) == 10
    assert list(await account("a").told()) == [6, ["paying b", "paid b"]]
    assert list(await account("b").told()) == [4, []]


@in_both
async def test_an_error_of_another_object_comes_to_its_caller(app: App, kind: Kind) -> None:
    assert "b has only 0" in await account("a").pay_badly("b")
    assert list(await account("a").told()) == [0, ["trying", "failed"]]


@in_both
async def test_an_error_behind_an_await_undoes_the_current_part_alone(app: App, kind: Kind) -> None:
    with kind.raises(ValueError, "behind"):
        await account("a").fail_behind("b")
    assert list(await account("a").told()) == [0, ["kept"]]
    assert (await account("b").told())[0] == 1


@in_both
async def test_gather_is_one_commit_point(app: App, kind: Kind) -> None:
    assert await account().gather_all(["x", "y", "z"]) == [1, 2, 3]
    assert (await account().told())[0] == 6


@in_both
async def test_methods_of_many_parts(app: App, kind: Kind) -> None:
    assert await account().rounds("other", 12) == [*range(1, 13), 12]


@in_both
async def test_changing_what_was_read_before_an_await_is_an_error(app: App, kind: Kind) -> None:
    with kind.raises(StateError, "read again|changed"):
        await account().stale("other")


@in_both
async def test_sleeping_is_durable_and_ends(app: App, kind: Kind) -> None:
    assert await account().nap() >= 0.05
    assert (await account().told())[1] == ["slept"]


@in_both
async def test_idempotency_keys_inside_methods(app: App, kind: Kind) -> None:
    assert await account().keyed("other") == [5, 5]


@in_both
async def test_messages_for_later_and_cancelling(app: App, kind: Kind) -> None:
    assert await account().later() is True

    async def log() -> object:
        return (await account().told())[1]

    await settled(log, ["kept"])


@in_both
async def test_readonly_methods_await_readonly_ones_alone(app: App, kind: Kind) -> None:
    await account("b").put(3)
    assert list(await account("a").told_of("b")) == [3, []]
    with kind.raises(ReadOnlyError, "readonly"):
        await account("a").pay_readonly("b")


@in_both
async def test_calling_back_does_not_deadlock(app: App, kind: Kind) -> None:
    assert await account("a").back_and_forth("b", 4) == 13


def test_methods_resume_after_a_crash(kind: Kind) -> None:
    async def scenario() -> None:
        store = MemoryStore()
        async with kind.types():
            app = await memory_app(store, options=kind.options).__aenter__()
            await kind.take_in(app)
            await account("a").put(0)
            running = asyncio.create_task(_ignore(account("a").rounds("other", 20)))

            async def some() -> bool:
                return len((await account("a").told())[1]) > 5

            await until(some)
            await crash(app, store)
            running.cancel()
            async with memory_app(store, options=kind.options):

                async def seen() -> object:
                    return [(await account("a").told())[1], (await account("other").told())[0]]

                await settled(seen, [[str(n) for n in range(1, 21)], 20])

    asyncio.run(scenario())


async def _ignore(work: Any) -> None:
    try:
        await work
    except AutomataError:
        return
