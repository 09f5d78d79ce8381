"""MessagePack, written and read as msgspec does: the same bytes for the same values.

A guest runs under a count of its instructions, so the short forms that most messages are made of come first.
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Generic, TypeVar
from uuid import UUID

from .conversion import duration_text
from .errors import DecodeError, ValidationError

T = TypeVar("T")

_SMALL: list[bytes] = [bytes([number]) for number in range(128)]
_FLOAT = struct.Struct(">Bd").pack
_TIMESTAMP = -1


class Ext:
    """An extension: a code of its own, and bytes."""

    __slots__ = ("code", "data")

    def __init__(self, code: int, data: bytes) -> None:
        self.code = code
        self.data = data

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Ext):
            return self.code == other.code and bytes(self.data) == bytes(other.data)
        return NotImplemented

    def __hash__(self) -> int:
        return hash((self.code, bytes(self.data)))

    def __repr__(self) -> str:
        return f"Ext({self.code}, {self.data!r})"


class Encoder:
    """Writes values. enc_hook: makes what can be written of one that cannot."""

    def __init__(self, *, enc_hook: Callable[[Any], Any] | None = None) -> None:
        self._hook = enc_hook

    def encode(self, value: Any) -> bytes:
        """The bytes of a value. Raises OverflowError for integers beyond 64 bits, TypeError for what has no form."""
        kind = type(value)
        if kind is int and 0 <= value < 128:
            return _SMALL[int(value)]
        out = bytearray()
        self._write(value, out)
        return bytes(out)

    def _write(self, value: Any, out: bytearray) -> None:
        kind = type(value)
        if kind is str:
            data = value.encode()
            size = len(data)
            if size < 32:
                out.append(0xA0 | size)
            else:
                _head(out, size, (0xD9, 0xDA, 0xDB))
            out += data
        elif kind is int:
            if 0 <= value < 128:
                out.append(value)
            else:
                _write_int(value, out)
        elif kind is bytes:
            _head(out, len(value), (0xC4, 0xC5, 0xC6))
            out += value
        elif kind is list or kind is tuple:
            self._write_items(value, out)
        elif kind is dict:
            self._write_map(value, out)
        elif value is None:
            out.append(0xC0)
        elif kind is bool:
            out.append(0xC3 if value else 0xC2)
        else:
            self._write_other(value, out)

    def _write_items(self, items: Any, out: bytearray) -> None:
        size = len(items)
        if size < 16:
            out.append(0x90 | size)
        else:
            _head(out, size, (None, 0xDC, 0xDD))
        for item in items:
            self._write(item, out)

    def _write_map(self, items: dict[Any, Any], out: bytearray) -> None:
        size = len(items)
        if size < 16:
            out.append(0x80 | size)
        else:
            _head(out, size, (None, 0xDE, 0xDF))
        for key, item in items.items():
            self._write(key, out)
            self._write(item, out)

    def _write_other(self, value: Any, out: bytearray) -> None:
        kind = type(value)
        if kind is float:
            out += _FLOAT(0xCB, value)
        elif kind is Ext:
            _write_ext(value, out)
        elif isinstance(value, Enum):
            self._write(value.value, out)
        elif kind in _TEXTS:
            self._write(_TEXTS[kind](value), out)
        elif (kind is datetime or kind is time) and value.tzinfo is None:
            self._write(value.isoformat(), out)
        elif isinstance(value, bytearray | memoryview):
            self._write(bytes(value), out)
        elif isinstance(value, list | tuple | set | frozenset):
            self._write_items(value, out)
        elif isinstance(value, dict):
            self._write_map(value, out)
        elif dataclasses.is_dataclass(kind):
            names = [field.name for field in dataclasses.fields(kind)]
            self._write_map({name: getattr(value, name) for name in names if hasattr(value, name)}, out)
        elif self._hook is not None:
            self._write(self._hook(value), out)
        else:
            raise TypeError(f"Encoding objects of type {kind.__name__} is unsupported")


_TEXTS: dict[type, Callable[[Any], str]] = {UUID: str, Decimal: str, date: str, timedelta: duration_text}


def _head(out: bytearray, size: int, tags: tuple[int | None, int, int]) -> None:
    """The head of something with a size, in the shortest of its three forms."""
    short, middle, long = tags
    if short is not None and size < 0x100:
        out.append(short)
        out.append(size)
    elif size < 0x10000:
        out.append(middle)
        out += size.to_bytes(2, "big")
    else:
        out.append(long)
        out += size.to_bytes(4, "big")


_UNSIGNED = ((0x100, 0xCC, 1), (0x10000, 0xCD, 2), (1 << 32, 0xCE, 4), (1 << 64, 0xCF, 8))
_SIGNED = ((-0x80, 0xD0, 1), (-0x8000, 0xD1, 2), (-(1 << 31), 0xD2, 4), (-(1 << 63), 0xD3, 8))


def _write_int(value: int, out: bytearray) -> None:
    if value >= 0:
        for end, tag, size in _UNSIGNED:
            if value < end:
                out.append(tag)
                out += value.to_bytes(size, "big")
                return
    elif value >= -32:
        out.append(256 + value)
        return
    else:
        for first, tag, size in _SIGNED:
            if value >= first:
                out.append(tag)
                out += value.to_bytes(size, "big", signed=True)
                return
    raise OverflowError("Integer value out of range")


def _write_ext(value: Ext, out: bytearray) -> None:
    size = len(value.data)
    tag = {1: 0xD4, 2: 0xD5, 4: 0xD6, 8: 0xD7, 16: 0xD8}.get(size)
    if tag is not None:
        out.append(tag)
    else:
        _head(out, size, (0xC7, 0xC8, 0xC9))
    out += value.code.to_bytes(1, "big", signed=True)
    out += value.data


class Decoder(Generic[T]):
    """Reads values. Of types other than the simple ones it raises ValidationError: whoever asks reads them in Python.

    ext_hook: makes the value of an extension, of its code and a view of its bytes.
    """

    def __init__(
        self,
        kind: Any = Any,
        *,
        dec_hook: Callable[[Any, Any], Any] | None = None,
        ext_hook: Callable[[int, memoryview], Any] | None = None,
    ) -> None:
        self._hook = ext_hook
        self._kind = kind
        self._fits = None if kind is Any else _FITS.get(kind, _unread)

    def decode(self, data: bytes) -> T:
        """The value in the bytes. Raises DecodeError for damaged ones."""
        fits = self._fits
        if fits is _unread:
            raise ValidationError(f"{self._kind!r} is not read here")
        value, end = self._read(data, 0)
        if end != len(data):
            raise DecodeError(f"MessagePack data is malformed: trailing characters (byte {end})")
        if fits is not None and not fits(value):
            raise ValidationError(f"Expected `{self._kind!r}`")
        return value  # type: ignore[no-any-return]

    def _read(self, data: bytes, at: int) -> tuple[Any, int]:
        """The value at a position, and the position behind it."""
        try:
            tag = data[at]
        except IndexError:
            raise _truncated() from None
        at += 1
        if tag < 0x80:
            return tag, at
        if tag >= 0xE0:
            return tag - 256, at
        if tag < 0x90:
            return self._map(data, at, tag & 0x0F)
        if tag < 0xA0:
            return self._items(data, at, tag & 0x0F)
        if tag < 0xC0:
            end = at + (tag & 0x1F)
            text = data[at:end]
            if len(text) != end - at:
                raise _truncated()
            return text.decode(), end
        if tag in _CONSTANTS:
            return _CONSTANTS[tag], at
        if tag in _SIZES:
            size, end = _number(data, at, _SIZES[tag])
            return self._sized(data, end, tag, size)
        return self._fixed(data, at, tag)

    def _sized(self, data: bytes, at: int, tag: int, size: int) -> tuple[Any, int]:
        if tag >= 0xDE:
            return self._map(data, at, size)
        if tag >= 0xDC:
            return self._items(data, at, size)
        if 0xC7 <= tag <= 0xC9:
            return self._extension(data, at, size)
        piece = data[at : at + size]
        if len(piece) != size:
            raise _truncated()
        return (piece.decode() if tag >= 0xD9 else bytes(piece)), at + size

    def _fixed(self, data: bytes, at: int, tag: int) -> tuple[Any, int]:
        """Numbers, and extensions of a fixed size."""
        if 0xD4 <= tag <= 0xD8:
            return self._extension(data, at, 1 << (tag - 0xD4))
        form = _NUMBERS.get(tag)
        if form is None:
            raise DecodeError(f"MessagePack data is malformed: invalid opcode '\\x{tag:02x}' (byte {at - 1})")
        try:
            return form.unpack_from(data, at)[0], at + form.size
        except struct.error:
            raise _truncated() from None

    def _items(self, data: bytes, at: int, count: int) -> tuple[list[Any], int]:
        if count > len(data) - at:
            raise _truncated()
        items = []
        for _ in range(count):
            item, at = self._read(data, at)
            items.append(item)
        return items, at

    def _map(self, data: bytes, at: int, count: int) -> tuple[dict[Any, Any], int]:
        if count > len(data) - at:
            raise _truncated()
        items = {}
        for _ in range(count):
            key, at = self._read(data, at)
            item, at = self._read(data, at)
            if type(key) is list:
                key = _as_key(key)
            try:
                items[key] = item
            except TypeError:
                raise DecodeError(f"MessagePack data is malformed: map keys must be hashable (byte {at})") from None
        return items, at

    def _extension(self, data: bytes, at: int, size: int) -> tuple[Any, int]:
        if at + 1 + size > len(data):
            raise _truncated()
        code = data[at] - 256 if data[at] > 127 else data[at]
        end = at + 1 + size
        if code == _TIMESTAMP:
            return _timestamp(data[at + 1 : end]), end
        if self._hook is None:
            return Ext(code, data[at + 1 : end]), end
        return self._hook(code, memoryview(data)[at + 1 : end]), end


_CONSTANTS = {0xC0: None, 0xC2: False, 0xC3: True}
_SIZES = {
    tag: size
    for tags, sizes in (
        ((0xC4, 0xC5, 0xC6), (1, 2, 4)),  # bytes
        ((0xC7, 0xC8, 0xC9), (1, 2, 4)),  # extensions
        ((0xD9, 0xDA, 0xDB), (1, 2, 4)),  # text
        ((0xDC, 0xDD, 0xDE, 0xDF), (2, 4, 2, 4)),  # arrays and maps
    )
    for tag, size in zip(tags, sizes, strict=True)
}
_NUMBERS = {
    tag: struct.Struct(form)
    for tag, form in (
        *((0xCA, ">f"), (0xCB, ">d"), (0xCC, ">B"), (0xCD, ">H"), (0xCE, ">I")),
        *((0xCF, ">Q"), (0xD0, ">b"), (0xD1, ">h"), (0xD2, ">i"), (0xD3, ">q")),
    )
}


def _unread(value: object) -> bool:
    return False


_FITS: dict[Any, Callable[[Any], bool]] = {
    bool: lambda value: type(value) is bool,
    int: lambda value: type(value) is int,
    float: lambda value: type(value) is float,
    str: lambda value: type(value) is str,
    bytes: lambda value: type(value) is bytes,
    type(None): lambda value: value is None,
    list[bytes]: lambda value: type(value) is list and all(type(item) is bytes for item in value),
}


def _number(data: bytes, at: int, size: int) -> tuple[int, int]:
    piece = data[at : at + size]
    if len(piece) != size:
        raise _truncated()
    return int.from_bytes(piece, "big"), at + size


def _as_key(items: list[Any]) -> tuple[Any, ...]:
    return tuple(_as_key(item) if type(item) is list else item for item in items)


def _timestamp(data: bytes) -> datetime:
    """The three forms of MessagePack's own time."""
    if len(data) == 4:
        seconds, nanos = int.from_bytes(data, "big"), 0
    elif len(data) == 8:
        both = int.from_bytes(data, "big")
        nanos, seconds = both >> 34, both & ((1 << 34) - 1)
    elif len(data) == 12:
        nanos, seconds = int.from_bytes(data[:4], "big"), int.from_bytes(data[4:], "big", signed=True)
    else:
        raise DecodeError("Invalid MessagePack timestamp")
    try:
        return datetime.fromtimestamp(0, UTC) + timedelta(seconds=seconds, microseconds=nanos // 1000)
    except OverflowError:
        raise DecodeError("Invalid MessagePack timestamp") from None


def _truncated() -> DecodeError:
    return DecodeError("Input data was truncated")
