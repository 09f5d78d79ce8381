"""Exceptions by value: what a caller gets is rebuilt from what could have crossed a wire, the same in every engine."""

from __future__ import annotations

import traceback

from automata.errors import RemoteError
from automata.values.classes import class_name
from automata.values.exceptions import decode_raised, encode_exception

TEXT_BYTES_MAX = 64 << 10  # of a message or a traceback that is kept
_CUT = "... (cut: it had {} characters)"


class WhereRaised(Exception):  # it shows in tracebacks as the cause of one
    """The traceback of the method that raised, as text."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


def portable(error: BaseException) -> BaseException:
    """The error as its caller sees it: the same class with equal args and attributes, or a RemoteError.

    Its cause shows the traceback of where it was raised.
    """
    return decode(encode(error))


def encode(error: BaseException) -> bytes:
    """The error with its traceback as bytes."""
    return encode_exception(_exception(error), trace(error))


def decode(data: bytes) -> Exception:
    """The error in `data`, or a RemoteError. Its cause shows the traceback of where it was raised."""
    rebuilt, text = decode_raised(data)
    if text and not isinstance(rebuilt, RemoteError):
        rebuilt.__cause__ = WhereRaised(text)
    return rebuilt


def text_of(error: BaseException) -> str:
    """Its class and message for people, whatever they are: never raises, can always be encoded, has a bound."""
    return _bounded(f"{type(error).__name__}: {_message(error)}")


def name_of(error: BaseException) -> str:
    """The name of its class, with the same promises."""
    return _bounded(type(error).__name__)


def trace(error: BaseException, limit: int | None = None) -> str:
    """Its traceback for people, with the same promises as `text_of`. limit: of frames; negative, of the last ones."""
    try:
        return _bounded("".join(traceback.format_exception(error, limit=limit)))
    except Exception as fault:  # noqa: BLE001 - it shows what users have made, which may raise anything
        return f"(its traceback cannot be shown: {class_name(type(fault))})"


def _exception(error: BaseException) -> Exception:
    if isinstance(error, Exception):
        return error
    return RuntimeError(text_of(error))


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as fault:  # noqa: BLE001 - a user's __str__ may raise anything, and the error must still be kept
        return f"(its message cannot be shown: {class_name(type(fault))})"


def _bounded(text: str) -> str:
    """The text without surrogates, which cannot be written down, and cut to the bound."""
    data = text[:TEXT_BYTES_MAX].encode(errors="backslashreplace")
    if len(text) <= TEXT_BYTES_MAX and len(data) <= TEXT_BYTES_MAX:
        return data.decode()
    note = _CUT.format(len(text))
    return data[: TEXT_BYTES_MAX - len(note)].decode(errors="ignore") + note
