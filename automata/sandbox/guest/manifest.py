"""What a guest says of itself: its types, their fields and methods, as JSON."""

from __future__ import annotations

import base64
import inspect
import json
from collections.abc import Callable
from typing import Any

from automata.class_body import type_hints
from automata.collection import CollectionField
from automata.declaration_fault import fault
from automata.errors import DeclarationError
from automata.fields import MutableField, ValueField
from automata.methods import Method, Parameter
from automata.sandbox.guest.forms import Form, form_of
from automata.type_options import DEFAULT_OPTIONS
from automata.types import AutomatonType, Registry

INTERFACE = 1
"""Of world.wit and of all that passes through it."""

_SORTS = {b"L": "list", b"M": "map", b"S": "set"}
_OPTIONS = ("strict_order", "time_to_live", "calls_waiting_max", "keys_kept_seconds")


def manifest_of(registry: Registry) -> bytes:
    """All types of a registry. Raises DeclarationError, with the line at fault."""
    registry.check()
    types = [_type(made) for _, made in sorted(registry.newest.items())]
    return json.dumps({"interface": INTERFACE, "types": types}).encode()


def _type(made: AutomatonType) -> dict[str, Any]:
    fields = [_field(made, name) for name in made.fields]
    methods = [_method(made, method) for method in made.methods.values()]
    return {
        "name": made.name,
        "version": made.options.version,
        "doc": _doc(made.cls),
        "options": _options(made),
        "fields": fields,
        "methods": methods,
    }


def _options(made: AutomatonType) -> dict[str, Any]:
    """Those that are not as they would be anyway."""
    return {
        name: value for name in _OPTIONS if (value := getattr(made.options, name)) != getattr(DEFAULT_OPTIONS, name)
    }


def _field(made: AutomatonType, name: str) -> dict[str, Any]:
    field = made.fields[name]
    if isinstance(field, CollectionField):
        forms = [_told(made, name, kind.annotation) for kind in field.kinds]
        entries: dict[str, Any] = {"name": name, "kind": _SORTS[field.maker.sort], "value": forms[-1]}
        return {**entries, "key": forms[0]} if len(forms) == 2 else entries
    if isinstance(field, ValueField):
        encoded = field.kind.encode(field.default)
    elif isinstance(field, MutableField):
        encoded = field.default
    else:
        raise fault(made.cls, name, "this kind of field is not there in a sandboxed class")
    return {"name": name, "kind": "value", "type": _told(made, name, field.kind.annotation), "default": _text(encoded)}


def _method(made: AutomatonType, method: Method) -> dict[str, Any]:
    hints = type_hints(made.cls, method.fn, f"{made.name}.{method.name}", {made.cls.__name__: made.cls})
    return {
        "name": method.name,
        "parameters": [_parameter(made, method, parameter, hints) for parameter in method.parameters],
        "result": _told(made, method.name, hints.get("return", Any)),
        "readonly": method.readonly,
        "awaits": method.awaiting,
        "doc": _doc(method.declared),
    }


def _parameter(made: AutomatonType, method: Method, parameter: Parameter, hints: dict[str, object]) -> dict[str, Any]:
    default = None
    if parameter.default is not inspect.Parameter.empty:
        default = _text(parameter.kind.encode(parameter.kind.validate(parameter.default)))
    form = _told(made, method.name, hints.get(parameter.name, Any))
    return {"name": parameter.name, "type": form, "default": default}


def _told(made: AutomatonType, name: str, annotation: Any) -> Form:
    try:
        return form_of(annotation)
    except DeclarationError as error:
        raise fault(made.cls, name, str(error)) from None


def _doc(of: type | Callable[..., object]) -> str:
    return inspect.cleandoc(vars(of).get("__doc__") or "") if isinstance(of, type) else inspect.getdoc(of) or ""


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
