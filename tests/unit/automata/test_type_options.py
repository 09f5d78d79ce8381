"""Options of type decorators: what they default to, and how bad ones are refused."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest

from automata import Retry, call, object_type
from automata.errors import DeclarationError
from automata.retry import SECONDS_MAX
from automata.type_options import TypeOptions
from tests.memory_app import memory_app


def test_without_options_a_type_has_the_defaults() -> None:
    @object_type
    class Plain:
        pass

    assert Plain.__automaton__.options == TypeOptions()  # type: ignore[attr-defined]


def test_options_are_kept_with_the_type() -> None:
    def migrate(self: Any, old: Any, version: int) -> None: ...

    given: dict[str, Any] = {
        "version": 3,
        "migrate": migrate,
        "retry": Retry(tries=2),
        "strict_order": True,
        "time_to_live": 60,
        "calls_waiting_max": 5,
        "keys_kept_seconds": 1.5,
        "compute": "worker",
        "num_cpus": 0.5,
        "num_gpus": 1,
    }

    @object_type(name="Chosen", **given)
    class Plain:
        pass

    made = Plain.__automaton__  # type: ignore[attr-defined]
    assert made.name == "Chosen"
    assert vars(made.options) == given


async def _awaits(self: Any, old: Any, version: int) -> None: ...


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"version": 0}, "version=0"),
        ({"version": True}, "version=True"),
        ({"version": "2"}, "version='2'"),
        ({"version": 1 << 32}, "version=4294967296"),
        ({"migrate": print}, "needs version=2"),
        ({"version": 2, "migrate": 1}, "plain function"),
        ({"version": 2, "migrate": _awaits}, "plain function"),
        ({"retry": 5}, r"must be a Retry"),
        ({"retry": Retry(tries=0)}, "tries=0"),
        ({"retry": Retry(first_seconds=-1)}, "first_seconds=-1"),
        ({"retry": Retry(factor=0.5)}, "factor=0.5"),
        ({"retry": Retry(seconds_max=0.01)}, "seconds_max=0.01"),
        ({"retry": Retry(seconds_max=math.inf)}, "seconds_max=inf"),
        ({"strict_order": 1}, "strict_order=1"),
        ({"time_to_live": 0}, "time_to_live=0"),
        ({"time_to_live": math.nan}, "time_to_live=nan"),
        ({"time_to_live": 1e300}, "time_to_live=1e\\+300"),
        ({"keys_kept_seconds": 10**12}, "keys_kept_seconds=1000000000000"),
        ({"retry": Retry(first_seconds=1e300, seconds_max=1e300)}, r"seconds_max=1e\+300"),
        ({"calls_waiting_max": 0}, "calls_waiting_max=0"),
        ({"keys_kept_seconds": -1}, "keys_kept_seconds=-1"),
        ({"compute": "gpu"}, "compute='gpu'"),
        ({"compute": "worker", "num_cpus": -1}, "num_cpus=-1"),
        ({"compute": "worker", "num_gpus": math.inf}, "num_gpus=inf"),
        ({"num_gpus": 1}, "num_gpus=1 is for workers"),
    ],
)
def test_a_bad_value_is_refused_with_the_line_of_the_class(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(DeclarationError, match=rf"(?s)Plain: .*{sentence}.*test_type_options\.py:\d+"):

        @object_type(**options)
        class Plain:
            pass


def test_pauses_between_tries_grow_up_to_their_bound() -> None:
    retry = Retry(first_seconds=1, factor=3, seconds_max=10)
    assert [retry.pause_seconds(n) for n in (1, 2, 3, 4, 5000)] == [1, 3, 9, 10, 10]


def test_the_longest_times_that_are_taken_can_be_kept() -> None:
    @object_type(name="LongestOfAll", time_to_live=SECONDS_MAX, keys_kept_seconds=SECONDS_MAX)
    class Longest:
        key: str
        count: int = 0

        async def add(self) -> int:
            self.count += 1
            return self.count

    async def scenario() -> None:
        async with memory_app() as app:
            assert await call(app.ref(Longest, "one").add(), idempotency_key="once") == 1
            assert await call(app.ref(Longest, "one").add(), idempotency_key="once") == 1

    asyncio.run(scenario())
