"""`effect` and `sleep`: where they work, and what they take."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest

from automata import effect, object_type, ref, sleep, testing
from automata.errors import InvalidArgument, StateError
from automata.testing import VirtualApp
from tests.memory_app import in_app


def add(a: int, b: int = 0) -> int:
    return a + b


async def add_slowly(a: int, b: int = 0) -> int:
    await asyncio.sleep(0)
    return a + b


def inside() -> None:
    """An effect is outside of any method: what belongs inside is refused."""
    ref(Pauser, "p")
    asyncio.run(sleep(1))


@object_type
class Pauser:
    key: str
    n: int = 0

    async def run(self, name: str) -> Any:
        fn, args, options = CALLS[name]
        return await effect(fn, *args, **options)

    async def nap(self, seconds: Any) -> None:
        await sleep(seconds)

    async def nap_twice(self) -> list[int]:
        self.n += 1
        before = self.n
        await sleep(10)
        self.n += 1
        return [before, self.n]

    async def poke(self) -> int:
        self.n += 10
        return self.n

    async def stray(self) -> str:
        try:
            await asyncio.create_task(_nap())
        except StateError as error:
            return str(error)
        return "it was let through"


async def _nap() -> None:
    await sleep(1)


class Adder:
    def __call__(self, a: int) -> int:
        return a + 1


CALLS: dict[str, Any] = {
    "plain": (add, (1, 2), {}),
    "named": (add, (1,), {"b": 2}),
    "async": (add_slowly, (1,), {"b": 2}),
    "lambda": (lambda: 3, (), {}),
    "gives an awaitable": (lambda: add_slowly(3), (), {}),
    "object": (Adder(), (2,), {}),
}


@pytest.mark.parametrize("name", sorted(CALLS))
@in_app
async def test_an_effect_runs_any_function(app: Any, name: str) -> None:
    assert await ref(Pauser, "p").run(name) == 3


@in_app
async def test_an_effect_takes_a_function_and_not_a_call(app: Any) -> None:
    CALLS["called"] = (3, (), {})
    with pytest.raises(InvalidArgument, match=r"effect\(fn, \*args\)"):
        await ref(Pauser, "p").run("called")
    del CALLS["called"]


@in_app
async def test_inside_an_effect_there_is_no_method(app: Any) -> None:
    CALLS["inside"] = (inside, (), {})
    with pytest.raises(StateError, match="inside a method"):
        await ref(Pauser, "p").run("inside")
    del CALLS["inside"]


@pytest.mark.parametrize("pause", [lambda: effect(add, 1), lambda: sleep(1)], ids=["effect", "sleep"])
def test_outside_of_a_method_they_are_refused(pause: Any) -> None:
    with pytest.raises(StateError, match="inside a method"):
        asyncio.run(pause())


@pytest.mark.parametrize("seconds", [-1, math.inf, math.nan, "1", True, None])
@in_app
async def test_a_sleep_takes_seconds(app: Any, seconds: Any) -> None:
    with pytest.raises(InvalidArgument, match="seconds"):
        await ref(Pauser, "p").nap(seconds)


@in_app
async def test_another_task_cannot_pause_for_the_method(app: Any) -> None:
    assert "another task" in await ref(Pauser, "p").stray()


def test_a_sleep_lasts_as_long_as_it_says_and_holds_no_object() -> None:
    async def scenario(app: VirtualApp) -> None:
        begun = asyncio.get_running_loop().time()
        napping = asyncio.ensure_future(ref(Pauser, "p").nap_twice())
        await asyncio.sleep(5)
        assert await ref(Pauser, "p").poke() == 11
        assert await napping == [1, 12]
        assert asyncio.get_running_loop().time() - begun == pytest.approx(10)

    testing.run(scenario)
