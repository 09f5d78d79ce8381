"""Opening a store of 1,000,000 objects in a fresh process: after a clean end, and after a kill under full load.

usage: python -m benchmarks.opening [--objects N]
"""

import argparse
import json
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from statistics import median

from benchmarks import million
from benchmarks.results import Result, absolute, told
from darq import Limits

MUST_SECONDS, AIM_SECONDS = 0.5, 0.15
MUST_SECONDS_KILLED, AIM_SECONDS_KILLED = 0.8, 0.3


def opened_after_kill(whole: Path, objects: int, log_bytes: float) -> tuple[float, float]:
    """(seconds to open, MB of log to read in it) of a copy that was killed under load at that length of its log."""
    path = whole.with_name("killed")
    shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(whole, path)
    process = subprocess.Popen(million.command("load", path, objects), cwd=million.ROOT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    while process.poll() is None and log_length(path) < log_bytes:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    log_mb = log_length(path) / 1e6
    return million.run("open", path, objects)["seconds"], log_mb


def log_length(path: Path) -> int:
    """Bytes of log that an opening would have to read now."""
    total = 0
    for file in (path / "rocks").glob("*.log"):
        with suppress(FileNotFoundError):  # it has just become a table
            total += file.stat().st_size
    return total


def measure_store(objects: int, rounds: int) -> list[Result]:
    """Opening times of a store of so many objects."""
    whole = million.store(objects)
    clean = [million.run("open", whole, objects)["seconds"] for _ in range(rounds)]
    # the log grows from nothing to its bound again and again; the last of these kills meets it just below that
    lengths = [Limits.wal_bytes_max * (n + 0.9) / rounds for n in range(rounds)]
    killed = [opened_after_kill(whole, objects, length) for length in lengths]
    seconds = [took for took, _ in killed]
    name = f"opening {objects:,} objects"
    return [
        absolute(f"{name}, nothing pending, p50", "s", median(clean), MUST_SECONDS, AIM_SECONDS),
        told("the same, the slowest", "s", max(clean)),
        absolute(f"{name}, killed under load, slowest", "s", max(seconds), MUST_SECONDS_KILLED, AIM_SECONDS_KILLED),
        told("the log that this one had to read", "MB", max(killed)[1]),
        told("the same, p50", "s", median(seconds)),
    ]


def measure(quick: bool) -> list[Result]:
    """Opening times."""
    return measure_store(million.OBJECTS_QUICK, 1) if quick else measure_store(million.OBJECTS, 7)


def main() -> None:
    """Print the results as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=million.OBJECTS)
    print(json.dumps(measure_store(parser.parse_args().objects, 7), indent=1))


if __name__ == "__main__":
    main()
