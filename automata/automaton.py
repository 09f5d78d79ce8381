"""`@automaton`: message handlers whose volatile state is rebuilt from their self-messages (SSMS §3.1, §3.2)."""

from __future__ import annotations

import contextlib
import copy
import inspect
import sys
from collections.abc import Callable, Mapping
from types import FrameType, FunctionType
from typing import Any, TypeVar, Unpack, get_origin, overload

from automata.applies import Applies, check_apply, classes_of, is_apply
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
from automata.declaration_fault import fault
from automata.errors import DeclarationError, InvalidArgument
from automata.refs import ref_class
from automata.state import STATE
from automata.type_options import GivenOptions, check_names, type_options
from automata.types import REGISTRY
from automata.values.value_type import value_type
from automata.volatile_fields import VolatileField, VolatileMutableField
from automata.volatile_type import VolatileType

C = TypeVar("C", bound=type)

_OF_OBJECTS = frozenset({"version", "migrate", "time_to_live"})
_OF_WORKERS = frozenset({"compute", "num_cpus", "num_gpus"})

_NO_COLLECTION = (
    "List, Map and Set keep their entries in rows, and the fields of an automaton are plain values in memory: use "
    "list[...], dict[...] or set[...]"
)


@overload
def automaton(cls: C, /) -> C: ...
@overload
def automaton(*, name: str | None = None, **options: Unpack[GivenOptions]) -> Callable[[C], C]: ...
def automaton(cls: C | None = None, /, *, name: str | None = None, **options: object) -> C | Callable[[C], C]:
    """Make a class the type of automata: message handlers with volatile state (SSMS §2).

    Annotated names are fields, which `@apply` methods alone may change; `async def` methods are handlers, which
    `record` what has happened and `send`. After a failure what was recorded is applied again, in order.
    name: of the type, if not the class's. Of the options at `automata.type_options.TypeOptions` it takes those that are
    not about stored fields. Raises DeclarationError, with the line at fault.
    """
    check_names("automaton", options)
    for option in _OF_OBJECTS & options.keys():
        raise DeclarationError(f"@automaton takes no {option}=...: that is for the stored fields of objects. Remove it")
    for option in _OF_WORKERS & options.keys():
        raise DeclarationError(
            f"@automaton takes no {option}=...: the state of an automaton is in the memory of its host. Remove it, and "
            'send to an @object_type(compute="worker") what takes long'
        )
    frame = function_frame(sys._getframe(1))  # noqa: SLF001 - how the standard library's own class makers look up names

    def define(plain: C) -> C:
        REGISTRY.add(definition(plain, getattr(plain, "__name__", "") if name is None else name, frame, options))
        return plain

    return define if cls is None else define(cls)


def definition(
    cls: type, name: str, frame: FrameType | None = None, options: Mapping[str, object] | None = None
) -> VolatileType:
    """The definition of one decorated class, and the class prepared for its instances.

    frame: of the function that defines it, if one does: its annotations may name what is local there. options: what
    its decorator was given besides the name.
    """
    check_class(cls, name, "automaton")
    checked = type_options(cls, options or {})
    annotations = field_annotations(cls)
    defaults = {field: _take_default(cls, field, annotation) for field, annotation in annotations.items()}
    saving = _saving(cls)
    methods = invocable_methods(cls, name)
    applying = _apply_methods(cls)

    def resolve() -> dict[str, VolatileField]:
        names = Names(local_names(cls, frame), REGISTRY.classes() if made.defined else {})
        hints = type_hints(cls, cls, name, names)
        fields = {field: _field(cls, field, hints[field], default) for field, default in defaults.items()}
        resolve_methods(cls, name, methods, names)
        made.applies = _applies(cls, name, applying, names)
        for field, descriptor in fields.items():
            type.__setattr__(cls, field, descriptor)
        return fields

    made = VolatileType(name, cls, methods, resolve, checked)
    made.checkpoint, made.restore = saving.get("checkpoint"), saving.get("restore")
    made.ref_class = ref_class(made)
    _install(cls, made)
    with contextlib.suppress(UnresolvedName):
        made.resolve()  # now if possible, so that the fault is found where it is
    made.defined = True
    return made


def _take_default(cls: type, field: str, annotation: object) -> object:
    """A field's default as the class declares it, or as an earlier decoration has found it."""
    if is_collection(annotation):
        raise fault(cls, field, _NO_COLLECTION)
    default = declared_default(cls, field)
    if default is MISSING:
        raise fault(cls, field, "a field needs a default: automata exist before anything is recorded")
    return default.declared if isinstance(default, VolatileField) else default


def _apply_methods(cls: type) -> dict[str, tuple[Callable[[Any, Any], object], str]]:
    """The `@apply` methods by name, each with the name of its parameter."""
    found = {}
    for name in dir(cls):
        method = inspect.getattr_static(cls, name)
        if is_apply(method):
            try:
                found[name] = (method, check_apply(method))
            except DeclarationError as error:
                raise fault(cls, name, str(error)) from None
    return found


def _saving(cls: type) -> dict[str, Callable[..., object]]:
    """The class's own `checkpoint` and `restore`."""
    found: dict[str, Callable[..., object]] = {}
    for name in ("checkpoint", "restore"):
        method = inspect.getattr_static(cls, name, None)
        if method is None:
            continue
        if not isinstance(method, FunctionType) or inspect.iscoroutinefunction(method):
            raise fault(cls, name, "the runtime calls checkpoint and restore: make it a plain `def`, or rename it")
        found[name] = method
    if len(found) == 1:
        raise fault(
            cls,
            next(iter(found)),
            "checkpoint(self) and restore(self, snapshot) come together: what one saves, the other takes. Without them "
            "the declared fields are saved",
        )
    return found


def _applies(
    cls: type, name: str, methods: Mapping[str, tuple[Callable[[Any, Any], object], str]], names: Names
) -> Applies:
    declared = []
    for method, (fn, parameter) in methods.items():
        hint = type_hints(cls, fn, f"{name}.{method}", names)[parameter]
        try:
            declared += [(recorded, method, fn) for recorded in classes_of(hint)]
        except DeclarationError as error:
            raise fault(cls, method, str(error)) from None
    try:
        return Applies(name, declared)
    except DeclarationError as error:
        raise fault(cls, None, str(error)) from None


def _field(cls: type, name: str, hint: object, default: object) -> VolatileField:
    if (get_origin(hint) or hint) in COLLECTIONS:
        raise fault(cls, name, _NO_COLLECTION)
    try:
        kind = value_type(hint)
        return (VolatileField if kind.immutable else VolatileMutableField)(name, kind, copy.deepcopy(default))
    except (DeclarationError, InvalidArgument) as error:
        raise fault(cls, name, str(error)) from None


def _install(cls: type, made: VolatileType) -> None:
    def field_of(name: str) -> VolatileField:
        made.resolve()
        if name not in made.volatile_fields:
            raise undeclared(made.name, name)
        return made.volatile_fields[name]

    def set_attribute(self: Any, name: str, value: object) -> None:
        field = made.volatile_fields.get(name) or field_of(name)
        values = self.__dict__
        state = values.get(STATE)
        if state is not None and not state.applying:  # without state it was made by hand, to be tested alone
            state.check_assignable(name)
        if type(value) is not field.exact:
            value = field.accept(value)
        values[name] = value

    install(cls, made, set_attribute)
