"""The extensions that MessagePack lacks: one writer and one reader for each code (see `automata.values.dynamic`)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, TypeAlias
from uuid import UUID

import msgspec
from msgspec.msgpack import Ext
from pydantic import BaseModel

from automata.errors import InvalidArgument
from automata.reference import ObjectRef, is_referable, make_ref, to_ref
from automata.values import arrays
from automata.values.classes import class_name, find_class
from automata.values.records import build_dataclass, build_tuple, dataclass_record, is_named_tuple, model_form

Wire: TypeAlias = Any
"""What MessagePack can say: None, bool, int, float, str, bytes, list, dict and `Ext`, nested."""

DEPTH_MAX = 100
"""Levels of nesting in a value without annotation; a value that contains itself meets this bound too."""

INT_MIN, INT_MAX = -(2**63), 2**64 - 1
WIRE_NATIVE = frozenset({type(None), bool, int, float, str, bytes})
_KEYS = frozenset({type(None), bool, float, str, bytes})


class Code:
    """The extension codes, version 1: never reused, never changed. Plain integers, as msgspec takes no others."""

    INTEGER = 1
    TUPLE = 2
    SET = 3
    FROZENSET = 4
    DECIMAL = 5
    UUID = 6
    DATETIME = 7
    DATE = 8
    TIME = 9
    TIMEDELTA = 10
    REF = 11
    ENUM = 12
    DATACLASS = 13
    NAMED_TUPLE = 14
    MODEL = 15
    ARRAY = 16
    PAIRS = 17
    ARRAY_SCALAR = 18
    COMPLEX = 19


def to_bytes(wire: Wire) -> bytes:
    """MessagePack of `wire`; text with surrogates and too deep values raise `InvalidArgument`."""
    try:
        return WIRE_ENCODER.encode(wire)
    except UnicodeEncodeError:
        raise InvalidArgument("the value holds text with a lone surrogate, which has no UTF-8 form") from None
    except RecursionError:
        raise InvalidArgument("the value is nested too deep, or contains itself") from None


def from_bytes(decoder: msgspec.msgpack.Decoder[Any], data: bytes) -> Any:
    """What `decoder` makes of `data`; `ValueError` for damaged bytes."""
    try:
        return decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise ValueError(f"the stored value is damaged: {error}") from None
    except RecursionError:
        raise ValueError("the stored value is damaged: it is nested too deep") from None


def to_wire(value: object, depth: int = 0) -> Wire:
    """`value` in terms of MessagePack and the extensions; `InvalidArgument` if it has no such form."""
    kind = type(value)
    if kind is int:
        return value if INT_MIN <= value <= INT_MAX else integer_to_wire(value)  # type: ignore[operator, arg-type]
    if kind in WIRE_NATIVE:
        return value
    if depth == DEPTH_MAX:
        raise InvalidArgument(f"the value is nested more than {DEPTH_MAX} levels deep, or contains itself")
    writer = _WRITERS[kind] if kind in _WRITERS else _writer_of(value)
    return writer(value, depth + 1)


def integer_to_wire(value: int) -> Ext:
    """An integer of any size as an extension."""
    return Ext(Code.INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def ref_to_wire(ref: ObjectRef) -> Ext:
    """A ref as an extension."""
    return _ext(Code.REF, [ref.type_name, ref.key])


def array_to_wire(array: arrays.Array) -> Ext:
    """A numpy array or scalar as an extension."""
    return _ext(Code.ARRAY if arrays.is_whole_array(array) else Code.ARRAY_SCALAR, arrays.split(array))


def write_unknown(value: object) -> Ext:
    """msgspec's hook for what it does not know inside a typed value: refs, instances that stand for one, arrays."""
    if isinstance(value, ObjectRef):
        return ref_to_wire(value)
    if is_referable(value):
        return ref_to_wire(to_ref(value))
    if arrays.is_array(value):
        return array_to_wire(value)
    raise _refusal(value)


