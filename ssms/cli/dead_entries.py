"""What needs a person, as `ssms dead` shows it."""

from collections.abc import Iterator
from dataclasses import dataclass

from automata.envelope import decode_open
from automata.letter_box import letter_of
from automata.parking import row_key
from automata.partitions import address_of
from automata.resuming import Trouble
from darq import keys
from darq.codec import Cause, Parked
from ssms.cli.reading import Reader, rows_of


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
