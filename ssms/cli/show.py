"""`ssms show TYPE/KEY`: what one object holds."""

from pathlib import Path
from typing import Annotated

import typer
from rich.pretty import pretty_repr
from rich.text import Text

from automata.errors import InvalidArgument
from automata.types import REGISTRY
from ssms.cli.app_file import load_types
from ssms.cli.options import AddressArgument, Common, takes
from ssms.cli.output import out, print_json, reported
from ssms.cli.reading import reading
from ssms.cli.stored_object import Entries, StoredObject

LimitOption = Annotated[
    int, typer.Option("--limit", min=0, help="Entries shown of each collection; 0 shows all.", metavar="N")
]


@takes("store", "app", "json")
def show(address: AddressArgument, *, common: Common, limit: LimitOption = 20) -> None:
    """Show the state of an object. The store may be held by another process.

    Without --app the rows are shown as they are; with it also defaults, and values as their classes. Of an
    automaton, the rows are its last checkpoint; with --app, what it has recorded since is applied.

    Example: ssms show User/alice --store ./data --app users.py
    """
    with reported(common.json, common.app):
        load_types(common.app)
        made = None if common.app is None else REGISTRY.get(address.type_name)
        with reading(common.store) as reader:
            stored = StoredObject(reader.store, address, made, limit)
            if not stored.exists:
                raise InvalidArgument(
                    f"{address} does not exist in {common.store}: objects exist from their first write"
                )
            fields, records = stored.fields(), stored.records()
        if common.json:
            print_json({"type": address.type_name, "key": address.key, "fields": fields, "records": records})
        else:
            _print(str(address), fields, common.store)
            if records and made is None:
                out().print(f"  and {records} records since this checkpoint: --app FILE applies them", style="dim")


def _print(address: str, fields: dict[str, object], store: Path) -> None:
    console = out()
    console.print(Text.assemble((address, "bold"), f"  in {store}"))
    width = max(map(len, fields), default=0)
    for name, value in fields.items():
        line = Text(f"  {name:{width}}  ", style="cyan")
        if isinstance(value, Entries):
            console.print(line.append(_headline(value), style="dim"), soft_wrap=True)
            for item in value.shown:
                console.print(Text(f"  {'':{width}}    {_entry(value, item)}"), soft_wrap=True)
        else:
            console.print(line.append(pretty_repr(value, max_width=1000), style="default"), soft_wrap=True)


def _headline(entries: Entries) -> str:
    some = len(entries.shown)
    if some == entries.size:
        return f"{entries.kind} of {entries.size}"
    return f"{entries.kind} of {entries.size}, the {'last' if entries.kind == 'List' else 'first'} {some}"


def _entry(entries: Entries, item: object) -> str:
    if entries.kind == "Map" and isinstance(item, tuple):
        return f"{item[0]!r}: {item[1]!r}"
    return repr(item)
