"""From a manifest to a type: a class with its fields, and functions that something gives in place of its methods' code.

Nothing here needs WebAssembly: a client of a cluster makes types so, of which it knows the signatures alone.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from automata.declare import definition
from automata.errors import DeclarationError, InvalidArgument, ModuleRefused
from automata.list import List
from automata.map import Map
from automata.methods import READONLY, Readonly
from automata.sandbox.manifest import FieldManifest, MethodManifest, TypeManifest, default_bytes
from automata.sandbox.terms import annotation_of
from automata.set import Set
from automata.types import AutomatonType
from automata.values.value_type import value_type

Shim = Callable[..., Coroutine[Any, Any, object]]
"""What runs in place of a method."""

_OPTIONS = frozenset({"strict_order", "time_to_live", "calls_waiting_max", "keys_kept_seconds"})
_RAW_FIELDS = [FieldManifest("rows", "map", None, "bytes", "bytes")]


def described_type(
    described: TypeManifest, application: str, core: bool, shim_of: Callable[[MethodManifest], Shim]
) -> AutomatonType:
    """The type that a module describes. core: the module is no component, and the type has rows as they are.

    shim_of: gives what runs in place of a method. Raises ModuleRefused.
    """
    if core and described.fields:
        raise ModuleRefused(f"{described.name}: a core module declares no fields, it has rows")
    fields = _RAW_FIELDS if core else described.fields
    try:
        body = _body(described, fields, application)
        for method in described.methods:
            body[method.name] = dressed(shim_of(method), described, method, application)
        cls = type(described.name, (), body)
        made = definition(cls, described.name, None, _options(described))
        made.resolve()
    except (DeclarationError, InvalidArgument, TypeError, ValueError) as error:
        raise ModuleRefused(f"{described.name} is described as no type can be: {error}") from None
    made.application = application
    return made


def origin_of(application: str) -> str:
    """The module name that an upload's types bear."""
    return f"uploaded.{application}"


def _body(described: TypeManifest, fields: list[FieldManifest], application: str) -> dict[str, Any]:
    annotations: dict[str, Any] = {"key": str}
    body: dict[str, Any] = {
        "__annotations__": annotations,
        "__doc__": described.doc,
        "__module__": origin_of(application),
        "__qualname__": described.name,
    }
    for field in fields:
        annotations[field.name] = _annotation(field)
        if field.kind == "value":
            if field.default is None:
                raise ModuleRefused(f"{described.name}.{field.name} has no default")
            body[field.name] = value_type(annotations[field.name]).decode(
                default_bytes(field.default, annotations[field.name])
            )
    return body


def _annotation(field: FieldManifest) -> Any:
    if field.kind == "value":
        return annotation_of(field.type)
    if field.kind == "list":
        return List[annotation_of(field.value)]  # type: ignore[misc]
    if field.kind == "set":
        return Set[annotation_of(field.value)]  # type: ignore[misc]
    if field.kind == "map":
        return Map[annotation_of(field.key), annotation_of(field.value)]  # type: ignore[misc]
    raise ModuleRefused(f"the field {field.name} is of no kind that there is: {field.kind[:50]!r}")


def dressed(shim: Shim, described: TypeManifest, method: MethodManifest, application: str) -> Shim:
    """Give a shim the name and the signature of its method."""
    annotations: dict[str, Any] = {"return": annotation_of(method.result)}
    parameters = [inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)]
    for given in method.parameters:
        annotation = annotations[given.name] = annotation_of(given.type)
        default = inspect.Parameter.empty
        if given.default is not None:
            default = value_type(annotation).decode(default_bytes(given.default, annotation))
        parameters.append(
            inspect.Parameter(
                given.name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default, annotation=annotation
            )
        )
    shim.__name__, shim.__qualname__ = method.name, f"{described.name}.{method.name}"
    shim.__module__, shim.__doc__ = origin_of(application), method.doc
    shim.__annotations__ = annotations
    shim.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    if method.readonly:
        setattr(shim, READONLY, Readonly())
    return shim


def _options(described: TypeManifest) -> Mapping[str, object]:
    unknown = sorted(set(described.options) - _OPTIONS)
    if unknown:
        raise ModuleRefused(f"{described.name}: an uploaded type takes no option {unknown[0]!r}")
    return {"version": described.version, **described.options}
