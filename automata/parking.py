"""Rows of messages parked beside the inbox: for a retry, until their type is defined, or for a person (dead letters).

They are read in pages: there is no bound on how many a store holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from automata.envelope import decode_payload
from darq import keys
from darq.codec import Cause, Parked
from darq.log import Log
from darq.step import Message, Step

PAGE_ROWS = 256


class Parking:
    """The parked messages of one log."""

    def __init__(self, log: Log, clock: Callable[[], float]) -> None:
        self._log = log
        self._clock = clock

    def add(self, step: Step, parked: Parked, error: str, number: int = 0) -> bytes:
        """Let `step` park a message, and note which error was why. Returns the row's key.

        number: of the row, if it is the message's own; else it gets a new one.
        """
        method = decode_payload(parked.payload).method
        key = row_key(parked.cause, number or self._log.take_lsn())
        step.set_row(key, parked.encode())
        step.note = (int(self._clock() * 1000), parked.partition, method, 0, 0, error)
        return key

    def find(self, key: bytes) -> Parked | None:
        """What is parked in one row."""
        data = self._log.row(key)
        return None if data is None else Parked.decode(data)

    def rows(self, cause: Cause) -> Iterator[tuple[bytes, Parked]]:
        """(row key, message) of everything parked for one cause, in the order of parking."""
        number = 0
        while True:
            page, number = self.page(cause, number)
            yield from page
            if not number:
                return

    def page(self, cause: Cause, number: int) -> tuple[list[tuple[bytes, Parked]], int]:
        """Some rows from `number` on, staged or stored, and the number to go on with: 0 behind the last page."""
        begin, end = row_key(cause, number), keys.after(keys.PARKED + bytes([cause]))
        found = self._log.store.scan(begin, end, PAGE_ROWS)
        further = 0
        if len(found) == PAGE_ROWS:
            further = keys.number_of(found[-1][0]) + 1
            end = row_key(cause, further)
        merged: dict[bytes, bytes | None] = dict(found)
        merged.update((key, data) for key, data in self._log.group.rows.items() if begin <= key < end)
        return [(key, Parked.decode(data)) for key, data in sorted(merged.items()) if data is not None], further


def row_key(cause: Cause, number: int) -> bytes:
    """The key of one parked row."""
    return keys.PARKED + bytes([cause]) + keys.number(number)


def as_message(key: bytes, parked: Parked) -> Message:
    """A parked message under the number of its row."""
    return Message(parked.partition, parked.payload, keys.number_of(key), stored=True)
