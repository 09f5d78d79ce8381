"""Fields of automata as descriptors: plain values in the instance, which `@apply` methods alone may change.

An immutable value is read as any attribute is. A mutable one that is read anywhere else is noted in the state, so that
a change in place is found when the step ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from automata.errors import InvalidArgument
from automata.fields import STATE, checked
from automata.state import IDLE, VALUE, ObjectState

if TYPE_CHECKING:
    from automata.values.value_type import ValueType


class VolatileField:
    """A field of an immutable type: a descriptor that steps aside, as every loaded instance has a value of its own."""

    def __init__(self, name: str, kind: ValueType, default: object) -> None:
        self.name = name
        self.kind = kind
        self.exact = None if kind.exact is type(None) else kind.exact
        self.declared = default
        self.default = kind.encode(kind.validate(default))
        self.subkey = name.encode() + VALUE

    def __get__(self, instance: object, owner: type | None = None) -> object:
        value = self.fresh()
        if instance is not None:  # one that was made by hand
            instance.__dict__[self.name] = value
        return value

    def fresh(self) -> object:
        """Its default, for one instance."""
        return self.kind.decode(self.default)

    def accept(self, value: object) -> object:
        """The value to keep. Raises InvalidArgument if it does not fit."""
        try:
            return checked(self.kind, value)
        except InvalidArgument as error:
            raise InvalidArgument(f"field {self.name!r}: {error}") from None

    def assign(self, state: ObjectState, value: object) -> None:
        """`self.name = value` in an @apply method."""
        state.values[self.name] = value if type(value) is self.exact else self.accept(value)

    def plain(self, instance: object) -> object:
        """A copy of its value."""
        return self.kind.copy(getattr(instance, self.name))


class VolatileMutableField(VolatileField):
    """A field of a mutable type."""

    def __get__(self, instance: object, owner: type | None = None) -> object:
        if instance is None:
            return self.fresh()
        values = instance.__dict__
        try:
            value = values[self.name]
        except KeyError:  # an instance that was made by hand
            value = values[self.name] = self.fresh()
        state = values.get(STATE)
        if state is not None and not state.applying and state.mode is not IDLE:
            state.watch(self, value)
        return value

    def __set__(self, instance: object, value: object) -> None:
        raise AssertionError("assignments go through the type's __setattr__")  # makes this a data descriptor
