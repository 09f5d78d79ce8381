"""`@apply`: which method of an automaton takes which self-message, and how those are stored (SSMS §2, CReSt).

    record = msgpack [tag, value]: tag = the name of the value's class, value = its encoding (automata.values)

A class is looked up by itself, then by its bases; what is stored names the class itself.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, get_args, get_origin

import msgspec

from automata.errors import DeclarationError, InvalidArgument, StateError
from automata.values.value_type import value_type

F = TypeVar("F", bound=Callable[..., None])

_MARK = "__automata_apply__"
_PAIR = b"\x92"  # the head of a msgpack array of two
_encode_tag = msgspec.msgpack.Encoder().encode
_decode_tag = msgspec.msgpack.Decoder(tuple[str, msgspec.Raw]).decode
_SHORT_TEXT_END, _TAG_OF_SHORT_TEXT = 0xC0, 0xA0 - 2


def apply(method: F) -> F:
    """Declare what a self-message of an `@automaton` changes: `def name(self, e: T)`, chosen by T (SSMS §2).

    It runs when the message is recorded and again on each recovery, so it must be pure: it depends on the automaton's
    fields and on `e` alone. T is a class, or a union of classes.
    """
    setattr(method, _MARK, True)
    return method


def is_apply(found: object) -> bool:
    """Whether it is what `@apply` gives."""
    return hasattr(found, _MARK)


class Applier:
    """What is done about the self-messages of one class. head: what their stored form begins with."""

    __slots__ = ("cls", "decode", "encode", "exact", "fn", "head", "immutable", "name", "validate")

    def __init__(self, cls: type, name: str, fn: Callable[[Any, Any], object]) -> None:
        kind = value_type(cls)
        self.cls = cls
        self.name = name
        self.fn = fn
        self.head = _PAIR + _encode_tag(cls.__name__)
        self.exact = kind.exact
        self.immutable = kind.immutable
        self.validate = kind.validate
        self.encode = kind.encode
        self.decode = kind.decode

    def take(self, event: object) -> tuple[object, bytes]:
        """(what `@apply` is given, what is stored): by value, so that a replay is given the same.

        Raises InvalidArgument if the event does not fit its class.
        """
        if type(event) is not self.exact:
            event = self.validate(event)
        encoded = self.encode(event)
        return (event if self.immutable else self.decode(encoded)), self.head + encoded


class Applies:
    """The `@apply` methods of one type. declared: the class that each is for, and its method."""

    def __init__(self, type_name: str, declared: Iterable[tuple[type, str, Callable[[Any, Any], object]]]) -> None:
        self._type_name = type_name
        self._by_class: dict[type, Applier] = {}
        self.by_head: dict[bytes, Applier] = {}
        for cls, name, fn in declared:
            twin = self._by_class.get(cls)
            if twin is not None:
                raise DeclarationError(f"{twin.name} and {name} both apply {cls.__name__}: one class has one @apply")
            self._add(Applier(cls, name, fn))

    def __bool__(self) -> bool:
        return bool(self._by_class)

    def of(self, cls: type) -> Applier:
        """For the self-messages of a class. Raises InvalidArgument if nothing applies them."""
        found = self._by_class.get(cls)
        return self._inherited(cls) if found is None else found

    def of_record(self, record: bytes) -> Applier:
        """For a stored one. Raises StateError if nothing applies it."""
        tag = tag_of(record)
        for cls in _derived(list(self._by_class)):
            if cls.__name__ == tag:
                return self._inherited(cls)
        known = ", ".join(sorted(cls.__name__ for cls in self._by_class)) or "none"
        raise StateError(
            f"no @apply takes {tag} (there is one for: {known}): keep an @apply for what was once recorded"
        )

    def _inherited(self, cls: type) -> Applier:
        for base in cls.__mro__:
            found = self._by_class.get(base)
            if found is not None:
                try:
                    return self._add(Applier(cls, found.name, found.fn))
                except DeclarationError as error:
                    raise InvalidArgument(f"{cls.__name__} cannot be recorded: {error}") from None
        raise InvalidArgument(
            f"{self._type_name} has no @apply for {cls.__name__}: add `@apply def name(self, e: {cls.__name__})`"
        )

    def _add(self, applier: Applier) -> Applier:
        twin = self.by_head.get(applier.head)
        if twin is not None and twin.cls.__module__ + twin.cls.__qualname__ != _place(applier.cls):
            raise DeclarationError(
                f"two classes named {applier.cls.__name__} would be stored under that name: rename one of them"
            )
        self._by_class[applier.cls] = self.by_head[applier.head] = applier
        return applier


def head_of(record: bytes) -> bytes:
    """What a stored self-message begins with: all but its value."""
    first = record[1]
    return record[: first - _TAG_OF_SHORT_TEXT] if first < _SHORT_TEXT_END else record[: record[2] + 3]


def tag_of(record: bytes) -> str:
    """The name of a stored self-message's class."""
    return _decode_tag(record)[0]


def check_apply(method: object) -> str:
    """The name of the one parameter that an `@apply` method has besides self. Raises DeclarationError."""
    if not isinstance(method, types.FunctionType) or inspect.iscoroutinefunction(method):
        raise DeclarationError("@apply marks a plain method: it runs at once, so make it `def`")
    parameters = list(inspect.signature(method).parameters.values())
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if len(parameters) != 2 or len(positional) != 2:
        raise DeclarationError("an @apply method takes self and the one thing recorded: `def name(self, e: T)`")
    name = positional[1].name
    if name not in inspect.get_annotations(method):
        raise DeclarationError(f"annotate {name!r}: an @apply method is chosen by the class of what is recorded")
    return name


def classes_of(hint: object) -> list[type]:
    """The classes that an annotation lists. Raises DeclarationError for what is neither a class nor a union of some."""
    if get_origin(hint) in (types.UnionType, typing.Union):
        return [cls for part in get_args(hint) for cls in classes_of(part)]
    if hint is None or not isinstance(hint, type) or get_origin(hint) is not None or typing.is_typeddict(hint):
        raise DeclarationError(f"{hint!r} is no class that records can be told apart by: annotate a class, or a union")
    return [hint]


def _derived(classes: list[type]) -> list[type]:
    """All classes derived from these, newest first."""
    found: list[type] = []
    for cls in classes:
        own: list[type] = type.__subclasses__(cls)
        found += reversed(own)
        found += _derived(own)
    return found


def _place(cls: type) -> str:
    return cls.__module__ + cls.__qualname__
