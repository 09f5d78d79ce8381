"""A store of a million objects, built once for all benchmarks of one process, and the processes that open it.

usage: python -m benchmarks.million build|load|open|touch STORE OBJECTS

build makes it; load changes objects at full speed until it is killed; open tells the seconds that opening takes in a
fresh process, imports excluded; touch tells the memory that a process holds after opening it and changing some objects.
"""

import asyncio
import atexit
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

import ssms
from automata import object_type, ref

OBJECTS = 1_000_000
OBJECTS_QUICK = 5_000
CALLERS = 512
TOUCHED = 10_000
ROOT = Path(__file__).parents[1]


@object_type(name="benchmarks.Item")
class Item:
    """A small object: two fields, so two rows and one in the directory."""

    name: str = ""
    count: int = 0

    async def make(self, name: str) -> None:
        """Write both fields."""
        self.name = name
        self.count = 1

    async def add(self, n: int) -> int:
        """Change one field."""
        self.count += n
        return self.count


def key(n: int) -> str:
    """The key of the n-th object."""
    return f"item-{n:08d}"


@cache
def store(objects: int) -> Path:
    """A folder with a store of so many objects and nothing pending; it goes when this process ends."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    run("build", folder / "store", objects)
    return folder / "store"


def command(task: str, path: Path, objects: int) -> list[str]:
    """The command line of a process that does `task`."""
    return [sys.executable, "-m", "benchmarks.million", task, str(path), str(objects)]


def run(task: str, path: Path, objects: int) -> dict[str, float]:
    """What a fresh process that does `task` tells."""
    done = subprocess.run(command(task, path, objects), cwd=ROOT, check=True, capture_output=True, text=True)
    told: dict[str, float] = json.loads(done.stdout or "{}")
    return told


async def build(path: Path, objects: int) -> None:
    """Make the objects, through the engine."""
    numbers = iter(range(objects))

    async def caller() -> None:
        for n in numbers:
            await ref(Item, key(n)).make(f"the item number {n}")

    async with ssms.open(path):
        await asyncio.gather(*(caller() for _ in range(CALLERS)))


async def load(path: Path, objects: int) -> None:
    """Change objects at random until killed; says when it is under way."""
    chance = random.Random(1)

    async def caller() -> None:
        while True:
            await ref(Item, key(chance.randrange(objects))).add(1)

    async with ssms.open(path):
        callers = [asyncio.create_task(caller()) for _ in range(CALLERS)]
        print("loading", flush=True)
        await asyncio.gather(*callers)


async def time_opening(path: Path) -> dict[str, float]:
    """The seconds until the app is open."""
    begun = time.perf_counter()
    async with ssms.open(path):
        return {"seconds": time.perf_counter() - begun}


async def touch(path: Path, objects: int) -> dict[str, float]:
    """The resident memory in MB: with all imported, once the store is open, and with objects changed."""
    chance = random.Random(2)
    told = {"imported": resident_mb()}
    async with ssms.open(path):
        told["opened"] = resident_mb()
        for n in chance.sample(range(objects), min(TOUCHED, objects)):
            await ref(Item, key(n)).add(1)
        told["touched"] = resident_mb()
    return told


def resident_mb() -> float:
    """What this process holds in memory now."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1000
    raise OSError("/proc/self/status has no VmRSS")


def main(task: str, path: Path, objects: int) -> None:
    """One task in this process."""
    if task == "build":
        asyncio.run(build(path, objects))
    elif task == "load":
        asyncio.run(load(path, objects))
    else:
        print(json.dumps(asyncio.run(time_opening(path) if task == "open" else touch(path, objects))))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
