"""Calls of components, and the functions that components call, through wasmtime's C interface."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from ctypes import addressof, byref, c_char_p, c_size_t, c_void_p
from dataclasses import dataclass
from typing import Any

from wasmtime import Store, WasmtimeError
from wasmtime import _ffi as ffi
from wasmtime.component import Component, Linker

from automata.errors import GuestTrapped
from automata.sandbox.component_values import SIZE, Value, as_bytes, c_function, delete, put_bytes, put_nothing
from automata.sandbox.session import Session

_REFUSED = b"refused by the host"
_NO_FINALIZER = ctypes.cast(0, ctypes.CFUNCTYPE(None, c_void_p))
_Callback = ctypes.CFUNCTYPE(c_size_t, c_void_p, c_void_p, c_void_p, c_void_p, c_size_t, c_void_p, c_size_t)
_new_error = c_function("wasmtime_error_new", c_void_p, c_char_p)
_add_function = c_function(
    "wasmtime_component_linker_instance_add_func",
    c_void_p,
    c_void_p,
    c_char_p,
    c_size_t,
    _Callback,
    c_void_p,
    type(_NO_FINALIZER),
)
_instantiate = c_function("wasmtime_component_linker_instantiate", c_void_p, c_void_p, c_void_p, c_void_p, c_void_p)
_get_index = c_function("wasmtime_component_get_export_index", c_void_p, c_void_p, c_void_p, c_char_p, c_size_t)
_delete_index = c_function("wasmtime_component_export_index_delete", None, c_void_p)
_get_function = c_function(
    "wasmtime_component_instance_get_func", ctypes.c_bool, c_void_p, c_void_p, c_void_p, c_void_p
)
_call = c_function("wasmtime_component_func_call", c_void_p, c_void_p, c_void_p, c_void_p, c_size_t, c_void_p, c_size_t)


@dataclass(frozen=True)
class HostFunction:
    """takes: how each argument is read. put: how the result is written. work: it gets the session and the arguments."""

    takes: tuple[Callable[[int], Any], ...]
    put: Callable[[int, Any], None]
    work: Callable[..., Any]

    def serve(self, session: Session, given: int, count: int, results: int, result_count: int) -> None:
        """Take the arguments, and put the result in its place."""
        if count != len(self.takes) or result_count != (self.put is not put_nothing):
            raise GuestTrapped("a component has imported a function of its host as what it is not")
        session.count_call()
        found = self.work(session, *[take(given + at * SIZE) for at, take in enumerate(self.takes)])
        self.put(results, found)


class Callbacks:
    """Host functions in a linker, for as long as this is kept. here: gives the session that runs on this thread."""

    def __init__(
        self, linker: Linker, place: str, functions: Mapping[str, HostFunction], here: Callable[[], Session]
    ) -> None:
        self._kept: list[Any] = []  # wasmtime calls them for as long as the linker lives
        with linker.root() as root, root.add_instance(place) as instance:
            for name, function in functions.items():
                callback, text = _callback(function, here), name.encode()
                self._kept.append(callback)
                _raise(_add_function(instance.ptr(), text, len(text), callback, None, _NO_FINALIZER))


def _callback(function: HostFunction, here: Callable[[], Session]) -> Any:
    @_Callback  # type: ignore[untyped-decorator]
    def serve(
        *passed: int,
    ) -> int:  # the function's data, store and type; its arguments, their number; results likewise
        session = here()
        try:
            function.serve(session, *passed[3:])
        except Exception as error:  # noqa: BLE001 - nothing may be raised through WebAssembly: noted, then trapped
            session.failure = error
            return int(_new_error(_REFUSED))
        return 0

    return serve


def call(linker: Linker, store: Store, component: Component, name: str, arguments: tuple[bytes, ...]) -> bytes:
    """Call an export of a fresh instance with bytes, for bytes. Raises WasmtimeError, GuestTrapped."""
    context = store._context()  # noqa: SLF001 - it has no other name
    function = _enter(linker, context, component, name)
    given, answer = (Value * len(arguments))(), Value()
    try:
        for value, data in zip(given, arguments, strict=True):
            put_bytes(addressof(value), data)
        _raise(_call(byref(function), context, given, len(arguments), byref(answer), 1))
        return as_bytes(addressof(answer))
    finally:
        for value in (*given, answer):
            delete(addressof(value))


def _enter(linker: Linker, context: Any, component: Component, name: str) -> Any:
    instance, function, text = ffi.wasmtime_component_instance_t(), ffi.wasmtime_component_func_t(), name.encode()
    _raise(_instantiate(linker.ptr(), context, component.ptr(), byref(instance)))
    index = _get_index(component.ptr(), None, text, len(text))
    if index is None:
        raise GuestTrapped(f"the component exports no {name!r}")
    try:
        if not _get_function(byref(instance), context, index, byref(function)):
            raise GuestTrapped(f"the component exports no function {name!r}")
    finally:
        _delete_index(index)
    return function


def _raise(error: int | None) -> None:
    if error is not None:
        raise WasmtimeError._from_ptr(ctypes.cast(error, ctypes.POINTER(ffi.wasmtime_error_t)))  # noqa: SLF001 - its owner
