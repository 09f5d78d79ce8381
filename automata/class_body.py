"""What decorated classes have in common: which names are fields and methods, and where in the source a fault stands."""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import FrameType
from typing import TYPE_CHECKING, Any, ClassVar, Final, get_origin

from automata.declaration_fault import fault
from automata.errors import DeclarationError, StateError
from automata.list import List
from automata.map import Map
from automata.methods import READONLY, Method
from automata.reference import ObjectRef
from automata.set import Set
from darq.limits import Limits

if TYPE_CHECKING:
    from automata.types import AutomatonType

COLLECTIONS = (List, Map, Set)
MISSING = object()
"""In place of a default: the class declares none."""

_TYPING_TWINS = {"List": "List", "Dict": "Map", "Set": "Set"}


@dataclass(frozen=True)
class Names:
    """What annotations of a class may name besides what the module has that wrote them.

    local: looked up first. types: looked up last, for what is imported for type checkers alone, as modules do that name
    each other's types.
    """

    local: Mapping[str, object]
    types: Mapping[str, type] = field(default_factory=dict)


class UnresolvedName(DeclarationError):
    """An annotation names what is not defined (yet)."""


def check_class(cls: type, name: str, decorator: str) -> None:
    """Raise DeclarationError for what can be no type of this name, whatever its fields are."""
    if not isinstance(cls, type):
        raise DeclarationError(f"@{decorator} decorates a class, not {cls!r}")
    if "__init__" in cls.__dict__ or any("__init__" in base.__dict__ for base in cls.__mro__[1:-1]):
        raise fault(cls, "__init__", "objects are never constructed: give fields a default, and set them in a method")
    if getattr(cls, "__parameters__", ()):
        raise fault(cls, None, "a generic class cannot be stored: derive a class with concrete types from it")
    if "__slots__" in cls.__dict__:
        raise fault(cls, "__slots__", "remove __slots__: the fields are what can be assigned")
    too_long = len(name.encode(errors="replace")) > Limits.key_bytes_max
    if not name or not name.isprintable() or "/" in name or too_long:
        raise fault(cls, None, f"the type name {name!r} must be short, printable, not empty, and without '/'")


def field_annotations(cls: type) -> dict[str, object]:
    """The raw annotations that declare fields, base classes first."""
    return {
        field: annotation
        for base in reversed(cls.__mro__[:-1])
        for field, annotation in inspect.get_annotations(base).items()
        if _declares_field(cls, field, annotation)
    }


def _declares_field(cls: type, field: str, annotation: object) -> bool:
    text = annotation if isinstance(annotation, str) else ""
    head = text.split("[")[0].rpartition(".")[2]
    if get_origin(annotation) in (ClassVar, Final) or annotation in (ClassVar, Final) or head in ("ClassVar", "Final"):
        return False
    if field == "key":
        if annotation not in (str, "str"):
            raise fault(cls, "key", "key is the object's own key and always a str: annotate `key: str`, or rename it")
        if "key" in cls.__dict__:
            raise fault(cls, "key", "key is the object's own key and takes no default: remove it, or rename the field")
        return False
    if field.startswith("_automaton") or (field.startswith("__") and field.endswith("__")):
        raise fault(cls, field, "this name is reserved: choose another")
    alias = head if text.startswith("typing.") else getattr(annotation, "_name", None)
    if alias in _TYPING_TWINS and (text or type(annotation).__module__ == "typing"):
        raise fault(
            cls,
            field,
            f"typing.{alias} is ambiguous: write automata's {_TYPING_TWINS[alias]}[...] for entries stored one by one "
            f"(in objects), or the builtin {alias.lower()}[...] for one value",
        )
    return True


def declared_default(cls: type, field: str) -> object:
    """The default of a field as the class, or a base of it, has it now; MISSING if there is none."""
    for base in cls.__mro__[:-1]:
        if field in base.__dict__:
            return base.__dict__[field]
    return MISSING


def is_collection(annotation: object) -> bool:
    """Whether a raw annotation looks like one of a collection."""
    head = annotation.split("[")[0].rpartition(".")[2] if isinstance(annotation, str) else ""
    return get_origin(annotation) in COLLECTIONS or annotation in COLLECTIONS or head in ("List", "Map", "Set")


