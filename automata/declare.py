"""`@object_type` and `@readonly`: from a plain class to a frozen definition, with faults named where they stand."""

from __future__ import annotations

import contextlib
import copy
import inspect
import sys
import typing
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any, ClassVar, Final, TypeVar, Unpack, get_args, get_origin, overload

from automata.collection import Collection, CollectionField
from automata.declaration_fault import fault
from automata.errors import DeclarationError, InvalidArgument, StateError
from automata.fields import STATE, Field, MutableField, PickledField, ValueField, state_of
from automata.list import List
from automata.map import Map
from automata.methods import READONLY, Method, Readonly
from automata.reference import ObjectRef
from automata.refs import ref_class
from automata.set import Set
from automata.state import WRITE
from automata.type_options import GivenOptions, check_names, type_options
from automata.types import REGISTRY, AutomatonType
from automata.values.key_types import check_key_type
from automata.values.value_type import value_type
from darq.limits import Limits

C = TypeVar("C", bound=type)
F = TypeVar("F", bound=Callable[..., Any])

_COLLECTIONS: dict[object, type[Collection]] = {List: List, Map: Map, Set: Set}
_TYPING_TWINS = {"List": "List", "Dict": "Map", "Set": "Set"}
_MISSING = object()


@overload
def readonly(fn: F, /) -> F: ...
@overload
def readonly(*, cache: bool = False) -> Callable[[F], F]: ...
def readonly(fn: F | None = None, /, *, cache: bool = False) -> F | Callable[[F], F]:
    """Declare a method that neither writes nor sends: it sees one snapshot of committed state (LambdaObjects §4.2.1).

    cache: it is deterministic, calls nothing and uses no clock or randomness, so its result is reused while all that it
    read of its object is unchanged (LambdaObjects §4.2.2). `now()`, `uuid4()`, `random()`, calls and whatever waits
    raise ReadOnlyError in it; what else varies (the standard library's clock, globals) is not noticed.
    """

    def mark(method: F) -> F:
        setattr(method, READONLY, Readonly(cache))
        return method

    return mark if fn is None else mark(fn)


@overload
def object_type(cls: C, /) -> C: ...
@overload
def object_type(*, name: str | None = None, **options: Unpack[GivenOptions]) -> Callable[[C], C]: ...
def object_type(cls: C | None = None, /, *, name: str | None = None, **options: object) -> C | Callable[[C], C]:
    """Make a class the type of durable objects (LambdaObjects §3).

    Annotated names are fields, `async def` methods are the invocable surface, everything else stays plain Python.
    name: of the type, if not the class's. The other options are described at `automata.type_options.TypeOptions`.
    Raises DeclarationError, with the line at fault.
    """
    check_names("object_type", options)
    frame = _function_frame(sys._getframe(1))  # noqa: SLF001 - how the standard library's own class makers look up names

    def define(plain: C) -> C:
        REGISTRY.add(definition(plain, getattr(plain, "__name__", "") if name is None else name, frame, options))
        return plain

    return define if cls is None else define(cls)


class UnresolvedName(DeclarationError):
    """An annotation names what is not defined (yet)."""


def definition(
    cls: type, name: str, frame: FrameType | None = None, options: Mapping[str, object] | None = None
) -> AutomatonType:
    """The definition of one decorated class, and the class prepared for its instances.

    frame: of the function that defines it, if one does: its annotations may name what is local there. options: what
    its decorator was given besides the name.
    """
    _check_class(cls, name)
    checked = type_options(cls, options or {})
    annotations = _annotations(cls)
    defaults = {field: _take_default(cls, field, annotation) for field, annotation in annotations.items()}
    made = AutomatonType(name, cls, _methods(cls, name), lambda: _resolve(made, annotations, defaults, frame), checked)
    made.ref_class = ref_class(made)
    _install(cls, made)
    with contextlib.suppress(UnresolvedName):
        made.resolve()  # now if possible, so that the fault is found where it is
    return made


def _check_class(cls: type, name: str) -> None:
    if not isinstance(cls, type):
        raise DeclarationError(f"@object_type decorates a class, not {cls!r}")
    if "__init__" in cls.__dict__ or any("__init__" in base.__dict__ for base in cls.__mro__[1:-1]):
        raise fault(cls, "__init__", "objects are never constructed: give fields a default, and set them in a method")
    if getattr(cls, "__parameters__", ()):
        raise fault(cls, None, "a generic class cannot be stored: derive a class with concrete types from it")
    if "__slots__" in cls.__dict__:
        raise fault(cls, "__slots__", "remove __slots__: the fields are what can be assigned")
    too_long = len(name.encode(errors="replace")) > Limits.key_bytes_max
    if not name or not name.isprintable() or "/" in name or too_long:
        raise fault(cls, None, f"the type name {name!r} must be short, printable, not empty, and without '/'")


