"""Errors that come into a guest, and that leave it as text."""

from __future__ import annotations

from automata import failure
from automata.errors import RemoteError
from automata.types import REGISTRY
from automata.values.classes import class_name, find_class

FRAMES_SHOWN = 20


def rebuilt(data: bytes) -> Exception:
    """The error in an outcome. One of a class of this module comes as itself, though it has travelled as text."""
    error = failure.decode(data)
    if not isinstance(error, RemoteError):
        return error
    for module in {made.cls.__module__ for made in REGISTRY.newest.values()}:
        if error.type_name.startswith(f"{module}."):
            cls = find_class(module, error.type_name.removeprefix(f"{module}."))
            if cls is not None and issubclass(cls, Exception):
                return _own(cls, error)
    return error


def _own(cls: type[Exception], error: RemoteError) -> Exception:
    try:
        own = cls.__new__(cls, error.message)
    except TypeError:
        return error
    own.args = (error.message,)
    own.__cause__ = failure.WhereRaised(error.remote_traceback)
    return own


def told(error: BaseException, name: str) -> list[str]:
    """[kind, message, traceback] of what a method has raised. name: of the method, for what is no Exception."""
    if isinstance(error, Exception):
        return [class_name(type(error)), failure.text_of(error).partition(": ")[2], failure.trace(error, -FRAMES_SHOWN)]
    return ["RuntimeError", f"{name} raised {failure.text_of(error)}", failure.trace(error, -FRAMES_SHOWN)]
