"""`@object_type` and `@readonly`: from a plain class to a frozen definition, with faults named where they stand."""

from __future__ import annotations

import contextlib
import copy
import inspect
import sys
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any, TypeVar, Unpack, get_args, get_origin, overload

from automata.applies import is_apply
from automata.class_body import (
    COLLECTIONS,
    MISSING,
    Names,
    UnresolvedName,
    check_class,
    declared_default,
    field_annotations,
    function_frame,
    install,
    invocable_methods,
    is_collection,
    local_names,
    resolve_methods,
    type_hints,
    undeclared,
)
from automata.collection import Collection, CollectionField
from automata.declaration_fault import fault
from automata.errors import DeclarationError, InvalidArgument
from automata.fields import Field, MutableField, PickledField, ValueField, state_of
from automata.list import List
from automata.map import Map
from automata.methods import READONLY, Readonly
from automata.refs import ref_class
from automata.state import STATE, WRITE
from automata.type_options import WORKER, GivenOptions, check_names, type_options
from automata.types import REGISTRY, AutomatonType
from automata.values.key_types import check_key_type
from automata.values.value_type import value_type

C = TypeVar("C", bound=type)
F = TypeVar("F", bound=Callable[..., Any])

_COLLECTIONS: dict[object, type[Collection]] = {made: made for made in COLLECTIONS}


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
    frame = function_frame(sys._getframe(1))  # noqa: SLF001 - how the standard library's own class makers look up names

    def define(plain: C) -> C:
        REGISTRY.add(definition(plain, getattr(plain, "__name__", "") if name is None else name, frame, options))
        return plain

    return define if cls is None else define(cls)


def definition(
    cls: type, name: str, frame: FrameType | None = None, options: Mapping[str, object] | None = None
) -> AutomatonType:
    """The definition of one decorated class, and the class prepared for its instances.

    frame: of the function that defines it, if one does: its annotations may name what is local there. options: what
    its decorator was given besides the name.
    """
    check_class(cls, name, "object_type")
    checked = type_options(cls, options or {})
    annotations = field_annotations(cls)
    defaults = {field: _take_default(cls, field, annotation) for field, annotation in annotations.items()}
    _refuse_applies(cls)
    methods = invocable_methods(cls, name)
    if checked.compute == WORKER:
        for method in methods.values():
            method.run_apart()
    made = AutomatonType(name, cls, methods, lambda: _resolve(made, annotations, defaults, frame), checked)
    made.ref_class = ref_class(made)
    _install(cls, made)
    with contextlib.suppress(UnresolvedName):
        made.resolve()  # now if possible, so that the fault is found where it is
    made.defined = True
    return made


def _refuse_applies(cls: type) -> None:
    for name in dir(cls):
        if is_apply(inspect.getattr_static(cls, name)):
            raise fault(cls, name, "@apply belongs to an @automaton: methods of an object change its fields themselves")


def _take_default(cls: type, field: str, annotation: object) -> object:
    """A field's default as the class declares it, or as an earlier decoration has found it."""
    default = declared_default(cls, field)
    if isinstance(default, ValueField | MutableField | PickledField):
        default = default.declared
    elif isinstance(default, CollectionField):
        default = MISSING
    if is_collection(annotation):
        if default is not MISSING:
            raise fault(cls, field, "a collection starts empty and takes no default: remove it")
    elif default is MISSING:
        raise fault(cls, field, "a value field needs a default: objects exist before anything is assigned")
    return default


def _install(cls: type, made: AutomatonType) -> None:
    def set_attribute(self: Any, name: str, value: object) -> None:
        field = made.fields.get(name)
        if field is None:
            raise undeclared(made.name, name)
        state = self.__dict__.get(STATE) or state_of(self)
        if state.mode is not WRITE:
            state.check_writable(f"{made.name}.{name}")
        field.assign(state, value)

    install(cls, made, set_attribute)


def _resolve(
    made: AutomatonType, annotations: dict[str, object], defaults: dict[str, object], frame: FrameType | None
) -> dict[str, Field]:
    """Compile all annotations and put the field descriptors on the class."""
    cls = made.cls
    names = Names(local_names(cls, frame), REGISTRY.classes() if made.defined else {})
    hints = type_hints(cls, cls, made.name, names)
    fields: dict[str, Field] = {}
    for name in annotations:
        fields[name] = _field(cls, name, hints[name], defaults[name])
    resolve_methods(cls, made.name, made.methods, names)
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