def _annotations(cls: type) -> dict[str, object]:
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
            f"typing.{alias} is ambiguous: write automata's {_TYPING_TWINS[alias]}[...] for entries stored one by one, "
            f"or the builtin {alias.lower()}[...] for one value",
        )
    return True


def _take_default(cls: type, field: str, annotation: object) -> object:
    """A field's default as the class declares it, or as an earlier decoration has found it."""
    default: object = _MISSING
    for base in cls.__mro__[:-1]:
        if field in base.__dict__:
            default = base.__dict__[field]
            break
    if isinstance(default, ValueField | MutableField | PickledField):
        default = default.declared
    elif isinstance(default, CollectionField):
        default = _MISSING
    head = annotation.split("[")[0].rpartition(".")[2] if isinstance(annotation, str) else ""
    if get_origin(annotation) in _COLLECTIONS or annotation in _COLLECTIONS or head in ("List", "Map", "Set"):
        if default is not _MISSING:
            raise fault(cls, field, "a collection starts empty and takes no default: remove it")
    elif default is _MISSING:
        raise fault(cls, field, "a value field needs a default: objects exist before anything is assigned")
    return default


def _methods(cls: type, name: str) -> dict[str, Method]:
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


def _install(cls: type, made: AutomatonType) -> None:
    def set_attribute(self: Any, name: str, value: object) -> None:
        field = made.fields.get(name)
        if field is None:
            raise _undeclared(made, name)
        state = self.__dict__.get(STATE) or state_of(self)
        if state.mode is not WRITE:
            state.check_writable(f"{made.name}.{name}")
        field.assign(state, value)

    def delete_attribute(self: object, name: str) -> None:
        raise StateError(f"{made.name}.{name} cannot be deleted: assign another value")

    def own_ref(self: Any) -> ObjectRef:
        return made.ref_class(made.name, self.key, getattr(self, "_automaton_app", None))

    cls.__setattr__ = set_attribute  # type: ignore[method-assign, assignment]
    cls.__delattr__ = delete_attribute  # type: ignore[method-assign, assignment]
    cls.__automaton__ = made  # type: ignore[attr-defined]
    cls.__automaton_ref__ = own_ref  # type: ignore[attr-defined]


def _undeclared(made: AutomatonType, name: str) -> StateError:
    if name == "key":
        return StateError(f"{made.name}.key is the object's own key and cannot be changed")
    return StateError(f"{made.name}.{name} is not declared, so it would not survive: annotate it in the class")


def _function_frame(frame: FrameType) -> FrameType | None:
    """The frame if it is a function's: names in the body of a module or of a class are not local to anything."""
    return frame if frame.f_code.co_flags & inspect.CO_OPTIMIZED else None


def _resolve(
    made: AutomatonType, annotations: dict[str, object], defaults: dict[str, object], frame: FrameType | None
) -> dict[str, Field]:
    """Compile all annotations and put the field descriptors on the class."""
    cls = made.cls
    names = {**(frame.f_locals if frame is not None else {}), cls.__name__: cls}
    hints = _hints(cls, cls, made.name, names)
    fields: dict[str, Field] = {}
    for name in annotations:
        fields[name] = _field(cls, name, hints[name], defaults[name])
    for method in made.methods.values():
        try:
            method.resolve(_hints(cls, method.fn, f"{made.name}.{method.name}", names))
        except UnresolvedName:
            raise  # it may be defined later: when an app opens, it must be
        except DeclarationError as error:
            raise fault(cls, method.name, str(error)) from None
    for name, field in fields.items():
        type.__setattr__(cls, name, field)
    return fields


def _field(cls: type, name: str, hint: object, default: object) -> Field:
    origin = get_origin(hint) or hint
    try:
        if origin in _COLLECTIONS:
            arguments = get_args(hint)
            if len(arguments) != (2 if origin is Map else 1):
                raise DeclarationError("write what it holds: List[T], Set[T] or Map[K, V]")
            if origin is not List:
                check_key_type(arguments[0])
            return CollectionField(name, _COLLECTIONS[origin], tuple(value_type(a) for a in arguments))
        kind = value_type(hint)
        field = PickledField if kind.pickled else ValueField if kind.immutable else MutableField
        return field(name, kind, copy.deepcopy(default))
    except (DeclarationError, InvalidArgument) as error:
        raise fault(cls, name, str(error)) from None


def _hints(cls: type, of: Any, what: str, names: Mapping[str, object]) -> dict[str, object]:
    namespace = dict(vars(sys.modules.get(cls.__module__, typing)))
    try:
        return typing.get_type_hints(of, namespace, dict(names), include_extras=True)
    except NameError as error:
        unresolved = fault(cls, None, f"an annotation of {what} cannot be resolved: {error}")
        raise UnresolvedName(*unresolved.args) from None
