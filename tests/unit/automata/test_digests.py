"""What of arguments is compared when a method is run again: plain values, whatever Python makes of the others."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from automata.digests import digest_of, digest_of_argument
from automata.methods import Method
from automata.reference import ObjectRef

PLAIN: list[Any] = [
    None,
    False,
    0,
    1,
    2**70,
    0.5,
    "",
    "a",
    "1",
    b"a",
    (),
    (1, "a"),
    (1, "b"),
    Decimal("1.5"),
    Decimal("1.50"),
    datetime(2030, 1, 1, tzinfo=UTC),
    UUID(int=1),
    ObjectRef("T", "k"),
    ObjectRef("T", "l"),
]


@dataclass(frozen=True)
class Place:
    x: int = 0


def digest(annotation: Any, value: object) -> int | None:
    """Of an argument as a call packs it."""

    async def go(self: object, value: Any) -> None: ...

    method = Method("T", "go", go)
    method.resolve({} if annotation is None else {"value": annotation})
    [packed] = method.pack((value,), {})
    return digest_of_argument(method.parameters[0], packed)


def test_different_plain_values_have_different_digests() -> None:
    digests = [digest_of(value) for value in PLAIN]
    assert None not in digests
    assert len(set(digests)) == len(PLAIN)


def test_a_number_is_the_same_whatever_its_type() -> None:
    assert digest_of(5) == digest_of(5.0)
    assert digest_of(5) != digest_of(5.5)


@pytest.mark.parametrize("value", [{1}, {"a": 1}, [1], Place(), (1, {2}), object(), "\ud800"])
def test_what_may_differ_without_a_reason_has_none(value: object) -> None:
    assert digest_of(value) is None


@pytest.mark.parametrize("value", PLAIN[:10])
def test_an_argument_without_an_annotation_is_compared_if_it_is_plain(value: object) -> None:
    assert digest(None, value) == digest_of(value)
    assert digest(None, [value]) is None


def test_lists_of_plain_values_are_compared() -> None:
    assert digest(list[int], [1, 2]) == digest(list[int], [1, 2]) != digest(list[int], [2, 1])
    assert digest(list[list[str]], [["a"]]) != digest(list[list[str]], [["b"]])
    assert digest(list[set[int]], [{1}]) is None
    assert digest(dict[str, int], {"a": 1}) is None
    assert digest(Place, Place()) is None
