"""Shapes that contain no other shape: scalars, enums, literals, refs, arrays, pickled and unannotated values."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, Flag
from typing import Any, get_args
from uuid import UUID

import msgspec
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from automata.errors import DeclarationError, InvalidArgument
from automata.reference import ObjectRef, RefTarget, is_referable, to_ref
from automata.values import arrays, pickled
from automata.values.shape import ANY, Shape, convert_first, refusal, same, type_name
from automata.values.wire import INT_MAX, INT_MIN, Wire, array_to_wire, integer_to_wire, ref_to_wire, to_wire

BUILTIN = (type(None), bool, int, float, str, bytes)
SCALARS = (datetime, date, time, timedelta, Decimal, UUID)
_CLOCKS = (datetime, time)


def builtin_shape(kind: type) -> Shape:
    """None, bool, int, float, str or bytes: what MessagePack has itself."""

    def unpack(wire: Wire) -> object:
        if type(wire) is kind:
            return wire
        raise refusal(type_name(kind), wire)

    return Shape(
        annotation=kind,
        validate=checked(kind),
        pack=_pack_int if kind is int else same,
        unpack=_unpack_float if kind is float else unpack,
        python=frozenset({kind}),
        wire=frozenset({kind}),
        exact=kind,
        immutable=True,
        plain=True,
        as_is=True,
        native=True,
        transparent=kind is not float,
    )


def scalar_shape(kind: type) -> Shape:
    """datetime, date, time, timedelta, Decimal or UUID, each as text."""
    return Shape(
        annotation=kind,
        validate=checked(kind),
        # msgspec writes an aware datetime as an instant, and drops the seconds of offsets; ISO text keeps both.
        pack=_pack_clock if kind in _CLOCKS else msgspec.to_builtins,
        unpack=convert_first(kind, _iso_reader(kind) if kind in _CLOCKS else _misfit(kind)),
        python=frozenset({kind}),
        wire=frozenset({str}),
        exact=kind,
        immutable=True,
        plain=True,
        as_is=kind not in _CLOCKS,
        native=True,
    )


def checked(annotation: Any, expected: str = "") -> Callable[[Any], Any]:
    """pydantic's strict validation of `annotation`, with its report as one line that says what was `expected`."""
    adapter = TypeAdapter(annotation)
    run = adapter.validator.validate_python
    expected = expected or type_name(annotation)

    def validate(value: object) -> Any:
        try:
            return run(value, strict=True)
        except ValidationError as error:
            raise explain(expected, value, error) from None

    return validate


