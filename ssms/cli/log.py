"""`ssms log TYPE/KEY`: what the last steps of one object did."""

from collections import deque
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Annotated

import typer

from automata.partitions import partition_of
from darq import history
from ssms.cli.address import Address
from ssms.cli.options import AddressArgument, Common, takes
from ssms.cli.output import err, print_json, print_table, reported
from ssms.cli.reading import Reader, reading

LastOption = Annotated[int, typer.Option("--last", min=1, help="How many steps to show.", metavar="N")]


@dataclass(frozen=True)
class StepTaken:
    """One step of an object.

    group: the group that it became durable with; writes: rows; sends: messages; records: self-messages, of automata.
    """

    time: str
    group: int
    method: str
    writes: int
    sends: int
    error: str
    records: int = 0


@takes("store", "json")
def log(address: AddressArgument, *, common: Common, last: LastOption = 50) -> None:
    """Show the last steps of an object: method, rows written, messages sent, records made, errors of messages.

    The store keeps a bounded history of all its steps, so old ones are gone. It may be held by another process.

    Example: ssms log User/alice --last 10
    """
    with reported(common.json):
        with reading(common.store) as reader:
            steps = steps_of(reader, address, last)
        if common.json:
            print_json([asdict(step) for step in steps])
        elif steps:
            rows = [
                [s.time, str(s.group), s.method, str(s.writes), str(s.sends), str(s.records), s.error] for s in steps
            ]
            print_table(f"{address}", ["time (UTC)", "group", "method", "writes", "sends", "records", "error"], rows)
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


def _time(time_ms: int) -> str:
    return (
        datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(sep=" ", timespec="milliseconds").removesuffix("+00:00")
    )
