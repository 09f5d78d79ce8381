"""Shapes of unions: which member a value belongs to, in Python and in bytes.

A union without a tag is told apart by what its members are in MessagePack. Where two of them look alike and would be
read differently (`str | UUID`, two dataclasses), the declaration is refused; pydantic's discriminated unions are told
apart by their tag.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import msgspec
from pydantic import BaseModel, Discriminator, Tag
from pydantic.fields import FieldInfo

from automata.errors import DeclarationError, InvalidArgument
from automata.values.leaves import checked
from automata.values.shape import ANY, Compile, Shape, Types, convert_first, read_custom, refusal, type_name
from automata.values.wire import Wire, to_wire


def union_shape(annotation: Any, members: tuple[Shape, ...]) -> Shape:
    """`A | B`: the member whose types fit; `DeclarationError` if they cannot be told apart in bytes."""
    _refuse_ambiguity(annotation, members)
    plain = all(member.plain for member in members)
    validate_any = checked(annotation) if plain else _first_that_fits(annotation, members)

    def unpack_first(wire: Wire) -> Any:
        return _unpack_first(annotation, members, wire)

    # What several members may be is the same in Python and in bytes: any other such union is ambiguous.
    packers = _by_type([(member.python, member.pack) for member in members], shared=to_wire)
    unpackers = _by_type([(member.wire, member.unpack) for member in members], shared=unpack_first)

    def pack(value: Any) -> Wire:
        run = packers.get(type(value))
        return run(value) if run is not None else _member_of(members, value).pack(value)

    def unpack(wire: Wire) -> Any:
        return unpackers.get(type(wire), unpack_first)(wire)

    native = all(member.native for member in members) and _msgspec_reads(annotation)
    return Shape(
        annotation=annotation,
        validate=validate_any,
        pack=pack,
        unpack=convert_first(annotation, unpack) if plain and native else unpack,
        python=_joined(member.python for member in members),
        wire=_joined(member.wire for member in members),
        immutable=all(member.immutable for member in members),
        plain=plain,
        as_is=all(member.as_is for member in members),
        native=native,
        transparent=all(member.transparent for member in members),
    )


def tagged_union_shape(annotation: Any, arguments: tuple[Any, ...], discriminator: Any, compile_: Compile) -> Shape:
    """pydantic's discriminated union: the map of the member, which holds its tag."""
    members = {argument: compile_(argument) for argument in arguments}
    by_class = {cls: shape for shape in members.values() for cls in shape.python}
    tag_of, by_tag = _tags(annotation, members, discriminator)
    expected = " or ".join(shape.name for shape in members.values())

    def validate(value: Any) -> Any:
        member = by_class.get(type(value))
        if member is None:
            raise refusal(expected, value)
        return member.validate(value)

    def unpack(wire: Wire) -> Any:
        if wire is None and type(None) in by_class:
            return None
        try:
            member = by_tag[tag_of(wire)] if type(wire) is dict else None
        except (LookupError, AttributeError, TypeError, ValueError):
            member = None  # an unknown or damaged tag; a discriminating function may stumble over it in several ways
        if member is None:
            raise refusal(expected, wire)
        return member.unpack(wire)

    return Shape(
        annotation=annotation,
        validate=validate,
        pack=lambda value: by_class[type(value)].pack(value),
        unpack=unpack,
        python=_joined(member.python for member in members.values()),
        wire=_joined(member.wire for member in members.values()),
        immutable=all(member.immutable for member in members.values()),
        as_is=all(member.as_is for member in members.values()),
    )


def _tags(
    annotation: Any, members: dict[Any, Shape], discriminator: Any
) -> tuple[Callable[[dict[Any, Any]], Any], dict[Any, Shape]]:
    """How to get the tag of a packed member, and the member for each tag."""
    by_tag: dict[Any, Shape] = {}
    if isinstance(discriminator, Discriminator):
        discriminator = discriminator.discriminator
    for argument, shape in members.items():
        if shape.python == {type(None)}:
            continue
        for tag in _tags_of(annotation, argument, shape, discriminator):
            by_tag[tag] = shape
    if callable(discriminator):
        return discriminator, by_tag
    return lambda wire: wire.get(discriminator), by_tag


