"""The benchmarks run and say what they promise. No figure is asserted: a benchmark is no test."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.disaggregated.compute import Compute
from benchmarks.disaggregated.storage import Storage
from benchmarks.pi_host import pi
from benchmarks.results import Result, absolute, against_floor, told, verdict

ROOT = Path(__file__).parents[2]
KEYS = {"name", "value", "unit", "floor", "ratio", "must", "aim", "verdict"}
CHEAP = ("caching", "calls", "fanout", "floors", "memory", "opening", "timers")


@pytest.mark.process
def test_the_cheap_ones_print_json_with_the_promised_keys() -> None:
    command = [sys.executable, "-m", "benchmarks", "--quick", "--json"]
    command += [word for name in CHEAP for word in ("--only", name)]
    run = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    results = json.loads(run.stdout)
    assert len(results) >= len(CHEAP)
    for result in results:
        assert set(result) == KEYS
        assert result["value"] > 0
        assert (result["floor"] is None) == (result["ratio"] is None)
        assert result["verdict"] in {"aim", "must", "missed", ""}


@pytest.mark.process
def test_an_unknown_benchmark_is_refused_with_the_names_of_all() -> None:
    command = [sys.executable, "-m", "benchmarks", "--only", "nothing"]
    run = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert run.returncode == 2
    assert "calls" in run.stderr


def test_pi_is_computed_to_as_many_digits_as_asked_for() -> None:
    assert str(pi(50)) == "314159265358979323846264338327950288419716939937510"


class Handle:
    """A storage actor as its handle shows it, without Ray."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> SimpleNamespace:
        def remote(*args: Any) -> Any:
            self.calls.append(name)
            return getattr(self._storage, name)(*args)

        return SimpleNamespace(remote=remote)


def test_the_disaggregated_post_is_a_range_and_a_write_and_is_durable(tmp_path: Path) -> None:
    async def posts(apart: bool) -> tuple[list[str], list[Any]]:
        storage = Storage(str(tmp_path))
        handle = Handle(storage)
        compute = Compute(handle, apart)
        await asyncio.gather(*(compute.follow("a", follower) for follower in ("b", "c")))
        handle.calls.clear()
        assert await compute.create_post("a", "hello") == 2
        calls = list(handle.calls)
        await storage.close()
        again = Storage(str(tmp_path))
        timelines = [await Compute(Handle(again), apart).get_timeline(user) for user in "abc"]
        await again.close()
        return calls, timelines

    together, timelines = asyncio.run(posts(apart=False))
    assert together == ["scan", "write"]
    assert [[post[:2] for post in timeline] for timeline in timelines] == [[("a", "hello")]] * 3
    apart, timelines = asyncio.run(posts(apart=True))
    assert apart == ["scan", "write", "write", "write"]
    assert [len(timeline) for timeline in timelines] == [2, 2, 2]


def more_is_better(ratio: float) -> Result:
    return against_floor("rate", "calls/s", (ratio * 1000, 1000), must=0.4, aim=0.7)


@pytest.mark.parametrize(
    ("ratio", "judged"), [(0.8, "aim"), (0.7, "aim"), (0.5, "must"), (0.4, "must"), (0.3, "missed")]
)
def test_a_rate_is_judged_by_its_ratio_to_the_floor(ratio: float, judged: str) -> None:
    assert verdict(more_is_better(ratio)) == judged


@pytest.mark.parametrize(("value", "judged"), [(3, "aim"), (4, "aim"), (5, "must"), (10, "must"), (11, "missed")])
def test_where_less_is_better_the_aim_is_below_the_must(value: float, judged: str) -> None:
    assert verdict(absolute("latency", "ms", value, must=10, aim=4)) == judged


def test_what_only_explains_is_not_judged() -> None:
    assert verdict(told("a part of it", "ms", 3)) == ""
    assert verdict(told("not there", "s", None)) == ""
