"""Keys of collections as bytes: self-describing, prefix-free, and ordered as the keys themselves are.

For keys `a` and `b` of one type, `a < b` exactly when `encode(a) < encode(b)`, and `a == b` exactly when the
encodings are equal, so a range of keys is a range of bytes. Every component starts with a tag, so tools decode keys
without knowing any type. No encoding is a prefix of another one.

Grammar (version 1; numbers are big-endian)::

    key       = bytes | str | tuple | integer | naive | aware | uuid | ref
    bytes     = 0x01 escaped 0x00
    str       = 0x02 escaped 0x00                 the text as UTF-8, whose order is that of the code points
    tuple     = 0x05 key* 0x00                    0x00 is below every tag: a shorter tuple comes first
    integer   = 0x0B length' magnitude'           below -(2**64 - 1); length in 4 bytes; ' marks complemented bits
              | 0x0C..0x13 magnitude'             negative, 8 bytes down to 1 byte
              | 0x14                              zero
              | 0x15..0x1C magnitude              positive, 1 byte up to 8 bytes
              | 0x1D length magnitude             above 2**64 - 1; length in 4 bytes
    naive     = 0x30 micros                       a datetime without zone: microseconds since 0001-01-01, 8 bytes
    aware     = 0x31 micros                       an instant: the same in UTC
    uuid      = 0x32 16 bytes
    ref       = 0x33 escaped 0x00 escaped 0x00    type name, then key, as UTF-8
    escaped   = every byte as it is, but 0x00 as 0x01 0x01 and 0x01 as 0x01 0x02

A magnitude has no leading zero byte. The escape keeps 0x00 for terminators alone: were 0x00 escaped as 0x00 0xFF,
the encoding of "a" would be a prefix of that of "a\\0". An aware datetime comes back in UTC: two equal instants must
be one key, so the zone cannot be kept. Tags and their meaning never change; new kinds take new tags.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeAlias
from uuid import UUID

from automata.errors import InvalidArgument
from automata.reference import ObjectRef, make_ref

Key: TypeAlias = "str | int | bytes | UUID | datetime | ObjectRef | tuple[Key, ...]"
"""What orders a collection. A tuple may hold keys of different types, nested at most `DEPTH_MAX` deep."""

DEPTH_MAX = 32

_BYTES, _STR, _TUPLE = 0x01, 0x02, 0x05
_INT_NEGATIVE_LONG, _INT_ZERO, _INT_POSITIVE_LONG = 0x0B, 0x14, 0x1D
_NAIVE, _AWARE, _UUID, _REF = 0x30, 0x31, 0x32, 0x33
_SHORT_MAX = 8
_LENGTH_BYTES = 4
_FIRST_AWARE = datetime(1, 1, 1, tzinfo=UTC)
_FIRST_NAIVE = _FIRST_AWARE.replace(tzinfo=None)
_MICROSECOND = timedelta(microseconds=1)
_MICROS_MAX = (datetime.max.replace(tzinfo=UTC) - _FIRST_AWARE) // _MICROSECOND


def encode(key: Key) -> bytes:
    """The bytes of `key`; raises `InvalidArgument` for what is no key (bool, float, subclasses, lone surrogates)."""
    kind = type(key)
    if kind is str:
        try:
            raw = key.encode()  # type: ignore[union-attr]
        except UnicodeEncodeError:
            raise _surrogates() from None
        if b"\x00" in raw or b"\x01" in raw:
            raw = _escape(raw)
        return b"\x02" + raw + b"\x00"
    if kind is int and -1 < key < 256:  # type: ignore[operator]
        return _SMALL[key]  # type: ignore[index]
    return _encode_any(key, 0)


def decode(data: bytes) -> Key:
    """The key that `encode` made `data` of; raises `ValueError` for damaged, truncated or trailing bytes."""
    if len(data) <= 2 and data in _SMALL_KEYS:
        return _SMALL_KEYS[data]
    if data[:1] == b"\x02" and data.find(b"\x00") == len(data) - 1 and b"\x01" not in data:
        return _text(data[1:-1])
    if data[:1] == b"\x33" and data[-1:] == b"\x00" and data.count(b"\x00") == 2 and b"\x01" not in data:
        type_name, name, _ = data[1:].split(b"\x00")
        return make_ref(_text(type_name), _text(name))
    key, end = _decode_at(data, 0, 0)
    if end != len(data):
        raise ValueError(f"{len(data) - end} bytes follow the key")
    return key


def _encode_any(key: Key, depth: int) -> bytes:
    encoder = _ENCODERS.get(type(key))
    if encoder is not None:
        return encoder(key)
    if type(key) is tuple:
        if depth == DEPTH_MAX:
            raise InvalidArgument(f"a key holds tuples nested more than {DEPTH_MAX} deep")
        return b"\x05" + b"".join([_encode_any(part, depth + 1) for part in key]) + b"\x00"
    if isinstance(key, ObjectRef):
        return _encode_ref(key)
    raise InvalidArgument(
        f"a key must be str, int, bytes, UUID, datetime, a Ref or a tuple of these, not {type(key).__name__}"
    )


def _encode_str(key: str) -> bytes:
    return b"\x02" + _terminated(key)


def _encode_bytes(key: bytes) -> bytes:
    return b"\x01" + _escape(key) + b"\x00"


def _encode_int(key: int) -> bytes:
    magnitude = abs(key)
    size = (magnitude.bit_length() + 7) >> 3
    if size <= _SHORT_MAX:
        if key >= 0:
            return bytes((_INT_ZERO + size,)) + key.to_bytes(size, "big")
        return bytes((_INT_ZERO - size,)) + _complement(magnitude, size)
    if key > 0:
        return bytes((_INT_POSITIVE_LONG,)) + size.to_bytes(_LENGTH_BYTES, "big") + key.to_bytes(size, "big")
    return bytes((_INT_NEGATIVE_LONG,)) + _complement(size, _LENGTH_BYTES) + _complement(magnitude, size)


def _encode_uuid(key: UUID) -> bytes:
    return b"\x32" + key.bytes


def _encode_datetime(key: datetime) -> bytes:
    offset = key.utcoffset()
    if offset is None:
        micros = (key.replace(tzinfo=None) - _FIRST_NAIVE) // _MICROSECOND
        return b"\x30" + micros.to_bytes(8, "big")
    micros = (key.replace(tzinfo=None) - _FIRST_NAIVE - offset) // _MICROSECOND
    if not 0 <= micros <= _MICROS_MAX:
        raise InvalidArgument(f"the datetime {key} is outside the years 1 to 9999 in UTC")
    return b"\x31" + micros.to_bytes(8, "big")


def _encode_ref(key: ObjectRef) -> bytes:
    return b"\x33" + _terminated(key.type_name) + _terminated(key.key)


def _terminated(text: str) -> bytes:
    try:
        return _escape(text.encode()) + b"\x00"
    except UnicodeEncodeError:
        raise _surrogates() from None


def _surrogates() -> InvalidArgument:
    return InvalidArgument("a key holds a lone surrogate, which has no UTF-8 form")


def _escape(raw: bytes) -> bytes:
    return raw.replace(b"\x01", b"\x01\x02").replace(b"\x00", b"\x01\x01")


def _complement(number: int, size: int) -> bytes:
    return ((1 << 8 * size) - 1 - number).to_bytes(size, "big")


def _decode_at(data: bytes, start: int, depth: int) -> tuple[Key, int]:
    """The key that starts at `start`, and the position behind it."""
    tag = _take(data, start, start + 1)[0]
    if _INT_NEGATIVE_LONG <= tag <= _INT_POSITIVE_LONG:
        return _decode_int(data, start + 1, tag)
    decoder = _DECODERS.get(tag)
    if decoder is not None:
        return decoder(data, start + 1)
    if tag == _TUPLE:
        return _decode_tuple(data, start + 1, depth)
    raise ValueError(f"no kind of key has the tag 0x{tag:02x}")


def _decode_tuple(data: bytes, position: int, depth: int) -> tuple[Key, int]:
    if depth == DEPTH_MAX:
        raise ValueError(f"the key holds tuples nested more than {DEPTH_MAX} deep")
    parts: list[Key] = []
    while _take(data, position, position + 1) != b"\x00":
        part, position = _decode_at(data, position, depth + 1)
        parts.append(part)
    return tuple(parts), position + 1


def _decode_int(data: bytes, start: int, tag: int) -> tuple[Key, int]:
    size, negative = abs(tag - _INT_ZERO), tag < _INT_ZERO
    if size > _SHORT_MAX:
        size = _magnitude(data, start, _LENGTH_BYTES, negative)
        start += _LENGTH_BYTES
        if size <= _SHORT_MAX:
            raise ValueError("the key holds a short integer in long form")
    if size == 0:
        return 0, start
    magnitude = _magnitude(data, start, size, negative)
    if magnitude >> 8 * (size - 1) == 0:
        raise ValueError("the key holds an integer with a leading zero byte")
    return (-magnitude if negative else magnitude), start + size


def _magnitude(data: bytes, start: int, size: int, complemented: bool) -> int:
    number = int.from_bytes(_take(data, start, start + size), "big")
    return (1 << 8 * size) - 1 - number if complemented else number


def _decode_str(data: bytes, start: int) -> tuple[Key, int]:
    raw, end = _unescape(data, start)
    return _text(raw), end


def _decode_bytes(data: bytes, start: int) -> tuple[Key, int]:
    return _unescape(data, start)


def _decode_uuid(data: bytes, start: int) -> tuple[Key, int]:
    return UUID(bytes=_take(data, start, start + 16)), start + 16


def _decode_naive(data: bytes, start: int) -> tuple[Key, int]:
    return _FIRST_NAIVE + _since_first(data, start), start + 8


def _decode_aware(data: bytes, start: int) -> tuple[Key, int]:
    return _FIRST_AWARE + _since_first(data, start), start + 8


def _since_first(data: bytes, start: int) -> timedelta:
    micros = int.from_bytes(_take(data, start, start + 8), "big")
    if micros > _MICROS_MAX:
        raise ValueError("the key holds a datetime after the year 9999")
    return timedelta(microseconds=micros)


def _decode_ref(data: bytes, start: int) -> tuple[Key, int]:
    type_name, middle = _unescape(data, start)
    key, end = _unescape(data, middle)
    return make_ref(_text(type_name), _text(key)), end


def _unescape(data: bytes, start: int) -> tuple[bytes, int]:
    end = data.find(b"\x00", start)
    if end < 0:
        raise ValueError("the key is truncated")
    raw = data[start:end]
    if b"\x01" not in raw:
        return raw, end + 1
    plain = raw.replace(b"\x01\x01", b"\x00").replace(b"\x01\x02", b"\x01")
    if _escape(plain) != raw:
        raise ValueError("the key holds a malformed escape")
    return plain, end + 1


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"the key holds text that is not UTF-8: {error}") from None


def _take(data: bytes, start: int, end: int) -> bytes:
    piece = data[start:end]
    if len(piece) != end - start:
        raise ValueError("the key is truncated")
    return piece


_SMALL = [_encode_int(number) for number in range(256)]
_SMALL_KEYS = {data: number for number, data in enumerate(_SMALL)}
_ENCODERS: dict[type, Callable[..., bytes]] = {
    str: _encode_str,
    int: _encode_int,
    bytes: _encode_bytes,
    UUID: _encode_uuid,
    datetime: _encode_datetime,
}
_DECODERS: dict[int, Callable[[bytes, int], tuple[Key, int]]] = {
    _STR: _decode_str,
    _BYTES: _decode_bytes,
    _NAIVE: _decode_naive,
    _AWARE: _decode_aware,
    _UUID: _decode_uuid,
    _REF: _decode_ref,
}
