"""Resident memory of a fresh process that has opened a store of 1,000,000 objects and changed 10,000 of them.

usage: python -m benchmarks.memory [--objects N]
"""

import argparse
import json

from benchmarks import million
from benchmarks.results import Result, absolute, told


def measure_store(objects: int) -> list[Result]:
    """Memory over a store of so many objects."""
    held = million.run("touch", million.store(objects), objects)
    touched = min(million.TOUCHED, objects)
    return [
        absolute(f"memory: {objects:,} objects on disk, {touched:,} touched", "MB", held["touched"], 250, 120),
        told("of it: interpreter and imports", "MB", held["imported"]),
        told("of it: opening", "MB", held["opened"] - held["imported"]),
        told("of it: touching", "MB", held["touched"] - held["opened"]),
    ]


def measure(quick: bool) -> list[Result]:
    """Memory held."""
    return measure_store(million.OBJECTS_QUICK if quick else million.OBJECTS)


def main() -> None:
    """Print the results as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=million.OBJECTS)
    print(json.dumps(measure_store(parser.parse_args().objects), indent=1))


if __name__ == "__main__":
    main()
