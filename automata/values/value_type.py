"""Values of annotated fields, arguments and results: validated, encoded, decoded and copied.

`value_type(annotation)` compiles an annotation once. An encoding is MessagePack: None, bool, int, float, str and bytes
as themselves; datetime, date, time, timedelta, Decimal and UUID as text; dataclasses, TypedDicts and pydantic models as
maps of their fields, NamedTuples as arrays; sequences and sets as arrays; enums by value; refs, numpy arrays and
integers beyond 64 bits as the extensions of `automata.values.dynamic`, which reads every encoding without its type.

Classes evolve: a field that is not in the bytes takes its default, one that the class lacks is ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from automata.errors import InvalidArgument
from automata.values.annotations import Compiler
from automata.values.pickled import Pickled, is_pickled
from automata.values.redefined import Places, places, taken_over
from automata.values.shape import Shape, read_custom, same
from automata.values.wire import WIRE_DECODER, WIRE_ENCODER, from_bytes, read_ext, to_bytes

__all__ = ["Pickled", "ValueType", "value_type"]


class ValueType:
    """What can be done with the values of one annotation.

    - `validate(value)`: strictly, as pydantic does; the value to keep (an int where float is declared becomes one),
      or `InvalidArgument`. A list or dict comes back as a new one.
    - `encode(value)`: the bytes of a validated value. `InvalidArgument` for text with surrogates.
    - `decode(data)`: the value; `ValueError` for damaged bytes, `InvalidArgument` if they hold another shape.
    - `copy(value)`: an equal value that shares nothing mutable with the given, validated one.
    - `shallow(value)`: the same without encoding, where that is faster; else None.
    - `exact`: values of exactly this class are valid as they are, so that a hot path may skip `validate`.
    - `immutable`: values may be shared without a copy.
    - `pickled`: encode upon assignment, decode when read.
    """

    __slots__ = (
        "annotation",
        "copy",
        "decode",
        "encode",
        "exact",
        "immutable",
        "name",
        "pickled",
        "shallow",
        "validate",
    )

    annotation: Any
    name: str
    exact: type | None
    immutable: bool
    pickled: bool
    validate: Callable[[Any], Any]
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]
    copy: Callable[[Any], Any]
    shallow: Callable[[Any], Any] | None

    def __init__(self, annotation: Any, shape: Shape, classes: Iterable[type], pickled: bool) -> None:
        self.annotation = annotation
        self.name = shape.name
        self.exact = shape.exact
        self.immutable = shape.immutable
        self.pickled = pickled
        self.validate = _validator(shape, places(classes))
        self.encode = _encoder(shape)
        self.decode = _decoder(shape)
        self.shallow = shape.shallow
        self.copy = _copier(shape, self.encode, self.decode)

    def __repr__(self) -> str:
        return f"value_type({self.name})"


_cache: dict[Any, ValueType] = {}


def value_type(annotation: Any) -> ValueType:
    """The compiled `annotation`; raises `DeclarationError` if it cannot be resolved, stored or told apart."""
    try:
        known = _cache.get(annotation)
    except TypeError:  # metadata without a hash
        return _build(annotation)
    if known is None:
        known = _cache[annotation] = _build(annotation)
    return known


def _build(annotation: Any) -> ValueType:
    compiler = Compiler()
    try:
        return ValueType(
            annotation, compiler.compile(annotation), pickled=is_pickled(annotation), classes=compiler.classes
        )
    finally:
        for cls in compiler.classes:
            _forget_msgspec(cls)


def _forget_msgspec(cls: type) -> None:
    """Remove what msgspec's decoder left on `cls`: it cannot be pickled, so the class could not travel to a cluster.

    The decoder keeps its own reference and needs the note no more.
    """
    if "__msgspec_cache__" in vars(cls):
        type.__delattr__(cls, "__msgspec_cache__")


def _validator(shape: Shape, classes: Places) -> Callable[[Any], Any]:
    check, exact = shape.validate, shape.exact

    def validate(value: Any) -> Any:
        if type(value) is exact:
            return value
        try:
            return check(value)
        except RecursionError:
            raise InvalidArgument("the value is nested too deep, or contains itself") from None
        except InvalidArgument as error:
            if not classes:
                raise
            refused = error
        return _of_redefined(value, check, classes, refused)

    return validate


def _of_redefined(value: Any, check: Callable[[Any], Any], classes: Places, refused: InvalidArgument) -> Any:
    """The value, if classes that were defined again are all that is wrong with it. Raises why it was refused."""
    try:
        renewed = taken_over(value, classes)
        if renewed is not value:
            return check(renewed)
    except (InvalidArgument, LookupError, ValueError, RecursionError):
        pass
    raise refused


def _encoder(shape: Shape) -> Callable[[Any], bytes]:
    pack = shape.pack

    def encode_packed(value: Any) -> bytes:
        try:
            return to_bytes(pack(value))
        except RecursionError:
            raise InvalidArgument("the value is nested too deep, or contains itself") from None

    if not shape.as_is:
        return encode_packed
    write = WIRE_ENCODER.encode

    def encode(value: Any) -> bytes:
        try:
            return write(value)
        except (OverflowError, UnicodeEncodeError, RecursionError):
            # Integers beyond 64 bits need an extension; the rest is refused with a sentence.
            return encode_packed(value)

    return encode


def _decoder(shape: Shape) -> Callable[[bytes], Any]:
    unpack, name = shape.unpack, shape.name

    def decode_packed(data: bytes) -> Any:
        wire = from_bytes(WIRE_DECODER, data)
        try:
            return unpack(wire)
        except (InvalidArgument, TypeError) as error:  # TypeError: damage can put a set where a key must hash
            raise InvalidArgument(f"the stored value does not fit {name}: {error}") from None

    if not shape.native and shape.stand_in is None:
        return decode_packed
    annotation, finish = shape.stand_in or (shape.annotation, same)
    read = msgspec.msgpack.Decoder(annotation, dec_hook=read_custom, ext_hook=read_ext).decode

    def decode_for(data: bytes) -> Any:
        try:
            return finish(read(data))
        except msgspec.MsgspecError:
            return decode_packed(data)

    def decode(data: bytes) -> Any:
        try:
            return read(data)
        except msgspec.MsgspecError:
            # What the native decoder cannot read (an extension, an older form), or damage, which this reports.
            return decode_packed(data)

    return decode if shape.native else decode_for


def _copier(shape: Shape, encode: Callable[[Any], bytes], decode: Callable[[bytes], Any]) -> Callable[[Any], Any]:
    if shape.immutable:
        return same
    if shape.shallow is not None:
        return shape.shallow
    return lambda value: decode(encode(value))