def invocable_methods(cls: type, name: str) -> dict[str, Method]:
    """The `async def` methods of the class and its bases. name: of the type."""
    methods = {}
    for attribute in dir(cls):
        if attribute.startswith("__") and attribute.endswith("__"):
            continue
        found = inspect.getattr_static(cls, attribute)
        if inspect.isasyncgenfunction(found):
            raise fault(cls, attribute, "an invocable method returns one result: return a list instead of yielding")
        if inspect.iscoroutinefunction(found):
            try:
                methods[attribute] = Method(name, attribute, found)
            except DeclarationError as error:
                raise fault(cls, attribute, str(error)) from None
        elif hasattr(found, READONLY):
            raise fault(cls, attribute, "@readonly marks invocable methods: make it `async def`")
    return methods


def resolve_methods(cls: type, name: str, methods: Mapping[str, Method], names: Names) -> None:
    """Compile the annotations of all methods. Raises UnresolvedName for one that may be defined later."""
    for method in methods.values():
        try:
            method.resolve(type_hints(cls, method.fn, f"{name}.{method.name}", names))
        except UnresolvedName:
            raise
        except DeclarationError as error:
            raise fault(cls, method.name, str(error)) from None


def undeclared(type_name: str, name: str) -> StateError:
    """The error for an assignment to what is no field."""
    if name == "key":
        return StateError(f"{type_name}.key is the object's own key and cannot be changed")
    return StateError(f"{type_name}.{name} is not declared, so it would not survive: annotate it in the class")


def function_frame(frame: FrameType) -> FrameType | None:
    """The frame if it is a function's: names in the body of a module or of a class are not local to anything."""
    return frame if frame.f_code.co_flags & inspect.CO_OPTIMIZED else None


def local_names(cls: type, frame: FrameType | None) -> dict[str, object]:
    """What annotations of the class may name besides what its module has: the class, and locals of its function."""
    return {**(frame.f_locals if frame is not None else {}), cls.__name__: cls}


def type_hints(cls: type, of: Any, what: str, names: Names) -> dict[str, object]:
    """The annotations of `of`, the class or a function in it, made real. what: its name, for the error UnresolvedName.

    Each part is read with the names of the module that wrote it: a mixin may come from another one.
    """
    try:
        if not isinstance(of, type):
            return _evaluated(of, _names_around(of), names)
        hints: dict[str, object] = {}
        for base in reversed(of.__mro__[:-1]):
            written = type(base.__name__, (), {"__annotations__": inspect.get_annotations(base)})
            hints |= _evaluated(written, _names_around(base), Names({**names.local, base.__name__: base}, names.types))
    except NameError as error:
        error_here = fault(cls, None, f"an annotation of {what} cannot be resolved: {error}")
        raise UnresolvedName(*error_here.args) from None
    return hints


def _names_around(part: Any) -> dict[str, Any]:
    """The names of the module of a class or function. There is none yet for a class that is loaded with its code."""
    module = sys.modules.get(part.__module__)
    return {} if module is None else dict(vars(module))


def _evaluated(part: Any, around: dict[str, Any], names: Names) -> dict[str, object]:
    """The annotations of one part made real. Raises NameError."""
    local = dict(names.local)
    while True:
        try:
            return typing.get_type_hints(part, around, local, include_extras=True)
        except NameError as error:
            if error.name is None or error.name in local or error.name not in names.types:
                raise
            local[error.name] = names.types[error.name]


def install(cls: type, made: AutomatonType, set_attribute: Callable[[Any, str, object], None]) -> None:
    """Make the class that of its definition: what assigning does, and what its instances are called by."""

    def delete_attribute(self: object, name: str) -> None:
        raise StateError(f"{made.name}.{name} cannot be deleted: assign another value")

    def own_ref(self: Any) -> ObjectRef:
        return made.ref_class(made.name, self.key)

    cls.__setattr__ = set_attribute  # type: ignore[assignment]
    cls.__delattr__ = delete_attribute  # type: ignore[method-assign, assignment]
    cls.__automaton__ = made  # type: ignore[attr-defined]
    cls.__automaton_ref__ = own_ref  # type: ignore[attr-defined]
