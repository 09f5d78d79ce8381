"""`ssms dead`: messages that raised too often and methods that were interrupted; retry them, or drop them."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Annotated

import typer
from rich.text import Text

from automata.envelope import decode_open
from automata.errors import AutomataError, StateError
from automata.letter_box import letter_of
from automata.parking import row_key
from automata.partitions import address_of
from automata.resuming import Trouble
from darq import keys
from darq.codec import Cause, Parked
from ssms.cli.boxes import Boxes, opened
from ssms.cli.options import Common, takes
from ssms.cli.output import err, out, print_json, print_table, reported
from ssms.cli.reading import Reader, reading, rows_of

app = typer.Typer(help="List what needs a person: dead letters and interrupted methods. Retry or discard them.")

_ID = typer.Argument(metavar="ID", help="As `ssms dead list` shows it.", show_default=False)
IdArgument = Annotated[str, _ID]
MaybeIdArgument = Annotated[str | None, _ID]
AllOption = Annotated[bool, typer.Option("--all", help="All of them.")]
TracebackOption = Annotated[bool, typer.Option("--traceback", help="Also show where each was raised.")]


@dataclass(frozen=True)
class Entry:
    """What needs a person. interrupted: it is a method that stopped between two parts and cannot go on."""

    id: str
    type: str
    key: str
    method: str
    error: str
    traceback: str
    interrupted: bool


@app.callback(invoke_without_command=True)
@takes("store", "json")
def dead(context: typer.Context, *, common: Common) -> None:
    """List what needs a person: dead letters and interrupted methods.

    Example: ssms dead --store ./data
    """
    if context.invoked_subcommand is None:
        _list(common, traceback=False)
    elif common != Common():
        raise typer.BadParameter(f"say options behind the command: ssms dead {context.invoked_subcommand} --store ...")


@app.command("list")
@takes("store", "json")
def list_(*, common: Common, traceback: TracebackOption = False) -> None:
    """List dead letters and interrupted methods, oldest first. The store may be held by another process.

    Example: ssms dead list --store ./data
    """
    _list(common, traceback)


@app.command()
@takes("store", "json")
def show(identifier: IdArgument, *, common: Common) -> None:
    """Show one of them with its traceback. The store may be held by another process.

    Example: ssms dead show 17
    """
    with reported(common.json):
        with reading(common.store) as reader:
            found = [entry for entry in entries(reader) if entry.id == identifier]
        if not found:
            raise StateError(f"there is no dead letter {identifier!r} in {common.store}")
    if common.json:
        print_json(asdict(found[0]))
    else:
        _print(found[0])


@app.command()
@takes("store", "json")
def retry(identifier: MaybeIdArgument = None, *, common: Common, all_: AllOption = False) -> None:
    """Let a dead letter be delivered again, with all its tries, or a method go on. It needs the store for itself.

    Nothing runs now: that happens when an app opens the store next. With --all, what cannot be retried
    stays where it is.

    Example: ssms dead retry 17
    """
    _change(common, identifier, all_, _retry, "retried")


@app.command()
@takes("store", "json")
def restart(identifier: IdArgument, *, common: Common) -> None:
    """Let an interrupted method begin anew when an app opens the store next: what it has done is done again.

    Example: ssms dead restart 17
    """
    _change(common, identifier, False, _restart, "restarted")


@app.command()
@takes("store", "json")
def discard(identifier: MaybeIdArgument = None, *, common: Common, all_: AllOption = False) -> None:
    """Drop a dead letter or an interrupted method for good. It needs the store for itself.

    Example: ssms dead discard 17
    """
    _change(common, identifier, all_, _discard, "discarded")


def entries(reader: Reader) -> Iterator[Entry]:
    """What needs a person, oldest first: dead letters, then interrupted methods."""
    for key, data in rows_of(reader.store, row_key(Cause.DEAD, 0), keys.after(keys.PARKED + bytes([Cause.DEAD]))):
        letter = letter_of(key, Parked.decode(data))
        ref = letter.ref
        yield Entry(letter.id, ref.type_name, ref.key, letter.method, letter.error, letter.traceback, interrupted=False)
    for key, data in rows_of(reader.store, keys.INVOCATION, keys.after(keys.INVOCATION)):
        row = decode_open(data)
        if row.trouble:
            address = address_of(row.partition)
            raised = row.trouble == Trouble.RAISED
            number = str(keys.number_of(key))
            yield Entry(number, *address, row.method, row.error, row.traceback, interrupted=not raised)


def _list(common: Common, traceback: bool) -> None:
    with reported(common.json):
        with reading(common.store) as reader:
            found = list(entries(reader))
        if common.json:
            print_json([asdict(entry) for entry in found])
        elif not found:
            err().print(f"nothing in {common.store} needs a person")
        elif traceback:
            for entry in found:
                _print(entry)
        else:
            rows = [[e.id, f"{e.type}/{e.key}", e.method, _what(e), _first_line(e.error)] for e in found]
            print_table(f"{common.store}", ["id", "object", "method", "what", "error"], rows)


def _print(entry: Entry) -> None:
    console = out()
    title = Text.assemble((entry.id, "bold"), f"  {entry.type}/{entry.key} {entry.method}  ({_what(entry)})")
    console.print(title, soft_wrap=True)
    console.print(f"  {entry.error}", markup=False, highlight=False, soft_wrap=True)
    if entry.traceback:
        typer.echo("\n".join(f"  {line}" for line in entry.traceback.rstrip().splitlines()))


def _what(entry: Entry) -> str:
    return "interrupted method" if entry.interrupted else "dead letter"


def _first_line(text: str) -> str:
    return text.partition("\n")[0]


Change = Callable[[Boxes, str], None]


def _retry(boxes: Boxes, identifier: str) -> None:
    number = boxes.number(identifier)
    if number is None:
        boxes.letters.retry(identifier)
    else:
        boxes.interrupted.release(boxes.interrupted.retry(number))


def _restart(boxes: Boxes, identifier: str) -> None:
    number = boxes.number(identifier)
    if number is None:
        raise StateError(f"there is no interrupted method {identifier!r}: ssms dead lists them")
    boxes.interrupted.release(boxes.interrupted.restart(number))


def _discard(boxes: Boxes, identifier: str) -> None:
    number = boxes.number(identifier)
    if number is None:
        boxes.letters.discard(identifier)
    else:
        boxes.interrupted.discard(number)


def _change(common: Common, identifier: str | None, all_: bool, change: Change, done: str) -> None:
    if (identifier is None) != all_:
        raise typer.BadParameter("say which: an ID, or --all")
    changed: list[str] = []
    left: dict[str, str] = {}
    with reported(common.json):
        with opened(common.store) as boxes:
            if identifier is not None:
                change(boxes, identifier)
                changed.append(identifier)
            else:
                changed, left = _change_each(boxes, change)
        if common.json:
            print_json({done: changed, "left": left})
        else:
            out().print(f"{done}: {len(changed)}", markup=False, highlight=False)
            for number, why in left.items():
                err().print(f"{number}: {why}")


def _change_each(boxes: Boxes, change: Change) -> tuple[list[str], dict[str, str]]:
    """(those that were changed, why each other was not)."""
    changed: list[str] = []
    left: dict[str, str] = {}
    for identifier in boxes.ids():
        try:
            change(boxes, identifier)
        except AutomataError as error:
            left[identifier] = str(error)
        else:
            changed.append(identifier)
    return changed, left
