"""Refs to types that are not of this module: their methods are known to the host alone, which checks each call."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from automata import refs
from automata.invocation import Invocation
from automata.methods import Anything, Packed
from automata.reference import ObjectRef
from automata.values.dynamic import encode_dynamic

if TYPE_CHECKING:
    from automata.methods import Method


class OutsideMethod:
    """A method by name: its arguments describe themselves."""

    readonly = False  # nobody knows here
    result = Anything()

    def __init__(self, type_name: str, name: str) -> None:
        self.type_name = type_name
        self.name = name

    def pack(self, args: tuple[object, ...], kwargs: dict[str, object]) -> Packed:
        """The arguments by value. Raises InvalidArgument for what has no form as data."""
        return (encode_dynamic([list(args), kwargs]),)

    def encode_arguments(self, packed: Packed) -> bytes:
        """Packed arguments as bytes."""
        return cast("bytes", packed[0])


class OutsideRef(ObjectRef):
    """A ref to an object of a type that this module does not define."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Callable[..., Invocation]:
        if name.startswith("__"):
            raise AttributeError(name)
        method = cast("Method", OutsideMethod(self.type_name, name))

        def invoke(*args: object, **kwargs: object) -> Invocation:
            return Invocation(self, method, args, kwargs)

        return invoke


def let_refs_reach_outside() -> None:
    """From here on a ref to an unknown type is taken for one of another module."""
    vars(refs)["UnknownRef"] = OutsideRef
