"""Exceptions by value: what a caller gets is rebuilt from what could have crossed a wire, the same in every engine."""

from __future__ import annotations

import traceback

from automata.errors import RemoteError
from automata.values.exceptions import decode_exception, encode_exception


class WhereRaised(Exception):  # it shows in tracebacks as the cause of one
    """The traceback of the method that raised, as text."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


def portable(error: BaseException) -> BaseException:
    """The error as its caller sees it: the same class with equal args and attributes, or a RemoteError.

    Its cause shows the traceback of where it was raised.
    """
    text = trace(error)
    rebuilt = decode_exception(encode_exception(_exception(error), text))
    if not isinstance(rebuilt, RemoteError):
        rebuilt.__cause__ = WhereRaised(text)
    return rebuilt


def encode(error: BaseException) -> bytes:
    """The error with its traceback as bytes."""
    return encode_exception(_exception(error), trace(error))


def trace(error: BaseException) -> str:
    """Its traceback, for people."""
    return "".join(traceback.format_exception(error))


def _exception(error: BaseException) -> Exception:
    if isinstance(error, Exception):
        return error
    return RuntimeError(f"{type(error).__name__}: {error}")