def explain(expected: str, value: object, error: ValidationError) -> InvalidArgument:
    """The first complaint of pydantic as a sentence."""
    first = error.errors(include_url=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    if not where and first["type"].endswith("_type"):
        return refusal(expected, value)
    place = f" at {where}" if where else ""
    reason = first["msg"][:1].lower() + first["msg"][1:]
    return InvalidArgument(f"{refusal(expected, first['input'])}{place} ({reason})")


def enum_shape(kind: type[Enum]) -> Shape:
    """An enum: members with a str or int value as that value, others as a list of their name."""
    if not len(kind):
        raise DeclarationError(f"{type_name(kind)} has no members: declare the enum that you mean")
    kinds = {type(member.value) for member in kind}
    by_value = kinds <= {str, int}

    def validate(value: object) -> object:
        if type(value) is kind:
            return value
        raise refusal(type_name(kind), value)

    def pack(member: Enum) -> Wire:
        value = member.value
        if type(value) is int:
            return _pack_int(value)
        return value if type(value) is str else [member.name]

    def unpack(wire: Wire) -> object:
        try:
            return kind[wire[0]] if type(wire) is list else kind(wire)
        except (KeyError, ValueError, TypeError, IndexError):
            raise refusal(type_name(kind), wire) from None

    native = len(kinds) == 1 and by_value and not issubclass(kind, Flag)
    return Shape(
        annotation=kind,
        validate=validate,
        pack=pack,
        unpack=unpack,
        python=frozenset({kind}),
        wire=frozenset(kinds & {str, int}) | (frozenset() if by_value else frozenset({list})),
        exact=kind,
        immutable=True,
        as_is=native,
        native=native and all(_fits(member.value) for member in kind),
    )


def literal_shape(annotation: Any) -> Shape:
    """`Literal[...]`: like pydantic's, but True is not 1."""
    values = get_args(annotation)
    shapes: dict[type, Shape] = {kind: enum_shape(kind) for kind in set(map(type, values)) if issubclass(kind, Enum)}
    table = {(type(value), value): value for value in values}
    packed = {value: shapes[type(value)].pack(value) if type(value) in shapes else value for value in values}
    kinds = {type(wire) for wire in packed.values()}

    def validate(value: object) -> object:
        try:
            return table[type(value), value]
        except (KeyError, TypeError):
            raise refusal(" or ".join(repr(one) for one in values), value) from None

    def pack(value: object) -> Wire:
        return shapes[type(value)].pack(value) if shapes and type(value) in shapes else value

    def unpack(wire: Wire) -> object:
        for value in values:
            form = pack(value)
            if type(form) is type(wire) and form == wire:
                return value
        raise refusal(" or ".join(repr(one) for one in values), wire)

    return Shape(
        annotation=annotation,
        validate=validate,
        pack=pack,
        unpack=unpack,
        python=frozenset(type(value) for value in values),
        wire=frozenset(kinds),
        immutable=True,
        as_is=not shapes,
        native=kinds <= {str, int, type(None)} and not shapes,
        transparent=not shapes,
    )


def ref_shape(target: RefTarget | None) -> Shape:
    """A ref, to an object of any type or of the target's; an instance of a declared type becomes its ref."""
    accept = to_ref if target is None else target.accept

    def unpack(wire: Wire) -> object:
        if isinstance(wire, ObjectRef):
            return wire
        raise refusal("a Ref", wire)

    def pack(value: object) -> Wire:
        return ref_to_wire(to_ref(value))

    return Shape(
        annotation=ObjectRef,
        validate=accept,
        pack=pack,
        unpack=unpack,
        python=frozenset({ObjectRef}),
        wire=frozenset({ObjectRef}),
        immutable=True,
        as_is=True,
        native=True,
    )


def array_shape(annotation: Any, kind: type) -> Shape:
    """A numpy array; `NDArray[float32]` takes that dtype alone."""
    arguments = get_args(annotation)
    scalar = get_args(arguments[1])[0] if len(arguments) > 1 and get_args(arguments[1]) else None
    wanted = scalar if isinstance(scalar, type) else None

    def check(value: arrays.Array) -> arrays.Array:
        if not arrays.is_whole_array(value):
            raise refusal("a numpy array", value)
        if wanted is not None and not issubclass(value.dtype.type, wanted):
            raise InvalidArgument(f"expected a numpy array of {wanted.__name__}, got one of {value.dtype}")
        return value

    def validate(value: Any) -> Any:
        arrays.check_dtype(check(value).dtype)
        return value

    return Shape(
        annotation=annotation,
        validate=validate,
        pack=array_to_wire,
        unpack=check,
        python=frozenset({kind}),
        wire=frozenset({kind}),
        as_is=True,
    )


def pickled_shape(annotation: Any) -> Shape:
    """`Pickled[T]`: any picklable value, as the bytes of its pickle."""

    def unpack(wire: Wire) -> object:
        if type(wire) is bytes:
            return pickled.load(wire)
        raise refusal("a pickle", wire)

    return Shape(
        annotation=annotation, validate=same, pack=pickled.dump, unpack=unpack, python=ANY, wire=frozenset({bytes})
    )


def any_shape() -> Shape:
    """`Any` and `object`: a value that describes itself (`automata.values.dynamic`)."""

    def validate(value: object) -> object:
        wire = to_wire(value)
        return to_ref(value) if is_referable(value) and isinstance(wire, msgspec.msgpack.Ext) else value

    return Shape(annotation=Any, validate=validate, pack=to_wire, unpack=same, python=ANY, wire=ANY, transparent=True)


def foreign_shape(annotation: Any) -> Shape:
    """A class that pydantic knows and this package does not (Path, IPv4Address, AnyUrl, ...), in pydantic's JSON form.

    Values whose JSON form does not give an equal value back (SecretStr) are refused.
    """
    adapter = TypeAdapter(annotation)
    check = checked(annotation)

    def validate(value: object) -> object:
        kept = check(value)
        try:
            again = unpack(pack(kept))
        except (PydanticSerializationError, InvalidArgument) as error:
            raise InvalidArgument(f"a {type_name(annotation)} cannot be stored: {error}") from None
        if type(again) is not type(kept) or again != kept:
            raise InvalidArgument(f"a {type_name(annotation)} cannot be stored: its JSON form loses what it holds")
        return kept

    def pack(value: object) -> Wire:
        return adapter.dump_python(value, mode="json")

    def unpack(wire: Wire) -> object:
        try:
            return adapter.validate_json(msgspec.json.encode(wire))
        except ValidationError as error:
            raise explain(type_name(annotation), wire, error) from None

    return Shape(annotation=annotation, validate=validate, pack=pack, unpack=unpack, python=ANY, wire=ANY)


def _fits(value: object) -> bool:
    return type(value) is not int or INT_MIN <= value <= INT_MAX


def _pack_int(value: int) -> Wire:
    return value if INT_MIN <= value <= INT_MAX else integer_to_wire(value)


def _pack_clock(value: datetime | time) -> Wire:
    return value if value.tzinfo is None else value.isoformat()


def _unpack_float(wire: Wire) -> float:
    """A float; an integer too, which a field holds that was declared as int once."""
    if type(wire) is float or type(wire) is int:
        return float(wire)
    raise refusal("float", wire)


def _misfit(kind: type) -> Callable[[Wire], object]:
    def unpack(wire: Wire) -> object:
        raise refusal(type_name(kind), wire)

    return unpack


def _iso_reader(kind: type[datetime | time]) -> Callable[[Wire], object]:
    def unpack(wire: Wire) -> object:
        try:
            return kind.fromisoformat(wire)
        except (TypeError, ValueError):
            raise refusal(type_name(kind), wire) from None

    return unpack
