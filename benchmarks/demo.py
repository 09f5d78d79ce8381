"""Wall time of `python -m ssms demo` once everything is set up."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.results import Result, absolute, print_json, told

ROOT = Path(__file__).parents[1]
NAME = "ssms demo after set-up"


def measure(quick: bool) -> list[Result]:
    """Seconds of one run; it is the same when quick, as the demo is what users run."""
    if not (ROOT / "ssms" / "demo").exists():
        return [told(f"{NAME}: not there", "s", None)]
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        begun = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "ssms", "demo"],
            cwd=folder,
            check=False,
            capture_output=True,
            text=True,
        )
        seconds = time.perf_counter() - begun
    if done.returncode:
        raise RuntimeError(f"the demo failed:\n{done.stdout}\n{done.stderr}")
    return [absolute(NAME, "s", seconds, 60, 20)]


if __name__ == "__main__":
    print_json(measure)
