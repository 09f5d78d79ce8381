"""Runs core modules: plain exports over linear memory, and a handful of host functions (docs/SANDBOX.md).

Each invocation gets a fresh instance. That, with a call and a host function, takes some 20 microseconds through the C
interface of wasmtime, a quarter of what its Python interface takes.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Sequence
from ctypes import POINTER, byref, c_size_t, c_uint64, c_void_p
from typing import Any

from wasmtime import Engine, FuncType, Linker, Module, Trap, ValType, WasmtimeError
from wasmtime import _ffi as ffi

from automata.errors import GuestTrapped
from automata.sandbox.core_memory import CoreMemory
from automata.sandbox.session import Session
from automata.sandbox.stopping import stopped

MODULE = "automata"
"""What core modules import their host functions from."""

HostFunction = Callable[["CoreRun", Sequence[Any]], "int | float | None"]

_dll = ffi.dll
_new_store, _context_of, _delete_store = (
    _dll.wasmtime_store_new,
    _dll.wasmtime_store_context,
    _dll.wasmtime_store_delete,
)
_set_fuel, _get_fuel = _dll.wasmtime_context_set_fuel, _dll.wasmtime_context_get_fuel
_set_deadline, _limit = _dll.wasmtime_context_set_epoch_deadline, _dll.wasmtime_store_limiter
_instantiate, _export = _dll.wasmtime_instance_pre_instantiate, _dll.wasmtime_instance_export_get
_call = _dll.wasmtime_func_call_unchecked
_NO_FINALIZER = ctypes.cast(0, ctypes.CFUNCTYPE(None, c_void_p))
_Raw = ffi.wasmtime_val_raw_t
_TRAP_TEXT = ctypes.create_string_buffer(b"refused by the host")

I32, I64, F64 = "i32", "i64", "f64"
_TYPES = {I32: ValType.i32, I64: ValType.i64, F64: ValType.f64}


class CoreRun:
    """One run of one instance. memory: its linear memory. reply: the bytes that it has given as its result."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.memory: CoreMemory
        self.reply: bytes | None = None
        self.kept: bytes = b""
        self._context: Any = None
        self._instance = ffi.wasmtime_instance_t()

    def call(self, name: bytes, arguments: Sequence[tuple[str, int | float]], result: str | None) -> int | float | None:
        """Call an export, whose signature was checked when its module was uploaded."""
        item = ffi.wasmtime_extern_t()
        if not _export(self._context, byref(self._instance), name, c_size_t(len(name)), byref(item)):
            raise GuestTrapped(f"the module exports no {name.decode()!r}")
        count = max(len(arguments), 1)
        raw, trap = (_Raw * count)(), POINTER(ffi.wasm_trap_t)()
        for at, (kind, value) in enumerate(arguments):
            setattr(raw[at], kind, value)
        error = _call(self._context, byref(item.of.func), raw, c_size_t(count), byref(trap))
        self._check(error, trap)
        return None if result is None else getattr(raw[0], result)

    def enter(self, context: Any, pre: Any) -> None:
        """Make the instance."""
        self._context = context
        trap = POINTER(ffi.wasm_trap_t)()
        error = _instantiate(pre, context, byref(self._instance), byref(trap))
        self._check(error, trap)
        item = ffi.wasmtime_extern_t()
        if not _export(context, byref(self._instance), b"memory", c_size_t(6), byref(item)):
            raise GuestTrapped("the module exports no memory")
        self.memory = CoreMemory(context, item.of.memory)

    def _check(self, error: Any, trap: Any) -> None:
        if error:
            raise stopped(self.session, str(WasmtimeError._from_ptr(ctypes.cast(error, POINTER(ffi.wasmtime_error_t)))))  # noqa: SLF001 - its owner
        if trap:
            raise stopped(self.session, str(Trap._from_ptr(trap)))  # noqa: SLF001 - its owner


class CoreHost:
    """Core modules of one engine, with the functions that they call."""

    def __init__(self, engine: Engine, functions: dict[str, tuple[Sequence[str], str | None, HostFunction]]) -> None:
        self._engine = engine
        self._here = threading.local()
        self._linker = Linker(engine)
        self._callbacks: list[Any] = []  # wasmtime calls them for as long as the linker lives
        for name, (parameters, result, function) in functions.items():
            self._define(name, parameters, result, function)

    def prepare(self, module: Module) -> Any:
        """A module with its imports, ready to be instantiated. Raises WasmtimeError for imports that there are not."""
        return self._linker.instantiate_pre(module)

    def run(self, prepared: Any, session: Session, ticks: int, fuel: int, work: Callable[[CoreRun], Any]) -> Any:
        """Do something with a fresh instance. Raises GuestTrapped, LimitExceeded, and what the host has refused it."""
        limits, run = session.limits, CoreRun(session)
        store = _new_store(self._engine.ptr(), None, _NO_FINALIZER)
        context = _context_of(store)
        _set_fuel(context, c_uint64(fuel))
        _set_deadline(context, c_uint64(ticks))
        _limit(store, limits.memory_bytes, limits.table_elements, 1, 10, 1)
        outer = getattr(self._here, "run", None)
        self._here.run = run
        try:
            run.enter(context, prepared.ptr())
            return work(run)
        finally:
            self._here.run = outer
            left = c_uint64()
            _get_fuel(context, byref(left))
            session.usage.fuel += fuel - left.value
            _delete_store(store)

    def _define(self, name: str, parameters: Sequence[str], result: str | None, function: HostFunction) -> None:
        here, kinds = self._here, tuple(parameters)

        @ffi.wasmtime_func_unchecked_callback_t  # type: ignore[untyped-decorator]
        def serve(env: object, caller: object, raw: Any, count: int) -> int:
            run: CoreRun = here.run
            try:
                run.session.count_call()
                found = function(run, [getattr(raw[at], kind) for at, kind in enumerate(kinds)])
            except Exception as error:  # noqa: BLE001 - nothing may be raised through WebAssembly: noted, then trapped
                run.session.failure = error
                trap = _dll.wasmtime_trap_new(_TRAP_TEXT, c_size_t(len(_TRAP_TEXT) - 1))
                return ctypes.cast(trap, c_void_p).value or 0
            if result is not None:
                setattr(raw[0], result, found)
            return 0

        self._callbacks.append(serve)
        kind = FuncType([_TYPES[k]() for k in kinds], [] if result is None else [_TYPES[result]()])
        place, text = MODULE.encode(), name.encode()
        error = ffi.wasmtime_linker_define_func_unchecked(
            self._linker.ptr(), place, len(place), text, len(text), kind.ptr(), serve, None, _NO_FINALIZER
        )
        if bool(error):
            raise WasmtimeError._from_ptr(error)  # noqa: SLF001 - its owner
