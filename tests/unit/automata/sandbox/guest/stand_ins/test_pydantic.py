"""The stand-in for pydantic against pydantic itself: the same verdict, value and sentence for plain types."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import IntEnum
from typing import Annotated, Any
from uuid import UUID

import pydantic
import pytest
from annotated_types import Gt
from hypothesis import given
from hypothesis import strategies as st

from automata.errors import DeclarationError
from automata.sandbox.guest.stand_ins import pydantic as stand_in


class Whole(int):
    pass


class Text(str):
    __slots__ = ()


class Level(IntEnum):
    LOW = 1


Row = namedtuple("Row", "a b")

SCALARS = [type(None), bool, int, float, str, bytes, datetime, date, time, timedelta, Decimal, UUID]
SAMPLES = [
    *(None, True, 1, 2**70, 10**400, 1.5, float("inf"), "a", "\ud800", b"a", bytearray(b"a")),
    *(datetime(2020, 1, 1, tzinfo=UTC), date(2020, 1, 1), time(1), timedelta(1), UUID(int=1)),
    *(Decimal(1), Decimal("NaN"), Decimal("sNaN"), Whole(2), Text("b"), Level.LOW, object, [1], (1, "a"), {}),
]
ANNOTATIONS: list[Any] = [
    *SCALARS,
    *(list[int], list[float], set[int], frozenset[str], tuple[int, ...], tuple[int, str], tuple[()], dict[str, int]),
    *(int | str, int | float, float | int, int | None, bool | float, list[int] | list[str], list[float] | list[int]),
    *(list[int | str], dict[str, float] | dict[str, int], dict[tuple[int, str], list[int]], list[list[int]]),
    *(int | str | None, list[int] | None, tuple[int | None, ...], set[int | str]),
]
CONTAINERS = [
    *([], [1], [1.5], [True], ["a"], [1, "a"], [1, 2.5], [None], [Whole(3)], [[1], ["a"]], [[1]]),
    *({1}, {"a"}, {1, "a"}, frozenset({1}), frozenset({"a"}), (), (1,), (1, "a"), (1, "a", 3), ("a", 1), Row(1, "b")),
    *({}, {"a": 1}, {"a": 1.5}, {1: 1}, {"a": "b"}, OrderedDict(a=1), {(1, "a"): [1]}, {(1, 2): [1]}),
]


def verdict(adapter: Any, error: type[Exception], value: object) -> tuple[Any, ...]:
    try:
        kept = adapter.validator.validate_python(value, strict=True)
    except error as refused:
        first = refused.errors(include_url=False, include_context=False)[0]  # type: ignore[attr-defined]
        return ("refused", first["type"], first["msg"])
    return ("kept", type(kept), repr(kept), repr([type(item) for item in kept] if type(kept) is list else ""))


@pytest.mark.parametrize("annotation", ANNOTATIONS, ids=str)
def test_the_verdict_is_the_same(annotation: Any) -> None:
    really, here = pydantic.TypeAdapter(annotation), stand_in.TypeAdapter(annotation)
    for value in [*SAMPLES, *CONTAINERS]:
        expected = verdict(really, pydantic.ValidationError, value)
        assert verdict(here, stand_in.ValidationError, value) == expected, value


@given(st.data())
def test_the_verdict_is_the_same_for_whatever_is_put_together(data: st.DataObject) -> None:
    annotation = data.draw(st.sampled_from(ANNOTATIONS))
    atoms = st.sampled_from(SAMPLES[:-4])
    nested = st.recursive(
        atoms, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=1), inner, max_size=2)
    )
    value = data.draw(nested)
    expected = verdict(pydantic.TypeAdapter(annotation), pydantic.ValidationError, value)
    assert verdict(stand_in.TypeAdapter(annotation), stand_in.ValidationError, value) == expected


@pytest.mark.parametrize(
    ("annotation", "value", "place"),
    [
        (list[list[int]], [[1], ["a"]], (1, 0)),
        (dict[str, int], {1: 1}, (1, "[key]")),
        (dict[str, int], {"a": "b"}, ("a",)),
        (tuple[int, str], (1, 2), (1,)),
    ],
)
def test_a_complaint_says_where(annotation: Any, value: object, place: tuple[object, ...]) -> None:
    for module in (pydantic, stand_in):
        adapter: Any = module.TypeAdapter(annotation)
        with pytest.raises(module.ValidationError) as refused:
            adapter.validator.validate_python(value, strict=True)
        assert refused.value.errors()[0]["loc"] == place


def test_constraints_are_refused_with_a_sentence() -> None:
    with pytest.raises(DeclarationError, match="check the value in the method"):
        stand_in.TypeAdapter(Annotated[int, Gt(0)])


def test_models_are_refused_with_a_sentence() -> None:
    with pytest.raises(DeclarationError, match="use a dataclass"):
        type("Model", (stand_in.BaseModel,), {})
