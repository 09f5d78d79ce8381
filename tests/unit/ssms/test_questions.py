"""What a store tells of an object to whoever asks from outside."""

from __future__ import annotations

import enum
import threading
from dataclasses import dataclass

from automata.values.dynamic import encode_dynamic
from ssms.questions import carried


class Flag(enum.Flag):
    A = 1
    B = 2


@dataclass
class Point:
    x: int


class Unshowable:
    def __repr__(self) -> str:
        raise ValueError("no")


def test_what_can_be_told_is_told_as_it_is() -> None:
    fields = {"n": 1, "point": Point(1), "flag": Flag.A, "all": {"a": [Point(2)]}}
    assert carried(fields) == fields


def test_what_cannot_be_told_is_told_as_text_so_that_there_is_an_answer() -> None:
    told = carried({"n": 1, "lock": threading.Lock(), "flags": Flag.A | Flag.B, "odd": Unshowable()})
    encode_dynamic(told)
    assert told["n"] == 1
    assert told["flags"] == repr(Flag.A | Flag.B)
    assert "Unshowable object at" in str(told["odd"])
