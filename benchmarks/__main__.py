"""Run the benchmarks: `python -m benchmarks [--quick] [--json] [--only NAME]`.

Every module of this folder with a `measure` is one. What it finds never makes the command fail: a benchmark is no test.
"""

import argparse
import importlib
import json
import pkgutil
import sys
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.results import Measure, Result, verdict

COLUMNS = ("value", "unit", "floor", "ratio", "must", "aim", "verdict")
STYLES = {"aim": "green", "must": "yellow", "missed": "red", "": ""}


def benchmarks() -> dict[str, Measure]:
    """What there is to run, by the name of its module."""
    names = sorted(info.name for info in pkgutil.iter_modules([str(Path(__file__).parent)]))
    modules = {name: importlib.import_module(f"benchmarks.{name}") for name in names if not name.startswith("__")}
    return {name: module.measure for name, module in modules.items() if hasattr(module, "measure")}


def table(results: Iterable[Result]) -> Table:
    """The results for people."""
    made = Table("name")
    for column in COLUMNS:
        made.add_column(column, justify="left" if column in {"unit", "verdict"} else "right")
    for result in results:
        judged = verdict(result)
        figures = (_figure(result[column]) for column in ("floor", "ratio", "must", "aim"))
        made.add_row(result["name"], _figure(result["value"]), result["unit"], *figures, judged, style=STYLES[judged])
    return made


def _figure(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def main() -> None:
    """Run what was asked for, and print it."""
    known = benchmarks()
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="short and small, to see that it works")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--only", action="append", choices=sorted(known), help="one benchmark; may be given again")
    parser.add_argument("--skip", action="append", choices=sorted(known), default=[], help="all but this one")
    options = parser.parse_args()
    results: list[Result] = []
    for name in options.only or [name for name in known if name not in options.skip]:
        print(f"{name} ...", file=sys.stderr, flush=True)
        results += known[name](options.quick)
    if options.json:
        print(json.dumps([{**result, "verdict": verdict(result)} for result in results], indent=1))
    else:
        Console(width=None if sys.stdout.isatty() else 140).print(table(results))


if __name__ == "__main__":
    main()
