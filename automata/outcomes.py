"""Outcomes as bytes: how an idempotency key and a journal keep what a method gave.

outcome = 00 value in the encoding of its kind | 01 exception with its traceback | 03 as 01, of a refusal
"""

from __future__ import annotations

from automata.errors import InvalidArgument
from automata.failure import decode as decode_error
from automata.failure import encode as encode_error
from automata.methods import Kind
from automata.work import Outcome, Refusal

VALUE, ERROR, REFUSAL = b"\x00", b"\x01", b"\x03"


def encode_outcome(outcome: Outcome, kind: Kind, bytes_max: int, what: str) -> bytes:
    """The outcome as bytes; an error larger than `bytes_max` becomes one that says so. what: whose outcome it is."""
    if outcome.error is None:
        return VALUE + kind.encode(outcome.value)
    sort = REFUSAL if outcome.refused else ERROR
    data = sort + encode_error(outcome.error)
    if len(data) > bytes_max:
        size = f"the error of {what} takes {len(data)} bytes"
        data = sort + encode_error(InvalidArgument(f"{size}, too many to be recorded"))
    return data


def decode_outcome(data: bytes, kind: Kind, group: int) -> Outcome:
    """The outcome in `data`. group: what it depends on being durable."""
    if data[:1] == ERROR:
        return Outcome(None, decode_error(data[1:]), group)
    if data[:1] == REFUSAL:
        return Refusal(decode_error(data[1:]))
    return Outcome(kind.decode(data[1:]), None, group)


def take_outcome(data: bytes, kind: Kind) -> object:
    """What a client that was sent `data` sees: the value; or its error is raised, which is the client's own."""
    if data[:1] == VALUE:
        return kind.decode(data[1:])
    outcome = decode_outcome(data, kind, 0)
    if outcome.error is not None:
        raise outcome.error
    return outcome.value
