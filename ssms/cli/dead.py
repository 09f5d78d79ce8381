"""`ssms dead`: messages that raised too often and methods that were interrupted; retry them, or drop them."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated

import typer
from rich.text import Text

from automata.errors import AutomataError, StateError
from automata.printable import printable
from ssms.cli import on_cluster
from ssms.cli.boxes import Boxes, opened
from ssms.cli.dead_entries import Entry, entries
from ssms.cli.options import Common, takes
from ssms.cli.output import err, out, print_json, print_table, reported
from ssms.cli.reading import reading

app = typer.Typer(help="List what needs a person: dead letters and interrupted methods. Retry or discard them.")

_ID = typer.Argument(metavar="ID", help="As `ssms dead list` shows it.", show_default=False)
IdArgument = Annotated[str, _ID]
MaybeIdArgument = Annotated[str | None, _ID]
AllOption = Annotated[bool, typer.Option("--all", help="All of them.")]
TracebackOption = Annotated[bool, typer.Option("--traceback", help="Also show where each was raised.")]


@app.callback(invoke_without_command=True)
@takes("store", "cluster", "token", "json")
def dead(context: typer.Context, *, common: Common) -> None:
    """List what needs a person: dead letters and interrupted methods.

    Example: ssms dead --store ./data
    """
    if context.invoked_subcommand is None:
        _list(common, traceback=False)
    elif common != Common():
        raise typer.BadParameter(f"say options behind the command: ssms dead {context.invoked_subcommand} --store ...")


@app.command("list")
@takes("store", "cluster", "token", "json")
def list_(*, common: Common, traceback: TracebackOption = False) -> None:
    """List dead letters and interrupted methods, oldest first. The store may be held by another process.

    Example: ssms dead list --store ./data
    """
    _list(common, traceback)


@app.command()
@takes("store", "cluster", "token", "json")
def show(identifier: IdArgument, *, common: Common) -> None:
    """Show one of them with its traceback. The store may be held by another process.

    Example: ssms dead show 17
    """
    with reported(common.json):
        found = [entry for entry in _entries(common) if entry.id == identifier]
        if not found:
            raise StateError(f"there is no dead letter {identifier!r} in {common.place}")
    if common.json:
        print_json(asdict(found[0]))
    else:
        _print(found[0])


@app.command()
@takes("store", "cluster", "token", "json")
def retry(identifier: MaybeIdArgument = None, *, common: Common, all_: AllOption = False) -> None:
    """Let a dead letter be delivered again, with all its tries, or a method go on.

    It needs the store for itself, and nothing runs now: that happens when an app opens the store next. On a cluster
    (--address) it happens at once. With --all, what cannot be retried stays where it is.

    Example: ssms dead retry 17
    """
    _change(common, identifier, all_, "retry", "retried")


@app.command()
@takes("store", "cluster", "token", "json")
def restart(identifier: IdArgument, *, common: Common) -> None:
    """Let an interrupted method begin anew when an app opens the store next: what it has done is done again.

    Example: ssms dead restart 17
    """
    _change(common, identifier, False, "restart", "restarted")


@app.command()
@takes("store", "cluster", "token", "json")
def discard(identifier: MaybeIdArgument = None, *, common: Common, all_: AllOption = False) -> None:
    """Drop a dead letter or an interrupted method for good. It needs the store for itself.

    Example: ssms dead discard 17
    """
    _change(common, identifier, all_, "discard", "discarded")


def _list(common: Common, traceback: bool) -> None:
    with reported(common.json):
        found = _entries(common)
        if common.json:
            print_json([asdict(entry) for entry in found])
        elif not found:
            err().print(f"nothing in {common.place} needs a person")
        elif traceback:
            for entry in found:
                _print(entry)
        else:
            rows = [[e.id, f"{e.type}/{e.key}", e.method, _what(e), _first_line(e.error)] for e in found]
            print_table(common.place, ["id", "object", "method", "what", "error"], rows)


def _entries(common: Common) -> list[Entry]:
    if common.cluster:
        with on_cluster.cluster_app(common) as app:
            return on_cluster.entries(app)
    with reading(common.store) as reader:
        return list(entries(reader))


def _print(entry: Entry) -> None:
    console = out()
    title = Text.assemble((entry.id, "bold"), f"  {entry.type}/{entry.key} {entry.method}  ({_what(entry)})")
    console.print(title, soft_wrap=True)
    console.print(f"  {entry.error}", markup=False, highlight=False, soft_wrap=True)
    if entry.traceback:
        typer.echo("\n".join(f"  {printable(line)}" for line in entry.traceback.rstrip().splitlines()))


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


_CHANGES: dict[str, Change] = {"retry": _retry, "restart": _restart, "discard": _discard}


def _change(common: Common, identifier: str | None, all_: bool, what: str, done: str) -> None:
    if (identifier is None) != all_:
        raise typer.BadParameter("say which: an ID, or --all")
    with reported(common.json):
        changed, left = _changed(common, identifier, what)
        if common.json:
            print_json({done: changed, "left": left})
        else:
            out().print(f"{done}: {len(changed)}", markup=False, highlight=False)
            for number, why in left.items():
                err().print(f"{number}: {why}")


def _changed(common: Common, identifier: str | None, what: str) -> tuple[list[str], dict[str, str]]:
    if common.cluster:
        with on_cluster.cluster_app(common) as app:
            return on_cluster.change(app, identifier, what)
    change = _CHANGES[what]
    with opened(common.store) as boxes:
        if identifier is None:
            return _change_each(boxes, change)
        change(boxes, identifier)
        return [identifier], {}


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
