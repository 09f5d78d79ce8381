"""Values of components in wasmtime's C interface, where each byte of a `list<u8>` is a value of 32 bytes.

wasmtime's Python interface makes these one by one, 0.8 microseconds each, while nothing else in the process runs. Here
bytes are copied with strides, some 3 nanoseconds each, a piece at a time.

Values are named by their addresses. What is put into one is owned by it as soon as it exists, so whoever owns the value
frees all of it, also after an error halfway: the caller of `call` what it has put, wasmtime what a host function gives.
Nothing that is read here is freed here. What a component gives is of the types that it was linked with, which are its
own choice: each kind is compared before anything is read.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import c_char_p, c_size_t, c_uint8, c_void_p
from typing import Any

from wasmtime import _ffi as ffi

from automata.errors import GuestTrapped

Value = ffi.wasmtime_component_val_t
"""One value, uninitialized: a bool that is false, which owns nothing."""

SIZE = ctypes.sizeof(Value)
"""Of a value; those of an array lie side by side."""

_OF = Value.of.offset
_PIECE = 8192  # bytes copied at once: as values they fit into the cache of a core
_BOOL, _U8, _U32, _U64 = (
    kind.value
    for kind in (
        ffi.WASMTIME_COMPONENT_BOOL,
        ffi.WASMTIME_COMPONENT_U8,
        ffi.WASMTIME_COMPONENT_U32,
        ffi.WASMTIME_COMPONENT_U64,
    )
)
_F64, _STRING, _LIST, _TUPLE = (
    kind.value
    for kind in (
        ffi.WASMTIME_COMPONENT_F64,
        ffi.WASMTIME_COMPONENT_STRING,
        ffi.WASMTIME_COMPONENT_LIST,
        ffi.WASMTIME_COMPONENT_TUPLE,
    )
)


class _Several(ctypes.Structure):
    """A value that is a string, list or tuple."""

    _fields_ = (("kind", c_uint8), ("size", c_size_t), ("data", c_size_t))


def c_function(name: str, result: Any, *arguments: Any) -> Any:
    """A function of wasmtime that takes addresses as they are. Its bindings, which others use, stay what they are."""
    function = ffi.dll[name]
    function.argtypes, function.restype = arguments, result
    return function


_new_list = c_function("wasmtime_component_vallist_new_uninit", None, c_void_p, c_size_t)
_new_tuple = c_function("wasmtime_component_valtuple_new_uninit", None, c_void_p, c_size_t)
_new_text = c_function("wasm_byte_vec_new", None, c_void_p, c_size_t, c_char_p)
_delete = c_function("wasmtime_component_val_delete", None, c_void_p)


def _blank() -> bytes:
    values = bytearray(_PIECE * SIZE)
    values[::SIZE] = bytes([_U8]) * _PIECE
    return bytes(values)


_ZEROS = _blank()


# giving


def put_bytes(place: int, data: bytes) -> None:
    """A `list<u8>`."""
    head = _Several.from_address(place)
    _new_list(place + _OF, len(data))
    head.kind = _LIST
    if not data:
        return
    begin, piece = head.data, bytearray(_ZEROS[: len(data) * SIZE])
    window = (c_uint8 * 1).from_buffer(piece)
    for at in range(0, len(data), _PIECE):
        part = data[at : at + _PIECE]
        piece[_OF : len(part) * SIZE : SIZE] = part
        ctypes.memmove(begin + at * SIZE, window, len(part) * SIZE)


def put_rows(place: int, rows: Sequence[tuple[bytes, bytes]]) -> None:
    """A `list<tuple<list<u8>, list<u8>>>`."""
    head = _Several.from_address(place)
    _new_list(place + _OF, len(rows))
    begin = head.data
    ctypes.memset(begin, 0, len(rows) * SIZE)  # they own nothing yet
    head.kind = _LIST
    for at, (key, value) in enumerate(rows):
        _put_pair(begin + at * SIZE, key, value)


def _put_pair(place: int, key: bytes, value: bytes) -> None:
    head = _Several.from_address(place)
    _new_tuple(place + _OF, 2)
    begin = head.data
    ctypes.memset(begin, 0, 2 * SIZE)
    head.kind = _TUPLE
    put_bytes(begin, key)
    put_bytes(begin + SIZE, value)


def put_text(place: int, text: str) -> None:
    """A `string`."""
    data = text.encode()
    _new_text(place + _OF, len(data), data)
    _Several.from_address(place).kind = _STRING


def put_float(place: int, number: float) -> None:
    """An `f64`."""
    value = Value.from_address(place)
    value.of.f64 = number
    value.kind = _F64


def put_bool(place: int, truth: bool) -> None:
    """A `bool`."""
    value = Value.from_address(place)
    value.of.boolean = truth
    value.kind = _BOOL


def put_nothing(place: int, nothing: None) -> None:
    """For functions without a result."""


# taking


def as_bytes(place: int) -> bytes:
    """A `list<u8>`. Raises GuestTrapped, as all of these do, for anything else."""
    head = _several(place, _LIST, "list<u8>")
    begin, size = head.data, head.size
    if not size:
        return b""
    _check(begin, _U8, "list<u8>")  # those of one list are of one kind
    if size <= _PIECE:
        return ctypes.string_at(begin, size * SIZE)[_OF::SIZE]
    pieces = range(0, size, _PIECE)
    return b"".join([ctypes.string_at(begin + at * SIZE, min(_PIECE, size - at) * SIZE)[_OF::SIZE] for at in pieces])


def as_text(place: int) -> str:
    """A `string`."""
    head = _several(place, _STRING, "string")
    try:
        return ctypes.string_at(head.data, head.size).decode()
    except UnicodeDecodeError:
        raise GuestTrapped("a component has given text that is no UTF-8") from None


def as_u32(place: int) -> int:
    """A `u32`."""
    _check(place, _U32, "u32")
    return int(Value.from_address(place).of.u32)


def as_u64(place: int) -> int:
    """A `u64`."""
    _check(place, _U64, "u64")
    return int(Value.from_address(place).of.u64)


def as_bool(place: int) -> bool:
    """A `bool`."""
    _check(place, _BOOL, "bool")
    return bool(Value.from_address(place).of.boolean)


def delete(place: int) -> None:
    """Free what a value owns. It must not be used again."""
    _delete(place)


def _check(place: int, kind: int, wanted: str) -> None:
    if c_uint8.from_address(place).value != kind:
        raise GuestTrapped(f"a component has given what is no {wanted}")


def _several(place: int, kind: int, wanted: str) -> _Several:
    _check(place, kind, wanted)
    return _Several.from_address(place)
