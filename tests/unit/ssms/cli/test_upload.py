"""What `ssms upload` makes of its words."""

from __future__ import annotations

import pytest
import typer

from automata.sandbox.upload import Upload
from automata.sandbox.usage import Usage
from ssms.cli.upload import Wanted, _row


def test_a_whole_number_is_one_however_it_is_written() -> None:
    limits = Wanted(limit=["fuel=1e9", "reads=100", "writes=5.0", "seconds=0.5"]).limits
    assert [(name, number, type(number)) for name, number in limits.items()] == [
        ("fuel", 1_000_000_000, int),
        ("reads", 100, int),
        ("writes", 5, int),
        ("seconds", 0.5, float),
    ]


@pytest.mark.parametrize("text", ["fuel", "fuel=", "fuel=much"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="a limit is given as"):
        _ = Wanted(limit=[text]).limits


@pytest.mark.parametrize(
    ("types", "trouble", "shown"),
    [
        (["A", "B"], "", "A, B"),
        ([], "too old", "cannot be run: too old"),
        (["A"], "on h: x", "A; cannot be run: on h: x"),
    ],
)
def test_a_list_says_which_uploads_cannot_be_run_and_why(types: list[str], trouble: str, shown: str) -> None:
    assert _row(Upload("u", "ann", 1, [1], types, "d", 5, Usage(), trouble))[:2] == ["u", shown]
