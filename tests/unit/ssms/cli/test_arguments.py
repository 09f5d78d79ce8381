from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import pytest
import typer

from automata import Ref
from automata.reference import make_ref
from automata.values.value_type import value_type
from ssms.cli.arguments import argument_for, parse_argument


@dataclass
class Item:
    name: str
    when: date


@pytest.mark.parametrize(
    ("text", "value"),
    [("5", 5), ("-5", -5), ("true", True), ("null", None), ("[1, 2]", [1, 2]), ('"x y"', "x y"), ("bob", "bob")],
)
def test_json_is_parsed_and_a_bare_word_is_text(text: str, value: object) -> None:
    assert parse_argument(text) == value


@pytest.mark.parametrize("text", ["{", '{"a": }', "[1,", '"open'])
def test_what_begins_like_json_has_to_be_json(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        parse_argument(text)


@pytest.mark.parametrize(
    ("annotation", "text", "value"),
    [
        (str, "42", "42"),
        (str, '"42"', "42"),
        (str, "null", "null"),
        (int, "42", 42),
        (float, "1", 1.0),
        (date, "2024-05-06", date(2024, 5, 6)),
        (Decimal, '"1.50"', Decimal("1.50")),
        (tuple[int, int], "[1, 2]", (1, 2)),
        (set[str], '["a"]', {"a"}),
        (Item, '{"name": "x", "when": "2024-05-06"}', Item("x", date(2024, 5, 6))),
        (Ref["User"], "User/a/b", make_ref("User", "a/b")),
    ],
)
def test_an_argument_takes_its_declared_type(annotation: object, text: str, value: object) -> None:
    taken = argument_for(value_type(annotation), text)
    assert (taken, type(taken)) == (value, type(value))


def test_an_argument_that_does_not_fit_stays_as_typed_for_the_call_to_refuse() -> None:
    assert argument_for(value_type(int), "lots") == "lots"
    assert argument_for(value_type(Ref["User"]), "alice") == "alice"
    assert argument_for(None, "5") == 5
