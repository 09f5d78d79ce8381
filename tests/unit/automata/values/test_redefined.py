"""Values of classes that are there in two versions, given where the newer, or the older, one is declared."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from automata.errors import InvalidArgument
from automata.values.redefined import arrived
from automata.values.value_type import value_type

MODELS = """
import enum
from dataclasses import dataclass
from typing import NamedTuple
from pydantic import BaseModel

class State(enum.Enum):
    OPEN = "open"
    {state}

class Money(NamedTuple):
    cents: int

@dataclass
class Line:
    money: Money
    state: State

class Cart(BaseModel):
    lines: list[Line]
    state: State | None = None
    {cart}
"""

Define = Callable[..., Any]


@pytest.fixture
def define() -> Iterator[Define]:
    def defined(state: str = "", cart: str = "", came: bool = True) -> types.ModuleType:
        sys.modules["redefined_models"] = made = types.ModuleType("redefined_models")
        cell = compile(MODELS.format(state=state, cart=cart), "cell", "exec", dont_inherit=True)
        exec(cell, vars(made))
        for name in ("State", "Money", "Line", "Cart") if came else ():
            arrived(vars(made)[name])
        return made

    yield defined
    sys.modules.pop("redefined_models", None)


def cart_of(models: Any) -> Any:
    return models.Cart(lines=[models.Line(models.Money(5), models.State.OPEN)], state=models.State.OPEN)


def test_a_value_of_the_older_class_becomes_one_of_the_newer(define: Define) -> None:
    older, newer = define(), define(cart="gift: bool = True")
    [taken] = value_type(list[newer.Cart]).validate([cart_of(older)])
    assert taken == newer.Cart(lines=[newer.Line(newer.Money(5), newer.State.OPEN)], state=newer.State.OPEN)
    assert taken.gift


def test_a_value_of_the_newer_class_becomes_one_of_the_older_without_what_that_lacks(define: Define) -> None:
    older, newer = define(), define(cart="gift: bool = True")
    assert value_type(older.Cart | None).validate(cart_of(newer)) == cart_of(older)


def test_containers_are_looked_through(define: Define) -> None:
    older, newer = define(), define()
    taken = value_type(dict[str, tuple[newer.State, ...]]).validate({"a": (older.State.OPEN,)})
    assert taken == {"a": (newer.State.OPEN,)}


def test_a_member_that_the_other_enum_lacks_is_refused_as_before(define: Define) -> None:
    older, newer = define(), define(state="PAID = 'paid'")
    with pytest.raises(InvalidArgument, match="expected State"):
        value_type(older.State).validate(newer.State.PAID)


def test_a_value_that_lacks_a_field_without_a_default_is_refused_as_before(define: Define) -> None:
    older, newer = define(), define(cart="gift: bool")
    with pytest.raises(InvalidArgument, match="expected Cart"):
        value_type(newer.Cart).validate(cart_of(older))


def test_a_class_of_another_place_is_refused(define: Define) -> None:
    models, other = define(), define()
    other.Money.__module__ = "elsewhere"
    with pytest.raises(InvalidArgument, match="expected Money"):
        value_type(models.Money).validate(other.Money(5))


def test_what_a_program_defines_again_is_refused_with_what_to_do(define: Define) -> None:
    older, newer = define(came=False), define(came=False)
    with pytest.raises(InvalidArgument, match=r"got redefined_models\.Money, .*: define again what uses it"):
        value_type(older.Money).validate(newer.Money(5))
