"""What a dead letter says: the stored form of its error, and what may be done with it.

reason = msgpack [error:str, traceback:str]
"""

from __future__ import annotations

import msgspec

from automata import failure
from automata.envelope import Envelope, Payload, decode_payload, encode_payload
from automata.errors import StateError
from automata.parking import row_key
from darq.codec import Cause, Parked
from darq.step import Message

PARTLY_DONE = -1  # in place of the number of tries: the message was consumed by a part that has committed
_ARGUMENTS_LOST = -2  # as well: what it was asked could not be written down
_SHORT_CHARACTERS = 512  # of an error in the letter that is written when the full one cannot be
_ID_DIGITS_MAX = 20

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[str, str]).decode


def encode_reason(error: BaseException) -> bytes:
    """An error in one line, and where it was raised, for a parked row. Raises nothing, whatever the error is."""
    return _encode((failure.text_of(error), failure.trace(error)))


def decode_reason(data: bytes) -> tuple[str, str]:
    """(error, traceback) of a parked row."""
    return _decode(data)


def short_letter(partition: bytes, method: str, error: BaseException, fault: BaseException) -> Parked:
    """The letter in place of one that cannot be written because of `fault`: it says no more than that."""
    why = f"its arguments could not be kept: {failure.text_of(fault)[:_SHORT_CHARACTERS]}"
    reason = _encode((failure.text_of(error)[:_SHORT_CHARACTERS], why))
    return Parked(Cause.DEAD, 0, 1, reason, partition, encode_payload(Payload(method, b"", _ARGUMENTS_LOST)))


def check_retry(letter_id: str, payload: Payload) -> Payload:
    """The content of a letter to deliver it again, with all its tries. StateError if that must not be."""
    if payload.attempts == _ARGUMENTS_LOST:
        raise StateError(f"the arguments of {payload.method} could not be kept: discard({letter_id!r})")
    if payload.attempts == PARTLY_DONE:
        raise StateError(
            f"{payload.method} had committed a part before it failed, which a retry would do again: see to what is "
            f"missing, then discard({letter_id!r})"
        )
    return Payload(payload.method, payload.arguments, 0)


def row_of(letter_id: str) -> bytes:
    """The row of the letter of this id. StateError if it is no id."""
    if not letter_id.isdecimal() or len(letter_id) > _ID_DIGITS_MAX or int(letter_id) >= 1 << 64:
        raise StateError(f"{letter_id!r} is no id of a dead letter: ids are numbers, as app.dead_letters() gives them")
    return row_key(Cause.DEAD, int(letter_id))


def method_of(message: Message) -> str:
    """The method that a message is for, or "?" where that cannot be read."""
    if isinstance(message, Envelope):
        return message.method.name
    try:
        return decode_payload(message.payload()).method
    except msgspec.DecodeError:
        return "?"
