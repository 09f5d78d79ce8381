"""Content of classes: the same wherever the code is the same, another when anything of it is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.ssms.scripts import write

MODELS = """
from __future__ import annotations
import enum
import functools
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Literal, NamedTuple
from pydantic import BaseModel, Field, field_validator
import rates

log = logging.getLogger(__name__)
KNOWN = {"tea", "milk", "bread", "salt"}

class State(enum.Enum):
    OPEN = "open"
    PAID = "paid"

class Money(NamedTuple):
    cents: int = 0

@dataclass(frozen=True)
class Note:
    kind: Literal["in", "out"]
    tags: list[str] = field(default_factory=list)

class Line(BaseModel):
    sku: Annotated[str, Field(min_length=1)]
    state: State = State.OPEN
    price: Money = Money(1)
    notes: list[Note] = Field(default_factory=list)

    @field_validator("sku")
    @classmethod
    def known(cls, value: str) -> str:
        if value not in {"tea", "milk", "bread"} | KNOWN:
            log.warning("unknown")
        return value

    @functools.cached_property
    def cents(self) -> Decimal:
        return rates.RATE * total([self])

@dataclass
class Bill:
    notes: list[Note]

def total(lines: Sequence[Line]) -> int:
    return sum(line.price.cents for line in lines)

class Missing(Exception):
    def __init__(self, line: Line) -> None:
        super().__init__(line)
"""

SHOWN = """
import models
from ssms.class_content import content
print(*(content(getattr(models, name)) for name in ("State", "Money", "Note", "Line", "Bill", "Missing")))
"""


NAMES = ("State", "Money", "Note", "Line", "Bill", "Missing")


def contents(folder: Path, models: str = MODELS, rates: str = "RATE = 2\n", seed: int = 0) -> list[str]:
    """Of NAMES, as a process finds them whose strings hash by this seed."""
    write(folder, {"models.py": models, "rates.py": rates, "shown.py": SHOWN})
    shown = subprocess.run(
        [sys.executable, "shown.py"],
        cwd=folder,
        env={**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return shown.stdout.split()


def test_the_same_code_is_the_same_content_in_every_process(tmp_path: Path) -> None:
    first = contents(tmp_path / "a", seed=1)
    assert contents(tmp_path / "b", "# moved down\n\n" + MODELS, seed=2) == first
    assert len(set(first)) == len(NAMES)


@pytest.mark.parametrize(
    ("old", "new", "other"),
    [
        ('PAID = "paid"', 'PAID = "p"', {"State", "Line"}),
        ("min_length=1", "min_length=2", {"Line"}),
        ("price: Money = Money(1)", "price: Money = Money(2)", {"Line"}),
        ('KNOWN = {"tea"', 'KNOWN = {"eat"', {"Line"}),
        ("sum(line", "max(line", {"Line"}),
        ("super().__init__(line)", "super().__init__()", {"Missing"}),
        ("kind: Literal", "sort: Literal", {"Note", "Line", "Bill"}),
    ],
)
def test_whatever_changes_is_another_content_with_all_that_uses_it(
    tmp_path: Path, old: str, new: str, other: set[str]
) -> None:
    before, after = contents(tmp_path / "a"), contents(tmp_path / "b", MODELS.replace(old, new))
    assert {name for name, a, b in zip(NAMES, before, after, strict=True) if a != b} == other


def test_a_constant_of_another_module_is_part_of_what_uses_it(tmp_path: Path) -> None:
    before, after = contents(tmp_path / "a"), contents(tmp_path / "b", rates="RATE = 3\n")
    assert before[:3] == after[:3]
    assert before[3] != after[3]


def test_what_cannot_be_compared_is_unlike_all_others(tmp_path: Path) -> None:
    rates = "import threading\nRATE = threading.Lock()\n"
    before, after = contents(tmp_path / "a", rates=rates), contents(tmp_path / "b", rates=rates)
    assert before[3] != after[3]
