"""What commands print: results on standard output, everything about how it went on standard error."""

import json
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import NoReturn

import typer
from pydantic_core import to_json
from rich.console import Console, ConsoleOptions, RenderableType
from rich.pretty import pretty_repr
from rich.segment import Segment
from rich.table import Table

from automata.errors import AutomataError, RemoteError, UnknownType
from automata.printable import printable
from automata.reference import ObjectRef

FAILED = 1
"""The exit code of a command that was understood and could not be done. Wrong usage exits with 2."""

_WIDE = 200
_READABLE_WIDTH = 1000
_DECIMAL_BITS_MAX = 14_000  # of integers: Python itself makes no more than 4,300 digits


class _Screen(Console):
    """A console on which the text of others, such as keys and errors, does nothing but be read."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else printable(text, "\n"), style, control)


def out() -> Console:
    """Standard output, as it is now; what is not read on a terminal gets lines as long as its columns need."""
    return _Screen() if sys.stdout.isatty() else _Screen(width=_WIDE)


def err() -> Console:
    """Standard error, as it is now; its lines are never broken, so that one message is one line."""
    return _Screen(stderr=True, soft_wrap=True, highlight=False, markup=False)


def jsonable(value: object) -> object:
    """`value` in what JSON has: refs as "TYPE/KEY", sets and tuples as arrays, bytes as base64, nan as text."""
    plain: object = json.loads(to_json(_keyed(value), fallback=_unknown, bytes_mode="base64", inf_nan_mode="strings"))
    return plain


def print_json(value: object) -> None:
    """One JSON document on standard output."""
    text = json.dumps(jsonable(value), indent=2, ensure_ascii=False)
    if not text.isprintable():
        text = "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)
    typer.echo(text)


def print_table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """A table; numbers are set to the right, and words of the first two columns keep their line."""
    table = Table(title=title, title_justify="left", title_style="bold", header_style="bold")
    for at, column in enumerate(columns):
        numeric = bool(rows) and all(row[at].replace(",", "").replace(".", "").lstrip("-").isdigit() for row in rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    out().print(table, markup=False)


def readable(value: object, width: int = _READABLE_WIDTH) -> str:
    """A value as Python writes it, also where that cannot write a part of it, in lines of about so many characters."""
    return pretty_repr(value, max_width=width)


@contextmanager
def reported(as_json: bool, app: Path | None = None, define: str = "--app FILE") -> Iterator[None]:
    """Errors of this library end the command with one line on standard error, and exit code 1.

    as_json: also as {"error": name, "message": text} on standard output, which then always holds one document.
    app: the file that defines the types, if one was given. define: what makes an unknown type known.
    """
    try:
        yield
    except UnknownType as error:
        fail("UnknownType", f"{error}. Say {define}" if app is None else str(error), as_json)
    except AutomataError as error:
        fail(type(error).__name__, _line(error), as_json)


def fail(name: str, message: str, as_json: bool) -> NoReturn:
    """End the command: it could not be done."""
    if as_json:
        print_json({"error": name, "message": message})
    err().print(f"{name}: {message}", style="red")
    raise typer.Exit(FAILED)


def print_traceback(error: BaseException, path: str) -> None:
    """The traceback of an error in a user's file, from its first line in that file on."""
    trace: TracebackType | None = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != path:
        trace = trace.tb_next
    typer.echo("".join(traceback.format_exception(type(error), error, trace)).rstrip(), err=True)


def _line(error: AutomataError) -> str:
    return f"{error.type_name}: {error.message}" if isinstance(error, RemoteError) else str(error)


def _keyed(value: object) -> object:
    """JSON has text alone as keys: a mapping with others becomes an array of [key, value].

    Integers whose decimal digits would take minutes to be found are told in hexadecimal.
    """
    if type(value) is int and value.bit_length() > _DECIMAL_BITS_MAX:
        return f"{value:#x}"
    if isinstance(value, dict):
        if all(isinstance(key, str) for key in value):
            return {key: _keyed(item) for key, item in value.items()}
        return [[_keyed(key), _keyed(item)] for key, item in value.items()]
    if isinstance(value, list | tuple | set | frozenset):
        return [_keyed(item) for item in value]
    return value


def _unknown(value: object) -> object:
    if isinstance(value, ObjectRef):
        return f"{value.type_name}/{value.key}"
    plain = getattr(value, "tolist", None)  # numpy arrays and scalars
    return plain() if callable(plain) else repr(value)
