"""The linear memory of one instance: every address and length in it comes from a stranger and is checked."""

from __future__ import annotations

import ctypes
from typing import Any

from wasmtime import _ffi as ffi

from automata.errors import GuestTrapped

_data, _size = ffi.dll.wasmtime_memory_data, ffi.dll.wasmtime_memory_data_size
_MASK = 0xFFFFFFFF


class CoreMemory:
    """Bytes of the instance. It may grow, and so move, whenever its code runs."""

    def __init__(self, context: Any, memory: Any) -> None:
        self._context = context
        self._memory = ctypes.byref(memory)
        self._kept = memory

    def read(self, address: int, length: int) -> bytes:
        """A copy of some bytes. Raises GuestTrapped if they are not all in the memory."""
        return ctypes.string_at(self._place(address, length), length & _MASK)

    def write(self, address: int, data: bytes) -> None:
        """Copy bytes in. Raises GuestTrapped if they would not all be in the memory."""
        ctypes.memmove(self._place(address, len(data)), data, len(data))

    def fill(self, address: int, capacity: int, data: bytes) -> int:
        """Copy bytes in if there is room for all of them. Returns how many they are."""
        if len(data) <= capacity & _MASK:
            self.write(address, data)
        return len(data)

    def _place(self, address: int, length: int) -> int:
        begin, count = address & _MASK, length & _MASK
        size = _size(self._context, self._memory)
        if begin + count > size:
            raise GuestTrapped(f"a host function was given {count} bytes at {begin}, in a memory of {size} bytes")
        return ctypes.addressof(_data(self._context, self._memory).contents) + begin if size else begin