def read_ext(code: int, data: memoryview) -> object:
    """msgspec's hook for extensions: the value of one, or `ValueError`."""
    reader = _READERS.get(code)
    if reader is None:
        raise ValueError(f"the stored value is damaged or newer than this release: no extension has the code {code}")
    try:
        return reader(bytes(data))
    except InvalidArgument:
        raise
    except (TypeError, ValueError, ArithmeticError, msgspec.MsgspecError) as error:
        raise ValueError(f"the stored value is damaged: extension {code}: {error}") from None


def _ext(code: int, parts: Wire) -> Ext:
    return Ext(code, to_bytes(parts))


def _refusal(value: object) -> InvalidArgument:
    return InvalidArgument(
        f"a {class_name(type(value))} cannot be stored: use plain data, a dataclass, a NamedTuple, an Enum or "
        "a pydantic model, or declare the field as Pickled[...]"
    )


def _writer_of(value: object) -> Callable[[Any, int], Wire]:
    """The writer for kinds that are recognised by their bases."""
    kind = type(value)
    if isinstance(value, Enum):
        return _enum
    if isinstance(value, BaseModel):
        return _model
    if dataclasses.is_dataclass(kind):
        return _dataclass
    if is_named_tuple(kind):
        return _named_tuple
    if isinstance(value, ObjectRef) or is_referable(value):
        return _ref
    if arrays.is_array(value):
        return lambda array, depth: array_to_wire(array)
    raise _refusal(value)


def _list(value: list[object], depth: int) -> Wire:
    return [to_wire(item, depth) for item in value]


def _dict(value: dict[object, object], depth: int) -> Wire:
    for key in value:
        if type(key) not in _KEYS and not (type(key) is int and INT_MIN <= key <= INT_MAX):
            return _ext(Code.PAIRS, [[to_wire(k, depth), to_wire(v, depth)] for k, v in value.items()])
    return {key: to_wire(item, depth) for key, item in value.items()}


def _items(code: int) -> Callable[[Any, int], Wire]:
    return lambda value, depth: _ext(code, [to_wire(item, depth) for item in value])


def _set(code: int) -> Callable[[Any, int], Wire]:
    """In the order of the members' bytes: equal sets have one encoding."""
    return lambda value, depth: _ext(code, sorted((to_wire(item, depth) for item in value), key=to_bytes))


def _text(code: int, text: Callable[[Any], str]) -> Callable[[Any, int], Wire]:
    return lambda value, depth: Ext(code, text(value).encode())


def _timedelta(value: timedelta, depth: int) -> Wire:
    return _ext(Code.TIMEDELTA, [value.days, value.seconds, value.microseconds])


def _complex(value: complex, depth: int) -> Wire:
    return _ext(Code.COMPLEX, [value.real, value.imag])


def _ref(value: object, depth: int) -> Wire:
    return ref_to_wire(to_ref(value))


def _enum(value: Enum, depth: int) -> Wire:
    if value.name not in type(value).__members__:  # a zero flag has no name, a combination of several has many
        raise InvalidArgument(f"a combination of {class_name(type(value))} flags needs an annotation to be stored")
    return _ext(Code.ENUM, [*_named(value), value.name])


def _dataclass(value: object, depth: int) -> Wire:
    record = {name: to_wire(item, depth) for name, item in dataclass_record(value).items()}
    return _ext(Code.DATACLASS, [*_named(value), record])


def _named_tuple(value: tuple[object, ...], depth: int) -> Wire:
    return _ext(Code.NAMED_TUPLE, [*_named(value), [to_wire(item, depth) for item in value]])


def _model(value: BaseModel, depth: int) -> Wire:
    record = {name: to_wire(item, depth) for name, item in model_form(type(value)).record(value).items()}
    return _ext(Code.MODEL, [*_named(value), record])


def _named(value: object) -> tuple[str, str]:
    """The name of the class of `value`, provided that it can lead back to that class."""
    cls = type(value)
    if "<locals>" in cls.__qualname__:
        raise InvalidArgument(
            f"{class_name(cls)} cannot be found by its name: define it at the top of a module, or annotate the value"
        )
    return cls.__module__, cls.__qualname__


