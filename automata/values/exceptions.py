"""Exceptions as values, so that what a method raises reaches its caller as itself.

An encoding is the MessagePack array [module, qualname, message, traceback, state]. The state is nil, or the
MessagePack bytes of [args, attributes, slots] as `automata.values.dynamic` writes them. Nothing is pickled and no
`__init__` of a user's class runs: the class is looked up among the imported modules and its state put back. Where
that is impossible the reader gets a `RemoteError` with the same message and the traceback.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import MemberDescriptorType
from typing import Any

from automata.errors import InvalidArgument, RemoteError
from automata.values.classes import class_name, find_class
from automata.values.wire import WIRE_DECODER, from_bytes, to_bytes, to_wire

_HEAP_TYPE = 1 << 9
"""CPython's flag of classes made by a `class` statement; the others are its own, written in C."""

# `AttributeError.obj` and the like: what the failing expression was applied to, an aid to debugging with no bound.
_NOT_STATE = frozenset({"obj"})


def encode_exception(exc: Exception, traceback_text: str) -> bytes:
    """The bytes of `exc` and of its traceback as text. Raises `TypeError` for what is no `Exception`."""
    if not isinstance(exc, Exception):
        raise TypeError(f"a {class_name(type(exc))} is no answer of a method, so it is not encoded")
    cls = type(exc)
    return to_bytes([cls.__module__, cls.__qualname__, _message(exc), _printable(traceback_text), _state(exc)])


def decode_exception(data: bytes) -> Exception:
    """The exception that `encode_exception` made `data` of, or a `RemoteError` in its place.

    Raises `ValueError` for damaged bytes.
    """
    return decode_raised(data)[0]


def decode_raised(data: bytes) -> tuple[Exception, str]:
    """As `decode_exception`, with its traceback as text."""
    parts = from_bytes(WIRE_DECODER, data)
    if not isinstance(parts, list) or len(parts) != 5:
        raise ValueError("the stored exception is damaged")
    module, qualname, message, traceback_text, state = parts
    cls = find_class(module, qualname)
    if cls is not None and issubclass(cls, Exception) and state is not None:
        try:
            return _rebuild(cls, from_bytes(WIRE_DECODER, state)), traceback_text
        except (AttributeError, TypeError, ValueError):
            # The class has changed, or a value in the state is of a class that is not imported: no state, no self.
            pass
    name = qualname if module == "builtins" else f"{module}.{qualname}"
    return RemoteError(name, message, traceback_text), traceback_text


def _message(exc: Exception) -> str:
    try:
        return _printable(str(exc))
    except Exception as error:  # noqa: BLE001 -- a user's __str__ may raise anything, and the answer must still arrive
        return f"(its message cannot be shown: {class_name(type(error))})"


def _printable(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()


def _state(exc: Exception) -> bytes | None:
    try:
        if isinstance(exc, ExceptionGroup):
            args: list[object] = [exc.message, [encode_exception(one, "") for one in exc.exceptions]]
        else:
            args = list(exc.args)
        return to_bytes(to_wire([args, dict(vars(exc)), dict(_slots(exc))]))
    except InvalidArgument:
        return None


def _slots(exc: Exception) -> Iterator[tuple[str, object]]:
    """State outside `__dict__`: the fields of built-in exceptions (`errno`) and `__slots__`."""
    if isinstance(exc, ExceptionGroup):
        return
    for base in type(exc).__mro__:
        for name, descriptor in vars(base).items():
            if isinstance(descriptor, MemberDescriptorType) and not name.startswith("__") and name not in _NOT_STATE:
                value = getattr(exc, name, None)
                if value is not None:
                    yield name, value


def _rebuild(cls: type[Exception], state: Any) -> Exception:
    args, attributes, slots = state
    if issubclass(cls, ExceptionGroup):
        args = [args[0], [decode_exception(one) for one in args[1]]]
    # The constructor of the built-in ancestor lays the instance out and stores `args`; no code of a user runs.
    exc: Exception = _built_in(cls).__new__(cls, *args)
    if not issubclass(cls, ExceptionGroup):
        exc.args = tuple(args)
    for name, value in slots.items():
        setattr(exc, name, value)
    vars(exc).update(attributes)
    return exc


def _built_in(cls: type) -> Any:
    """The nearest ancestor that decides the memory layout of `cls` and is written in C."""
    ancestor: type | None = cls
    while ancestor is not None and ancestor.__flags__ & _HEAP_TYPE:
        ancestor = ancestor.__base__
    return ancestor
