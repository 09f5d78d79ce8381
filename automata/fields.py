"""Fields as descriptors: how `self.balance` reads and how `self.balance = 1` is noticed.

An immutable value stays in the instance's `__dict__` once loaded, so that reading it again costs nothing. A mutable
value is decoded anew for each step that touches it, so that nobody who kept it can change the object behind its back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

from automata.errors import InvalidArgument
from automata.state import IDLE, SIZE, STATE, VALUE, WRITE, Live, NoLog, ObjectState

if TYPE_CHECKING:
    from automata.values.value_type import ValueType


class Field(Protocol):
    """One declared field of a type."""

    name: str

    def assign(self, state: ObjectState, value: object) -> None:
        """`self.name = value` in a method."""

    def plain(self, instance: object) -> object:
        """Its content as plain Python, for people."""


class ValueField:
    """A single-value field of an immutable type: a descriptor that steps aside once the value is loaded."""

    def __init__(self, name: str, kind: ValueType, default: object) -> None:
        self.name = name
        self.kind = kind
        self.exact = None if kind.exact is type(None) else kind.exact
        self.default = self.declared = kind.validate(default)
        self.subkey, self.size_key = name.encode() + VALUE, name.encode() + SIZE

    def __get__(self, instance: object, owner: type | None = None) -> object:
        if instance is None:
            return self.default
        state = state_of(instance)
        data = state.read(self.subkey)
        if data is None:
            state.check_no_collection(self.name, self.size_key)
        try:
            value = self.default if data is None else self.kind.decode(data)
        except InvalidArgument as error:
            raise state.misfit(self.name, str(error)) from None
        state.values[self.name] = value
        return value

    def assign(self, state: ObjectState, value: object) -> None:
        """Check and keep the value; it is encoded when the step ends."""
        if type(value) is not self.exact:
            value = accept(self, value)
        name, values = self.name, state.values
        if name not in state.dirty:
            state.dirty[name] = (self, values.get(name, _UNKNOWN))
        values[name] = value

    def plain(self, instance: object) -> object:
        """Its value."""
        return getattr(instance, self.name)


class _EncodedField:
    """What fields share whose value is decoded anew for each step: nothing of it stays in the instance."""

    def __init__(self, name: str, kind: ValueType, default: object) -> None:
        self.name = name
        self.kind = kind
        self.declared = default
        self.default = kind.encode(kind.validate(default))
        self.subkey, self.size_key = name.encode() + VALUE, name.encode() + SIZE

    def __set__(self, instance: object, value: object) -> None:
        raise AssertionError("assignments go through the type's __setattr__")  # makes this a data descriptor

    def plain(self, instance: object) -> object:
        """A copy of its value."""
        return getattr(instance, self.name)


class MutableField(_EncodedField):
    """A single-value field of a mutable type: changes in place are noticed when the step ends."""

    def __get__(self, instance: object, owner: type | None = None) -> object:
        if instance is None:
            return self.kind.decode(self.default)
        state = state_of(instance)
        live = state.live.get(self.subkey)
        if live is not None:
            return live.value
        data = state.read(self.subkey)
        if data is None:
            state.check_no_collection(self.name, self.size_key)
        encoded = self.default if data is None else data
        try:
            value = self.kind.decode(encoded)
        except InvalidArgument as error:
            raise state.misfit(self.name, str(error)) from None
        if state.mode is not IDLE:
            state.live[self.subkey] = Live(self.name, self.kind, value, encoded)
        return value

    def assign(self, state: ObjectState, value: object) -> None:
        """Keep the value itself: later changes to it in this step count."""
        state.live[self.subkey] = Live(self.name, self.kind, accept(self, value), None)


class PickledField(_EncodedField):
    """A `Pickled[T]` field: any picklable value, saved when it is assigned; changes in place do not count."""

    def __get__(self, instance: object, owner: type | None = None) -> object:
        if instance is None:
            return self.kind.decode(self.default)
        state = state_of(instance)
        data = state.read(self.subkey)
        if data is None:
            state.check_no_collection(self.name, self.size_key)
        return self.kind.decode(self.default if data is None else data)

    def assign(self, state: ObjectState, value: object) -> None:
        """Pickle the value as it is now."""
        state.put(self.subkey, self.kind.encode(accept(self, value)))


def state_of(instance: object) -> ObjectState:
    """The state of an instance; one that was made by hand gets state without a log, so that it can be tested alone."""
    values = instance.__dict__
    state = values.get(STATE)
    if state is None:
        state = values[STATE] = ObjectState(NoLog(), b"", values)
        state.mode = WRITE
    return cast("ObjectState", state)


def accept(field: ValueField | MutableField | PickledField, value: object) -> object:
    """The value to keep; InvalidArgument names the field if it does not fit."""
    try:
        return checked(field.kind, value)
    except InvalidArgument as error:
        raise InvalidArgument(f"field {field.name!r}: {error}") from None


def checked(kind: ValueType, value: object) -> object:
    """The value itself if it fits as it is, so that what its owner changes in place later counts too.

    Else what checking made of it: a ref of `self`, a float of an int. Raises InvalidArgument if it does not fit.
    """
    valid = kind.validate(value)
    if valid is value or kind.immutable or type(valid) is not type(value):
        return valid
    try:
        return value if valid == value else valid
    except ValueError:  # arrays inside do not say whether they are equal
        return valid


_UNKNOWN = object()
