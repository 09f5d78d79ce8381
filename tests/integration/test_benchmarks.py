"""The benchmarks run and say what they promise. No figure is asserted: a benchmark is no test."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

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
