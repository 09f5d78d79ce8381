"""`ssms show TYPE/KEY`: what one object holds."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.text import Text

from automata.errors import InvalidArgument
from automata.types import REGISTRY, AutomatonType
from ssms.cli import on_cluster
from ssms.cli.address import Address
from ssms.cli.app_file import load_types
from ssms.cli.options import AddressArgument, Common, takes
from ssms.cli.output import out, print_json, readable, reported
from ssms.cli.pending import Pending, PendingTimers, pending_of
from ssms.cli.reading import Reader, reading
from ssms.cli.recorded import Recorded, Records
from ssms.cli.stored_object import Entries, StoredObject

LimitOption = Annotated[
    int,
    typer.Option(
        "--limit", min=0, help="Entries shown of each collection, and last records shown; 0 shows all.", metavar="N"
    ),
]

_ONE_LINE = 1 << 30  # characters


@dataclass(frozen=True)
class _Found:
    """What is shown. records: how many follow the checkpoint of an automaton; recorded: the last of them."""

    fields: dict[str, object]
    records: int
    recorded: list[Recorded]
    pending: Pending


@takes("store", "app", "cluster", "token", "json")
def show(address: AddressArgument, *, common: Common, limit: LimitOption = 20) -> None:
    """Show the state of an object, and what is under way for it. The store may be held by another process.

    Without --app the rows are shown as they are; with it also defaults, and values as their classes. Of an
    automaton, the rows are its last checkpoint, and the last records since are shown as well; with --app, all of
    them are applied. With --address all is shown as the object's host sees it, and nothing of what is under way.
    Under way are methods that have not finished, messages that are parked, and timers.

    Example: ssms show User/alice --store ./data --app users.py
    """
    with reported(common.json, common.app):
        load_types(common.app)
        made = None if common.app is None else REGISTRY.get(address.type_name)
        found = _found(common, address, made, limit)
        if found is None:
            raise InvalidArgument(f"{address} does not exist in {common.place}: objects exist from their first write")
        if common.json:
            recorded = [vars(record) for record in found.recorded]
            print_json({"type": address.type_name, "key": address.key, **vars(found), "recorded": recorded})
            return
        _print(str(address), found.fields, common.place)
        _print_records(found, applied=made is not None)
        for under_way in (*found.pending.unfinished, *found.pending.parked, *_timers(found.pending.timers)):
            out().print(f"  {under_way}", style="yellow", markup=False, highlight=False, soft_wrap=True)


def _found(common: Common, address: Address, made: AutomatonType | None, limit: int) -> _Found | None:
    if common.cluster:
        with on_cluster.cluster_app(common) as app:
            fields = on_cluster.fields_of(app, address)
        return None if fields is None else _Found(fields, 0, [], Pending())
    with reading(common.store) as reader:
        return _find(reader, address, made, limit)


def _find(reader: Reader, address: Address, made: AutomatonType | None, limit: int) -> _Found | None:
    stored = StoredObject(reader.store, address, made, limit)
    pending = pending_of(reader, address)
    if not stored.exists and not pending:
        return None
    records = Records(reader.store, address, made)
    count = len(records)
    recorded = [records.shown(lsn, row) for lsn, row in records.last(limit or count)]
    return _Found(stored.fields(), count, recorded, pending)


def _print_records(found: _Found, applied: bool) -> None:
    if not found.records:
        return
    console, some = out(), len(found.recorded)
    which = "" if some == found.records else f", the last {some}"
    how = "which are applied above" if applied else "--app FILE applies them"
    console.print(f"  and {found.records} records since this checkpoint{which} ({how}):", style="dim")
    for record in found.recorded:
        console.print(f"    {record.lsn}  {record}", markup=False, soft_wrap=True)


def _timers(timers: PendingTimers) -> list[str]:
    if timers.next_due_ms is None:
        return []
    due = datetime.fromtimestamp(timers.next_due_ms / 1000, UTC).isoformat(sep=" ", timespec="milliseconds")
    return [f"timers: {timers.count} pending, the next is due {due}"]


def _print(address: str, fields: dict[str, object], place: str) -> None:
    console = out()
    console.print(Text.assemble((address, "bold"), f"  in {place}"))
    width = max(map(len, fields), default=0)
    for name, value in fields.items():
        line = Text(f"  {name:{width}}  ", style="cyan")
        if isinstance(value, Entries):
            console.print(line.append(_headline(value), style="dim"), soft_wrap=True)
            for item in value.shown:
                console.print(Text(f"  {'':{width}}    {_entry(value, item)}"), soft_wrap=True)
        else:
            console.print(line.append(readable(value), style="default"), soft_wrap=True)


def _headline(entries: Entries) -> str:
    some = len(entries.shown)
    if some == entries.size:
        return f"{entries.kind} of {entries.size}"
    return f"{entries.kind} of {entries.size}, the {'last' if entries.kind == 'List' else 'first'} {some}"


def _entry(entries: Entries, item: object) -> str:
    if entries.kind == "Map" and isinstance(item, tuple):
        return f"{readable(item[0], _ONE_LINE)}: {readable(item[1], _ONE_LINE)}"
    return readable(item, _ONE_LINE)
