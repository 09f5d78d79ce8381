import json
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
import typer
from pydantic import BaseModel

from automata.errors import InvalidArgument, RemoteError, UnknownType
from automata.reference import make_ref
from ssms.cli.output import err, jsonable, out, print_json, print_table, readable, reported


class Colour(Enum):
    RED = "red"


class Model(BaseModel):
    a: int


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (make_ref("User", "al"), "User/al"),
        ({make_ref("User", "al"): 1}, [["User/al", 1]]),
        ({(1, 2): "x"}, [[[1, 2], "x"]]),
        ({"a": {1: 2}}, {"a": [[1, 2]]}),
        ((1, "x"), [1, "x"]),
        ({3}, [3]),
        ([1 << 20_000], ["0x1" + "0" * 5000]),
        (b"\x00\xff", "AP8="),
        (float("nan"), "NaN"),
        (datetime(2024, 5, 6, tzinfo=UTC), "2024-05-06T00:00:00Z"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Colour.RED, "red"),
        (Model(a=1), {"a": 1}),
        (np.arange(3), [0, 1, 2]),
        (1 << 80, 1 << 80),
        (object, repr(object)),
    ],
)
def test_any_value_becomes_json(value: object, shown: object) -> None:
    assert json.loads(json.dumps(jsonable(value), allow_nan=False)) == shown


def test_an_unknown_type_asks_for_the_app_only_where_none_was_given(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit), reported(False, Path("app.py")):
        raise UnknownType("no type")
    assert capsys.readouterr().err == "UnknownType: no type\n"


@pytest.mark.parametrize(
    ("error", "name", "words"),
    [
        (InvalidArgument("not [this]"), "InvalidArgument", "not [this]"),
        (UnknownType("no type"), "UnknownType", "no type. Say --app FILE"),
        (RemoteError("app.Broke", "it did", "Traceback..."), "RemoteError", "app.Broke: it did"),
    ],
)
def test_an_error_is_one_line_and_with_json_one_document(
    capsys: pytest.CaptureFixture[str], error: Exception, name: str, words: str
) -> None:
    for as_json in (False, True):
        with pytest.raises(typer.Exit) as ended, reported(as_json):
            raise error
        assert ended.value.exit_code == 1
        captured = capsys.readouterr()
        assert captured.err == f"{name}: {words}\n"
        assert (json.loads(captured.out) if as_json else captured.out) == (
            {"error": name, "message": words} if as_json else ""
        )


def test_other_errors_are_not_touched() -> None:
    with pytest.raises(ZeroDivisionError), reported(True):
        raise ZeroDivisionError


HARMFUL = "key\x1b[2J\x07\x9b31m\u202etxt.exe\rx"


def test_what_others_have_chosen_is_read_and_tells_the_terminal_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(HARMFUL, ["a", "b"], [[HARMFUL, HARMFUL], ["1", f"two\nlines {HARMFUL}"]])
    out().print(HARMFUL, markup=False, soft_wrap=True)
    err().print(HARMFUL)
    print_json({HARMFUL: [HARMFUL]})
    with pytest.raises(typer.Exit), reported(True):
        raise RemoteError("Kind\x1b]0;x\x07", HARMFUL, "")
    shown = capsys.readouterr()
    for character in shown.out + shown.err:
        assert character.isprintable() or character == "\n", repr(character)
    assert r"key\x1b[2J" in shown.out
    assert json.loads(shown.out[shown.out.index("{") :].partition("\n}")[0] + "}") == {HARMFUL: [HARMFUL]}


def test_a_number_of_too_many_digits_is_no_end_of_what_is_shown() -> None:
    assert "Exceeds the limit" in readable([1 << 20_000])
    assert readable({"a": 1}) == "{'a': 1}"
