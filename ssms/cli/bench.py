"""`ssms bench`: the benchmarks of the repository, which are no part of an installed package."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

import ssms
from ssms.cli.options import Common, takes
from ssms.cli.output import fail

QuickOption = Annotated[bool, typer.Option("--quick/--full", help="Seconds, for a look; or minutes, for figures.")]


@takes("json")
def bench(*, common: Common, quick: QuickOption = True) -> None:
    """Measure this machine: each figure beside its floor, taken in the same run.

    Example: ssms bench --full --json
    """
    root = find_benchmarks([Path.cwd(), Path(ssms.__file__).resolve().parents[1]])
    if root is None:
        fail(
            "NoBenchmarks",
            "the benchmarks are in the project's repository, not in its package: clone it and run this command, or "
            "`make bench`, in that folder",
            common.json,
        )
    options = [*(["--quick"] if quick else []), *(["--json"] if common.json else [])]
    done = subprocess.run([sys.executable, "-m", "benchmarks", *options], cwd=root, check=False)
    raise typer.Exit(done.returncode)


def find_benchmarks(folders: list[Path]) -> Path | None:
    """The first of the folders that holds a package `benchmarks` which can be run."""
    return next((folder for folder in folders if (folder / "benchmarks" / "__main__.py").is_file()), None)
