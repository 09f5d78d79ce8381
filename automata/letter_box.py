"""The dead letters of one log: read, delivered again, dropped. It needs no running engine."""

from __future__ import annotations

from dataclasses import dataclass

from automata import letters
from automata.envelope import Payload, decode_payload, encode_payload
from automata.errors import StateError
from automata.parking import Parking
from automata.partitions import address_of
from automata.reference import ObjectRef, make_ref
from darq import keys
from darq.codec import Cause, Parked
from darq.log import Log
from darq.step import Message, Step

_CLIENT = b""  # the partition of steps that belong to no object


@dataclass(frozen=True)
class Letter:
    """A message or method that needs a person: what it was for, and what went wrong.

    id: what retry(id) and discard(id) take; ref and method: what was invoked; error: the last error in one line;
    traceback: where it was raised.
    """

    id: str
    ref: ObjectRef
    method: str
    error: str
    traceback: str


class LetterBox:
    """The dead letters of one log."""

    def __init__(self, log: Log, parking: Parking) -> None:
        self._log = log
        self._parking = parking

    def letters(self) -> list[Letter]:
        """What has raised too often, oldest first."""
        return [letter_of(key, parked) for key, parked in self._parking.rows(Cause.DEAD)]

    def retry(self, letter_id: str) -> None:
        """Let a dead letter be delivered again, with all its tries. StateError if there is none of this id."""
        key = letters.row_of(letter_id)
        parked = self._find(key, letter_id)
        payload = letters.check_retry(letter_id, decode_payload(parked.payload))
        self._unpark(key, parked, payload)

    def discard(self, letter_id: str) -> None:
        """Drop a dead letter. StateError if there is none of this id."""
        key = letters.row_of(letter_id)
        self._find(key, letter_id)
        step = Step(_CLIENT, b"")
        step.set_row(key, None)
        self._log.commit(step)

    def _unpark(self, key: bytes, parked: Parked, payload: Payload) -> None:
        step = Step(_CLIENT, b"")
        step.set_row(key, None)
        step.send(Message(parked.partition, encode_payload(payload)))
        self._log.commit(step)

    def _find(self, key: bytes, letter_id: str) -> Parked:
        parked = self._parking.find(key)
        if parked is None:
            raise StateError(f"there is no dead letter {letter_id!r}: it never was there, or was retried or discarded")
        return parked


def letter_of(key: bytes, parked: Parked) -> Letter:
    """What is written in the row of a dead letter."""
    error, trace = letters.decode_reason(parked.reason)
    payload = decode_payload(parked.payload)
    return Letter(str(keys.number_of(key)), make_ref(*address_of(parked.partition)), payload.method, error, trace)
