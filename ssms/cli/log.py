"""`ssms log TYPE/KEY`: what the last steps of one object did."""

from collections import deque
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated

import typer

from automata.partitions import partition_of
from automata.types import REGISTRY
from darq import history
from ssms.cli import on_cluster
from ssms.cli.address import Address
from ssms.cli.app_file import load_types
from ssms.cli.options import AddressArgument, Common, takes
from ssms.cli.output import err, print_json, print_table, reported
from ssms.cli.reading import Reader, reading
from ssms.cli.recorded import Recorded, Records

LastOption = Annotated[int, typer.Option("--last", min=1, help="How many steps to show.", metavar="N")]
LimitOption = Annotated[
    int, typer.Option("--limit", min=0, help="Records shown of each step, the last ones; 0 shows all.", metavar="N")
]


@dataclass(frozen=True)
class StepTaken:
    """One step of an object.

    group: the group that it became durable with; writes: rows; sends: messages; records: how many self-messages it
    made; recorded: the last of them, as far as no checkpoint has taken their place.
    """

    time: str
    group: int
    method: str
    writes: int
    sends: int
    error: str
    records: int = 0
    recorded: tuple[Recorded, ...] = ()


@takes("store", "app", "cluster", "token", "json")
def log(address: AddressArgument, *, common: Common, last: LastOption = 50, limit: LimitOption = 3) -> None:
    """Show the last steps of an object: method, rows written, messages sent, records made, errors of messages.

    The store keeps a bounded history of all its steps, so old ones are gone. What an automaton has recorded is shown
    until a checkpoint takes its place; with --app, as its classes. The store may be held by another process. With
    --address it says where on a cluster the history is.

    Example: ssms log User/alice --last 10
    """
    with reported(common.json, common.app):
        load_types(common.app)
        if common.cluster:
            with on_cluster.cluster_app(common) as app:
                on_cluster.no_history(app, address)
        made = None if common.app is None else REGISTRY.get(address.type_name)
        with reading(common.store) as reader:
            steps = with_records(steps_of(reader, address, last), Records(reader.store, address, made), limit)
        if common.json:
            print_json([vars(s) | {"recorded": [vars(record) for record in s.recorded]} for s in steps])
        elif steps:
            rows = [
                [s.time, str(s.group), s.method, str(s.writes), str(s.sends), str(s.records), _lines(s), s.error]
                for s in steps
            ]
            columns = ["time (UTC)", "group", "method", "writes", "sends", "records", "recorded", "error"]
            shown = [at for at, name in enumerate(columns) if name != "recorded" or any(s.recorded for s in steps)]
            print_table(f"{address}", [columns[at] for at in shown], [[row[at] for at in shown] for row in rows])
        else:
            err().print(f"no step of {address} is in the history of {common.store}")


def steps_of(reader: Reader, address: Address, last: int) -> list[StepTaken]:
    """Up to `last` steps of one object that the history still holds, oldest first."""
    partition = partition_of(address.type_name, address.key)
    found: deque[StepTaken] = deque(maxlen=last)
    for group, (time_ms, owner, *did) in history.notes(reader.store, reader.head.history_start):
        if owner == partition:
            found.append(StepTaken(_time(time_ms), group, *did))
    return list(found)


def with_records(steps: list[StepTaken], records: Records, limit: int) -> list[StepTaken]:
    """The steps with what they have recorded: the last records are the last step's, and so on, back to a checkpoint."""
    left = records.last(sum(step.records for step in steps))
    found: list[StepTaken] = []
    for step in reversed(steps):
        first = max(0, len(left) - step.records)
        own, left = left[first:], left[:first]
        shown = own[-limit:] if limit else own
        found.append(replace(step, recorded=tuple(records.shown(lsn, row) for lsn, row in shown)))
    return found[::-1]


def _lines(step: StepTaken) -> str:
    """One line each, behind a note of how many came before them."""
    more = step.records - len(step.recorded)
    return "\n".join([f"({more} more)"] * bool(more and step.recorded) + [str(record) for record in step.recorded])


def _time(time_ms: int) -> str:
    return (
        datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(sep=" ", timespec="milliseconds").removesuffix("+00:00")
    )
