"""`ssms dead`: messages that raised too often and methods that were interrupted; retry them, or drop them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from automata.envelope import decode_open
from automata.errors import AutomataError, StateError
from automata.letter_box import LetterBox, letter_of
from automata.open_invocations import OpenInvocations
from automata.parking import Parking, row_key
from automata.partitions import address_of
from darq import RocksStore, keys
from darq.codec import Cause, Parked
from darq.log import Log
from ssms.cli.options import Common, takes
from ssms.cli.output import err, out, print_json, print_table, reported
from ssms.cli.reading import Reader, reading, rows_of

app = typer.Typer(help="List what needs a person: dead letters and interrupted methods. Retry or discard them.")

_ID = typer.Argument(metavar="ID", help="As `ssms dead list` shows it.", show_default=False)
IdArgument = Annotated[str, _ID]
MaybeIdArgument = Annotated[str | None, _ID]
AllOption = Annotated[bool, typer.Option("--all", help="All of them.")]
TracebackOption = Annotated[bool, typer.Option("--traceback", help="Also show where each was raised.")]

INTERRUPTED = "Interrupted: its process died after it had committed a part"


@dataclass(frozen=True)
class Entry:
    """What needs a person. interrupted: it is no message, but a method that has committed a part and not finished."""

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
    """Let a dead letter be delivered again, with all its tries. It needs the store for itself.

    Nothing runs now: the message is delivered when an app opens the store next. With --all, what cannot be retried
    stays where it is.

    Example: ssms dead retry 17
    """
    _change(common, identifier, all_, _retry, "retried")


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
    since_ms = reader.holder.since_ms if reader.holder else None
    for key, data in rows_of(reader.store, keys.INVOCATION, keys.after(keys.INVOCATION)):
        opened = decode_open(data)
        if since_ms is None or opened.started_ms < since_ms:
            address = address_of(opened.partition)
            yield Entry(str(keys.number_of(key)), *address, opened.method, INTERRUPTED, "", interrupted=True)


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


Change = Callable[[LetterBox, OpenInvocations, str], None]


def _retry(box: LetterBox, opened: OpenInvocations, identifier: str) -> None:
    if identifier.isdecimal() and int(identifier) in opened.interrupted:
        raise StateError(f"{identifier} is an interrupted method, of which parts have happened: it can be discarded")
    box.retry(identifier)


def _discard(box: LetterBox, opened: OpenInvocations, identifier: str) -> None:
    if identifier.isdecimal() and int(identifier) in opened.interrupted:
        opened.discard_now(int(identifier))
    else:
        box.discard(identifier)


def _change(common: Common, identifier: str | None, all_: bool, change: Change, done: str) -> None:
    if (identifier is None) != all_:
        raise typer.BadParameter("say which: an ID, or --all")
    changed: list[str] = []
    left: dict[str, str] = {}
    with reported(common.json):
        with _log(common.store) as log:
            box, opened = LetterBox(log, Parking(log, log.clock)), OpenInvocations(log)
            if identifier is not None:
                change(box, opened, identifier)
                changed.append(identifier)
            else:
                numbers = [letter.id for letter in box.letters()] + [str(n) for n in opened.interrupted]
                changed, left = _change_each(numbers, lambda number: change(box, opened, number))
        if common.json:
            print_json({done: changed, "left": left})
        else:
            out().print(f"{done}: {len(changed)}", markup=False, highlight=False)
            for number, why in left.items():
                err().print(f"{number}: {why}")


def _change_each(numbers: list[str], change: Callable[[str], None]) -> tuple[list[str], dict[str, str]]:
    """(those that were changed, why each other was not)."""
    changed: list[str] = []
    left: dict[str, str] = {}
    for number in numbers:
        try:
            change(number)
        except AutomataError as error:
            left[number] = str(error)
        else:
            changed.append(number)
    return changed, left


@contextmanager
def _log(folder: Path) -> Iterator[Log]:
    """The log of the store, with nothing running over it; what the block commits is durable behind it."""
    with reading(folder):
        pass  # it is there: opening it for changes would make one
    store = RocksStore(folder)
    try:
        log = Log(store)
        killed = log.was_killed
        log.admit()
        yield log
        if log.group.dirty:
            log.commit_now()
        if not killed:
            log.close()  # else the next life has to know that an earlier one was killed
    finally:
        store.close()
