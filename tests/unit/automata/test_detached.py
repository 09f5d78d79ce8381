"""A change behind a commit point is noticed by whatever way it comes; what nobody can change is compared once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel

from automata.detached import Detached
from automata.errors import StateError
from automata.state import Live
from automata.values.value_type import value_type


class Tag(BaseModel):
    text: str = ""
    notes: list[str] = []
    where: tuple[int, ...] = ()


class Basket(BaseModel):
    tags: list[Tag] = []
    at: datetime = datetime(2030, 1, 1, tzinfo=UTC)
    id: UUID = UUID(int=1)
    counts: dict[str, int] = {}


class Counting:
    """A kind that counts how often it encodes."""

    def __init__(self, annotation: Any) -> None:
        self._kind = value_type(annotation)
        self.encoded = 0
        self.validate, self.decode = self._kind.validate, self._kind.decode

    def encode(self, value: object) -> bytes:
        self.encoded += 1
        return self._kind.encode(value)


def basket() -> Basket:
    return Basket(tags=[Tag(text="a", notes=["n"]), Tag(text="b")], counts={"x": 1000})


def detached(annotation: Any, make: Callable[[], Any]) -> tuple[Detached, Live, Counting]:
    kind, values = Counting(annotation), Detached()
    data = kind.encode(make())
    live = Live("field", kind, kind.decode(data), data)  # type: ignore[arg-type]
    values.add([live])
    kind.encoded = 0
    return values, live, kind


CASES: list[tuple[Any, Callable[[], Any]]] = [
    (Basket, basket),
    (list[int], lambda: [1000, 2000]),
    (dict[str, list[str]], lambda: {"a": ["b"]}),
    (list[Tag], lambda: [Tag(notes=["n"])]),
]


@pytest.mark.parametrize(("annotation", "make"), CASES)
def test_what_nobody_holds_is_compared_once(annotation: Any, make: Callable[[], Any]) -> None:
    values, live, kind = detached(annotation, make)
    del live
    values.check("T/k go")
    assert kind.encoded == 1
    values.check("T/k go")
    assert kind.encoded == 1


@pytest.mark.parametrize(("annotation", "make"), CASES)
def test_what_somebody_holds_is_compared_each_time(annotation: Any, make: Callable[[], Any]) -> None:
    values, live, kind = detached(annotation, make)
    held = live.value
    for count in (1, 2, 3):
        values.check("T/k go")
        assert kind.encoded == count
    del held
    values.check("T/k go")
    values.check("T/k go")
    assert kind.encoded == 4


HOLDS: list[tuple[Callable[[Any], Any], Callable[[Any], object]]] = [
    (lambda b: b, lambda held: held.tags.pop()),
    (lambda b: b.tags, lambda held: held.pop()),
    (lambda b: b.tags[0], lambda held: setattr(held, "text", "c")),
    (lambda b: b.tags[0].notes, lambda held: held.append("m")),
    (lambda b: b.counts, lambda held: held.update(y=2)),
    (vars, lambda held: held.update(counts={})),
    (lambda b: vars(b.tags[1]), lambda held: held.update(text="c")),
    (lambda b: iter(b.tags), lambda held: setattr(next(held), "text", "c")),
    (lambda b: b.tags[0].notes.append, lambda held: held("m")),
]


@pytest.mark.parametrize(("hold", "change"), HOLDS)
def test_a_change_by_way_of_a_part_of_the_value_is_noticed(
    hold: Callable[[Any], Any], change: Callable[[Any], object]
) -> None:
    values, live, _ = detached(Basket, basket)
    held = hold(live.value)
    del live
    for _ in range(3):
        values.check("T/k go")
    change(held)
    with pytest.raises(StateError, match="'field' was read before an await"):
        values.check("T/k go")