def _parts(data: bytes) -> Any:
    return WIRE_DECODER.decode(data)


def _find(module: str, qualname: str, what: str, fits: Callable[[type], bool]) -> Any:
    cls = find_class(module, qualname)
    if cls is None:
        raise InvalidArgument(f"the value is a {module}.{qualname}, not imported here: import its module first")
    if not fits(cls):
        raise InvalidArgument(f"the value was written as the {what} {module}.{qualname}, which is none here")
    return cls


def _read_enum(data: bytes) -> object:
    module, qualname, name = _parts(data)
    cls = _find(module, qualname, "Enum", lambda found: issubclass(found, Enum))
    if name not in cls.__members__:
        raise InvalidArgument(f"{module}.{qualname} has no member {name} here")
    return cls[name]


def _read_dataclass(data: bytes) -> object:
    module, qualname, record = _parts(data)
    return build_dataclass(_find(module, qualname, "dataclass", dataclasses.is_dataclass), record)


def _read_named_tuple(data: bytes) -> object:
    module, qualname, items = _parts(data)
    return build_tuple(_find(module, qualname, "NamedTuple", is_named_tuple), items)


def _read_model(data: bytes) -> object:
    module, qualname, record = _parts(data)
    cls = _find(module, qualname, "model", lambda found: issubclass(found, BaseModel) and found is not BaseModel)
    return model_form(cls).build(record)


def _read_ref(data: bytes) -> ObjectRef:
    type_name, key = _parts(data)
    if not (isinstance(type_name, str) and isinstance(key, str)):
        raise TypeError("a ref needs two texts")
    return make_ref(type_name, key)


def _read_timedelta(data: bytes) -> timedelta:
    days, seconds, microseconds = _parts(data)
    return timedelta(days, seconds, microseconds)


WIRE_ENCODER = msgspec.msgpack.Encoder(enc_hook=write_unknown)
WIRE_DECODER: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(ext_hook=read_ext)

_WRITERS: dict[type, Callable[[Any, int], Wire]] = {
    list: _list,
    dict: _dict,
    tuple: _items(Code.TUPLE),
    set: _set(Code.SET),
    frozenset: _set(Code.FROZENSET),
    Decimal: _text(Code.DECIMAL, str),
    UUID: lambda value, depth: Ext(Code.UUID, value.bytes),
    datetime: _text(Code.DATETIME, datetime.isoformat),
    date: _text(Code.DATE, date.isoformat),
    time: _text(Code.TIME, time.isoformat),
    timedelta: _timedelta,
    complex: _complex,
    ObjectRef: _ref,
}
_READERS: dict[int, Callable[[bytes], object]] = {
    Code.INTEGER: lambda data: int.from_bytes(data, "big", signed=True),
    Code.TUPLE: lambda data: tuple(_parts(data)),
    Code.SET: lambda data: set(_parts(data)),
    Code.FROZENSET: lambda data: frozenset(_parts(data)),
    Code.DECIMAL: lambda data: Decimal(data.decode()),
    Code.UUID: lambda data: UUID(bytes=data),
    Code.DATETIME: lambda data: datetime.fromisoformat(data.decode()),
    Code.DATE: lambda data: date.fromisoformat(data.decode()),
    Code.TIME: lambda data: time.fromisoformat(data.decode()),
    Code.TIMEDELTA: _read_timedelta,
    Code.REF: _read_ref,
    Code.ENUM: _read_enum,
    Code.DATACLASS: _read_dataclass,
    Code.NAMED_TUPLE: _read_named_tuple,
    Code.MODEL: _read_model,
    Code.ARRAY: lambda data: arrays.join(_parts(data)),
    Code.ARRAY_SCALAR: lambda data: arrays.join(_parts(data))[()],
    Code.PAIRS: lambda data: dict(_parts(data)),
    Code.COMPLEX: lambda data: complex(*_parts(data)),
}
