"""The decorators in a guest: `object_type`, and the refusals of what no sandboxed class can be."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Never

from automata.class_body import function_frame
from automata.declaration_fault import fault
from automata.declare import definition
from automata.errors import DeclarationError, StateError
from automata.type_options import DEFAULT_OPTIONS, check_names
from automata.types import REGISTRY

_NO_WORKER = "it runs beside its data, in the process of its host. Remove it, or deploy the class without a sandbox"
_REFUSED = {
    "migrate": "give fields that are added a default, and keep the types of the others",
    "version": "nothing would migrate its objects, and another version of the upload has to find them as they are. "
    "Remove it",
    "retry": "its messages are tried as often as those of any type. Remove it; a method that shall be tried otherwise "
    "catches what goes wrong, and sends to ref(self) with delay=...",
    "compute": _NO_WORKER,
    "num_cpus": _NO_WORKER,
    "num_gpus": _NO_WORKER,
}
"""Options of `automata.object_type`, and what there is in their place."""


def object_type(cls: type | None = None, /, *, name: str | None = None, **options: object) -> Any:
    """As `automata.object_type`, for classes that can be sandboxed. Raises DeclarationError for the others."""
    check_names("object_type", options)
    frame = function_frame(sys._getframe(1))  # noqa: SLF001 - as automata.declare looks up names

    def define(plain: type) -> type:
        for option, why in _REFUSED.items():
            if options.get(option, getattr(DEFAULT_OPTIONS, option)) != getattr(DEFAULT_OPTIONS, option):
                raise fault(plain, None, f"{option}=... is not there in a sandboxed class: {why}")
        REGISTRY.add(definition(plain, getattr(plain, "__name__", "") if name is None else name, frame, options))
        return plain

    return define if cls is None else define(cls)


def automaton(cls: type | None = None, /, **options: object) -> Callable[[type], Never]:
    """Refused: an automaton's memory outlives its steps, and nothing of a guest does."""

    def refuse(plain: type) -> Never:
        raise fault(
            plain,
            None,
            "@automaton is not there in a sandbox, where each invocation begins with fresh memory: use @object_type",
        )

    return refuse if cls is None else refuse(cls)


def apply(method: object) -> Never:
    """Refused, as automata are."""
    raise DeclarationError("@apply belongs to an @automaton, which is not there in a sandbox: use @object_type")


def record(event: object) -> Never:
    """Refused, as automata are."""
    raise StateError("record() is for handlers of an @automaton: an object's method changes its fields instead")


class Letter:
    """Named in annotations alone: dead letters are for who runs the app."""

    def __init__(self, *args: object, **options: object) -> None:
        raise StateError("Letter is not there in a sandboxed class: app.dead_letters() gives them to who runs the app")


class Pickled:
    """`Pickled[T]` is refused: nothing of a guest is ever pickled."""

    def __class_getitem__(cls, item: object) -> Never:
        raise DeclarationError(
            "Pickled[...] is not there in a sandboxed class, as unpickling runs code: declare a type that is stored as "
            "data, such as a dataclass"
        )