def _tags_of(annotation: Any, argument: Any, shape: Shape, discriminator: Any) -> list[Any]:
    named = [meta.tag for meta in getattr(argument, "__metadata__", ()) if isinstance(meta, Tag)]
    if named:
        return named
    cls = next(iter(shape.python))
    if isinstance(discriminator, str) and issubclass(cls, BaseModel):
        tags = _literals(cls.model_fields[discriminator].annotation)
    elif isinstance(discriminator, str):
        tags = _literals(cls.__annotations__.get(discriminator))
    else:
        tags = []
    if not tags:
        raise DeclarationError(
            f"{type_name(annotation)}: give {shape.name} a field {discriminator!r} of a Literal type, to tell it apart"
        )
    return tags


def _literals(annotation: Any) -> list[Any]:
    """The tags of a Literal field as they stand in bytes."""
    return [getattr(value, "value", value) for value in get_args(annotation)]


def discriminator_of(metadata: tuple[Any, ...]) -> Any:
    """The discriminator in the metadata of an annotation, or None."""
    for meta in metadata:
        if isinstance(meta, FieldInfo) and meta.discriminator is not None:
            return meta.discriminator
        if isinstance(meta, Discriminator):
            return meta
    return None


def _refuse_ambiguity(annotation: Any, members: tuple[Shape, ...]) -> None:
    for at, one in enumerate(members):
        for other in members[:at]:
            alike = one.wire & other.wire or (ANY & (one.wire | other.wire))
            if alike and not (one.transparent and other.transparent):
                raise DeclarationError(
                    f"{type_name(annotation)} is ambiguous: a stored {other.name} cannot be told from a stored "
                    f"{one.name}. Tag the classes (pydantic Field(discriminator=...)), or declare one type"
                )


def _first_that_fits(annotation: Any, members: tuple[Shape, ...]) -> Callable[[Any], Any]:
    """Validation by the member of the value's own type, else by the first that takes it."""

    def validate(value: Any) -> Any:
        kind = type(value)
        reasons = []
        for member in sorted(members, key=lambda one: kind not in one.python):
            try:
                return member.validate(value)
            except InvalidArgument as error:
                if kind in member.python:
                    reasons.append(error)
        if len(reasons) == 1:
            raise reasons[0]
        raise refusal(" | ".join(member.name for member in members), value)

    return validate


def _by_type(
    rows: list[tuple[Types, Callable[[Any], Any]]], shared: Callable[[Any], Any]
) -> dict[type, Callable[[Any], Any]]:
    """The function of the member that has a type to itself, and `shared` for the types of several members."""
    functions: dict[type, Callable[[Any], Any]] = {}
    for types, function in rows:
        for kind in types:
            functions[kind] = shared if kind in functions else function
    return functions


def _member_of(members: tuple[Shape, ...], value: object) -> Shape:
    for member in members:
        # Refs are of a subclass for each type; `object` stands for members that take values of any type.
        if any(isinstance(value, kind) for kind in member.python if kind is not object):
            return member
    return next(member for member in members if member.python == ANY)


def _unpack_first(annotation: Any, members: tuple[Shape, ...], wire: Wire) -> Any:
    for member in members:
        try:
            return member.unpack(wire)
        except InvalidArgument:
            continue
    raise refusal(type_name(annotation), wire)


def _msgspec_reads(annotation: Any) -> bool:
    try:
        msgspec.msgpack.Decoder(annotation, dec_hook=read_custom)
    except (TypeError, ValueError):
        return False
    return True


def _joined(types: Any) -> Types:
    return frozenset().union(*types)
