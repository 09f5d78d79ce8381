"""Calls of types that this process does not know, and that the app which they go to can find out about (uploads)."""

from __future__ import annotations

from collections.abc import Callable

from automata import router
from automata.context import CURRENT
from automata.errors import StateError, UnknownType
from automata.invocation import Invocation
from automata.methods import Method, Packed
from automata.reference import ObjectRef


async def _late(self: object) -> None:
    """Stands for a method of which nothing but its name is known."""


class LateMethod(Method):
    """A method of a type that is not known yet. Whoever takes its calls looks for the type first."""

    def __init__(self, type_name: str, name: str) -> None:
        super().__init__(type_name, name, _late)

    def pack(self, args: tuple[object, ...], kwargs: dict[str, object]) -> Packed:
        """Nobody has looked for it. Raises UnknownType."""
        raise UnknownType(f"no type {self.type_name!r} is defined here")


def can_be_learned(ref: ObjectRef) -> bool:
    """Whether the app that calls through this ref go to can find out about types that this process does not know."""
    if CURRENT.get() is not None:
        return False
    try:
        return router.of(ref).learns
    except StateError:
        return False


def late_method(ref: ObjectRef, name: str) -> Callable[..., Invocation]:
    """What makes calls of such a method."""

    def invoke(*args: object, **kwargs: object) -> Invocation:
        return Invocation(ref, LateMethod(ref.type_name, name), args, kwargs)

    return invoke
