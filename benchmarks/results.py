"""What a benchmark says: one figure, what it is held against, and whether that is reached."""

import json
from collections.abc import Callable
from typing import TypedDict


class Result(TypedDict):
    """One figure. value in `unit`; floor in the same unit, or None.

    ratio = value / floor, or None where that is not judged.
    must, aim: bounds of the ratio if there is one, else of the value; None for a figure that is only told.
    An aim below its must says that less is better. A value of None says that there was nothing to measure.
    """

    name: str
    value: float | None
    unit: str
    floor: float | None
    ratio: float | None
    must: float | None
    aim: float | None


Measure = Callable[[bool], list[Result]]
"""A benchmark: `measure(quick)`, where quick means shorter and smaller, to see that it works."""


def against_floor(name: str, unit: str, figures: tuple[float, float], must: float, aim: float) -> Result:
    """A figure that is judged by its ratio to a floor. figures: (value, floor)."""
    value, floor = figures
    return Result(
        name=name, value=short(value), unit=unit, floor=short(floor), ratio=short(value / floor), must=must, aim=aim
    )


def absolute(name: str, unit: str, value: float, must: float, aim: float) -> Result:
    """A figure that is judged by itself."""
    return Result(name=name, value=short(value), unit=unit, floor=None, ratio=None, must=must, aim=aim)


def told(name: str, unit: str, value: float | None) -> Result:
    """A figure that explains another and is not judged."""
    figure = None if value is None else short(value)
    return Result(name=name, value=figure, unit=unit, floor=None, ratio=None, must=None, aim=None)


def verdict(result: Result) -> str:
    """`aim`, `must` or `missed`, by what is reached; empty where nothing is judged."""
    judged = result["value"] if result["ratio"] is None else result["ratio"]
    must, aim = result["must"], result["aim"]
    if judged is None or must is None or aim is None:
        return ""
    sign = -1 if aim < must else 1
    if sign * judged >= sign * aim:
        return "aim"
    return "must" if sign * judged >= sign * must else "missed"


def short(value: float) -> float:
    """Four digits: more would be noise."""
    return float(f"{value:.4g}")


def print_json(measure: Measure) -> None:
    """What a benchmark that is run by itself does."""
    print(json.dumps(measure(False), indent=1))
