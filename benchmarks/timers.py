"""A store with 1,000,000 pending timers: how fast a fresh process opens it and arms the first, and what it then holds.

usage: python -m benchmarks.timers [--timers N]
       python -m benchmarks.timers build|open|ring STORE TIMERS

build makes the store; open tells the seconds until the app is open with its first timer armed, imports excluded, and
the memory held then; ring tells the seconds in which so many timers that are due all at once have rung.
"""

import argparse
import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import ssms
from automata import object_type, ref, send
from benchmarks.million import ROOT, resident_mb
from benchmarks.results import Result, absolute, told

TIMERS, TIMERS_QUICK = 1_000_000, 5_000
RUNG, RUNG_QUICK = 50_000, 500
PER_METHOD = 1_000
SETTERS = 8
FAR_SECONDS = 30 * 24 * 3600.0
MUST_SECONDS, AIM_SECONDS = 1.0, 0.3
MUST_MB, AIM_MB = 200.0, 120.0


@object_type(name="benchmarks.Alarm")
class Alarm:
    """Sets timers to itself, and counts those that ring."""

    rung: int = 0

    async def set_many(self, count: int, delay: float, apart: float) -> None:
        """Set `count` timers, `apart` seconds from one another."""
        for n in range(count):
            send(ref(self).ring(n), delay=delay + n * apart)

    async def ring(self, n: int) -> None:
        """One of them has rung."""
        self.rung += 1


async def set_all(timers: int, delay: float, apart: float) -> None:
    """Set them from methods that set many each."""
    firsts = iter(range(0, timers, PER_METHOD))

    async def setter() -> None:
        for first in firsts:
            alarm = ref(Alarm, f"alarm-{first // PER_METHOD:04d}")
            await alarm.set_many(min(PER_METHOD, timers - first), delay + first * apart, apart)

    await asyncio.gather(*(setter() for _ in range(SETTERS)))


async def build(path: Path, timers: int) -> dict[str, float]:
    """Make a store with so many timers, none of which is due soon."""
    async with ssms.open(path):
        begun = time.perf_counter()
        await set_all(timers, FAR_SECONDS, 0.001)
        return {"seconds": time.perf_counter() - begun}


async def time_opening(path: Path) -> dict[str, float]:
    """The seconds until the app is open and armed, and the memory of the process then."""
    imported = resident_mb()
    begun = time.perf_counter()
    async with ssms.open(path) as app:
        seconds = time.perf_counter() - begun
        armed = (await app.stats())["timers_next_due_ms"]
        assert armed > 0, "no timer is armed"
        return {"seconds": seconds, "imported": imported, "opened": resident_mb()}


async def ring(path: Path, timers: int) -> dict[str, float]:
    """The seconds in which so many timers ring that were due while the store was closed."""
    async with ssms.open(path):
        await set_all(timers, 2.0 + timers / 20_000, 0.0)
    await asyncio.sleep(2.0 + timers / 20_000)
    async with ssms.open(path) as app:
        begun = time.perf_counter()
        while (stats := await app.stats())["timers_ringing"] or stats["timers_next_due_ms"]:  # noqa: ASYNC110 - to ask is all
            await asyncio.sleep(0.001)
        return {"seconds": time.perf_counter() - begun}


def run(task: str, path: Path, timers: int) -> dict[str, float]:
    """What a fresh process that does `task` tells."""
    command = [sys.executable, "-m", "benchmarks.timers", task, str(path), str(timers)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def measure_store(timers: int, rung: int) -> list[Result]:
    """Figures of a store with so many pending timers, and of so many that ring."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        built = run("build", folder / "store", timers)
        opened = run("open", folder / "store", timers)
        ringing = run("ring", folder / "due", rung)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    name = f"timers: {timers:,} pending"
    return [
        absolute(f"{name}, open and arm", "s", opened["seconds"], MUST_SECONDS, AIM_SECONDS),
        absolute(f"{name}, memory of the process", "MB", opened["opened"], MUST_MB, AIM_MB),
        told("of it: interpreter and imports", "MB", opened["imported"]),
        told("timers set, 1,000 by each method", "timers/s", timers / built["seconds"]),
        told(f"timers rung, {rung:,} due at once", "timers/s", rung / ringing["seconds"]),
    ]


def measure(quick: bool) -> list[Result]:
    """Pending timers."""
    return measure_store(TIMERS_QUICK, RUNG_QUICK) if quick else measure_store(TIMERS, RUNG)


def work(task: str, path: Path, timers: int) -> dict[str, float]:
    """One task in this process."""
    if task == "build":
        return asyncio.run(build(path, timers))
    return asyncio.run(ring(path, timers) if task == "ring" else time_opening(path))


def main() -> None:
    """Do one task, or print the results as JSON."""
    if len(sys.argv) == 4:
        print(json.dumps(work(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--timers", type=int, default=TIMERS)
    print(json.dumps(measure_store(parser.parse_args().timers, RUNG), indent=1))


if __name__ == "__main__":
    main()
