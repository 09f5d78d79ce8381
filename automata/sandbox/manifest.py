"""What a module says of the types in it, as JSON: read strictly: strangers have written it (docs/SANDBOX.md)."""

from __future__ import annotations

import base64
import binascii
import keyword
from typing import Any

import msgspec

from automata.errors import InvalidArgument, ModuleRefused
from automata.reference import ObjectRef
from automata.sandbox.limits import SandboxLimits
from automata.sandbox.plain import check_typed

INTERFACE = 1
"""The version of the interface between modules and hosts."""

MANIFEST_BYTES_MAX = 256 << 10
"""What it describes is made into classes on the event loop, at some milliseconds for each kilobyte."""
UNION_MEMBERS_MAX = 3000
"""Of all unions of a module: each takes longer, the more there are of one."""
_NAME_CHARACTERS_MAX = 200
_OF_REFS = frozenset(ObjectRef.__slots__)  # refs have a function for each method

Term = Any
"""A type as JSON: see `automata.sandbox.terms`."""


class FieldManifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One field. kind: "value", "list", "set" or "map"; type: of a value; key, value: of what a collection holds;
    default: base64 of the encoded default of a value.
    """

    name: str
    kind: str
    type: Term = None
    key: Term = None
    value: Term = None
    default: str | None = None


class ParameterManifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One parameter. default: base64 of the encoded default, if it has one."""

    name: str
    type: Term
    default: str | None = None


class MethodManifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One invocable method. awaits: its code awaits something."""

    name: str
    parameters: list[ParameterManifest] = []
    result: Term = "any"
    readonly: bool = False
    awaits: bool = False
    doc: str = ""


class TypeManifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One type. options: those of its decorator that are plain values."""

    name: str
    fields: list[FieldManifest] = []
    methods: list[MethodManifest] = []
    version: int = 1
    options: dict[str, bool | int | float | str | None] = {}
    doc: str = ""


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """All types of one module."""

    interface: int
    types: list[TypeManifest]


_decode = msgspec.json.Decoder(Manifest).decode
_encode = msgspec.json.Encoder().encode


def read_manifest(data: bytes, limits: SandboxLimits) -> Manifest:
    """What a module says of itself. Raises ModuleRefused for anything that is not as it has to be."""
    if len(data) > MANIFEST_BYTES_MAX:
        raise ModuleRefused(f"the module describes itself in {len(data)} bytes: at most {MANIFEST_BYTES_MAX} are read")
    try:
        manifest = _decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ModuleRefused(f"the module does not describe itself as docs/SANDBOX.md says: {error}") from None
    if manifest.interface != INTERFACE:
        raise ModuleRefused(
            f"the module was built for interface {manifest.interface}, and this release has {INTERFACE}: build it again"
        )
    _check_names("type", [made.name for made in manifest.types], limits.types)
    if not manifest.types:
        raise ModuleRefused("the module describes no type: there is nothing in it to upload")
    for made in manifest.types:
        _check_type(made, limits)
    _check_unions(manifest)
    return manifest


def write_manifest(manifest: Manifest) -> bytes:
    """The same as bytes."""
    return _encode(manifest)


def default_bytes(text: str, annotation: Any) -> bytes:
    """An encoded default of this annotation. Raises ModuleRefused if it is none."""
    try:
        data = base64.b64decode(text, validate=True)
        check_typed(annotation, data)
    except (binascii.Error, ValueError, InvalidArgument) as error:
        raise ModuleRefused(f"a default is no base64 of a plain value: {error}") from None
    return data


def _check_unions(manifest: Manifest) -> None:
    terms: list[Term] = []
    for made in manifest.types:
        for field in made.fields:
            terms += field.type, field.key, field.value
        for method in made.methods:
            terms += method.result, *(parameter.type for parameter in method.parameters)
    members = 0
    while terms:
        term = terms.pop()
        if isinstance(term, list):
            members += len(term) if term[:1] == ["union"] else 0
            terms += term
    if members > UNION_MEMBERS_MAX:
        raise ModuleRefused(f"the module describes unions of {members} members in all: at most {UNION_MEMBERS_MAX} are")


def _check_type(made: TypeManifest, limits: SandboxLimits) -> None:
    if not made.name.isidentifier():
        raise ModuleRefused(f"the type name {_shown(made.name)} is no identifier")
    _check_names(f"field of {made.name}", [field.name for field in made.fields], limits.methods)
    _check_names(f"method of {made.name}", [method.name for method in made.methods], limits.methods)
    if made.version != 1:
        raise ModuleRefused(
            f"{made.name} has version {made.version}: types of uploads have version 1, since nothing migrates their "
            "objects, and each version of an upload has to find them as they are"
        )
    for field in made.fields:
        if field.name == "key" or field.name.startswith(("__", "_automaton")):
            raise ModuleRefused(f"{made.name}.{field.name}: this name is reserved")
    both = {field.name for field in made.fields} & {method.name for method in made.methods}
    if both:
        raise ModuleRefused(f"{made.name}.{min(both)} is described as a field and as a method")
    for method in made.methods:
        if method.name.startswith("__") or method.name in _OF_REFS:
            raise ModuleRefused(f"{made.name}.{method.name}: this name is reserved")
        _check_names(f"parameter of {made.name}.{method.name}", [p.name for p in method.parameters], 100)


def _check_names(what: str, names: list[str], most: int) -> None:
    if len(names) > most:
        raise ModuleRefused(f"the module has {len(names)} entries of sort '{what}': at most {most} are taken")
    if len(set(names)) < len(names):
        raise ModuleRefused(f"the module names a {what} twice")
    for name in names:
        if len(name) > _NAME_CHARACTERS_MAX or not name.isidentifier() or keyword.iskeyword(name) or not name.isascii():
            raise ModuleRefused(f"{_shown(name)} can be no {what}: an ASCII identifier of at most 200 characters is")


def _shown(name: str) -> str:
    return repr(name[:_NAME_CHARACTERS_MAX])
