"""wasmtime, set up: what modules may use of WebAssembly, and a clock that stops code which runs too long."""

from __future__ import annotations

import threading
import time

from wasmtime import Config, Engine
from wasmtime import _ffi as ffi

TICK_SECONDS = 0.01
"""How exactly wall-clock limits are kept."""

WASM_STACK_BYTES = 512 << 10
"""What code may use of the stack: endless recursion traps there."""

POOLED_INSTANCES = 64
"""Instances of core modules that may live at once: inline, and in all threads."""

FOREVER = 1 << 40
"""Ticks that nothing lives to see."""


def component_engine() -> Engine:
    """For components: each has megabytes of memory, mapped from the compiled file and copied when written."""
    return Engine(_config())


def core_engine(memory_bytes: int) -> Engine:
    """For core modules: instances come from a pool, so that a fresh one takes microseconds.

    wasmtime's Python interface does not set up its pool, so this goes to the C interface below it.
    """
    config = _config()
    pool = ffi.wasmtime_pooling_allocation_config_new()
    ffi.wasmtime_pooling_allocation_config_total_core_instances_set(pool, POOLED_INSTANCES)
    ffi.wasmtime_pooling_allocation_config_total_memories_set(pool, POOLED_INSTANCES)
    ffi.wasmtime_pooling_allocation_config_total_tables_set(pool, POOLED_INSTANCES)
    ffi.wasmtime_pooling_allocation_config_max_unused_warm_slots_set(pool, POOLED_INSTANCES)
    ffi.wasmtime_pooling_allocation_config_max_memory_size_set(pool, memory_bytes)
    ffi.wasmtime_pooling_allocation_config_linear_memory_keep_resident_set(pool, 64 << 10)
    ffi.wasmtime_pooling_allocation_config_table_keep_resident_set(pool, 64 << 10)
    config.memory_reservation = memory_bytes
    ffi.wasmtime_pooling_allocation_strategy_set(config.ptr(), pool)
    ffi.wasmtime_pooling_allocation_config_delete(pool)
    return Engine(config)


def _config() -> Config:
    config = Config()
    config.consume_fuel = True
    config.epoch_interruption = True
    config.max_wasm_stack = WASM_STACK_BYTES
    config.cranelift_nan_canonicalization = True  # a method that runs again must do the same again
    config.wasm_relaxed_simd_deterministic = True
    config.wasm_threads = False
    config.wasm_memory64 = False
    config.wasm_gc = False  # its heaps would come on top of linear memory
    return config


class Ticker:
    """Moves the epoch of engines on while code runs in threads, so that it meets its wall-clock limit.

    The loop's own runs need none: little fuel ends them.
    """

    def __init__(self, *engines: Engine) -> None:
        self._engines = engines
        self._running = 0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> None:
        with self._changed:
            self._running += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._tick, name="sandbox-clock", daemon=True)
                self._thread.start()
            self._changed.notify()

    def __exit__(self, *error: object) -> None:
        with self._changed:
            self._running -= 1

    def _tick(self) -> None:
        while True:
            with self._changed:
                while not self._running:
                    self._changed.wait()
            time.sleep(TICK_SECONDS)
            for engine in self._engines:
                engine.increment_epoch()
