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

COMPONENTS = 24
"""Components that may run at once: in all threads, and while they are examined."""

_WARM_COMPONENTS = 4  # places whose memory is kept though nothing runs there
_CORES_EACH = 60
_TABLE_ELEMENTS = 20_000

FOREVER = 1 << 40
"""Ticks that nothing lives to see."""


def component_engine(memory_bytes: int) -> Engine:
    """For components. CPython is forty core instances that share a memory, and touches megabytes of it in each run:
    they stay with their place in the pool, and what a run has changed is put back, rather than mapped and copied anew.
    """
    return _pooled(
        total_memories=COMPONENTS,
        total_component_instances=COMPONENTS,
        total_core_instances=COMPONENTS * _CORES_EACH,
        total_tables=COMPONENTS * _CORES_EACH,
        max_core_instances_per_component=_CORES_EACH,
        max_tables_per_component=_CORES_EACH,
        max_memories_per_component=1,
        max_unused_warm_slots=_WARM_COMPONENTS,
        max_memory_size=memory_bytes,
        table_elements=_TABLE_ELEMENTS,
        linear_memory_keep_resident=16 << 20,
        table_keep_resident=1 << 20,
    )


def core_engine(memory_bytes: int) -> Engine:
    """For core modules: a fresh instance takes microseconds."""
    return _pooled(
        total_memories=POOLED_INSTANCES,
        total_core_instances=POOLED_INSTANCES,
        total_tables=POOLED_INSTANCES,
        max_unused_warm_slots=POOLED_INSTANCES,
        max_memory_size=memory_bytes,
        table_elements=_TABLE_ELEMENTS,
        linear_memory_keep_resident=64 << 10,
        table_keep_resident=64 << 10,
    )


def _pooled(**options: int) -> Engine:
    """An engine whose instances come from a pool, which wasmtime's Python interface does not set up: so this goes to
    the C interface below it.
    """
    config = _config()
    pool = ffi.wasmtime_pooling_allocation_config_new()
    for name, value in {"total_stacks": 1, "total_gc_heaps": 1, **options}.items():  # 2 GiB, for what is never run
        getattr(ffi, f"wasmtime_pooling_allocation_config_{name}_set")(pool, value)
    config.memory_reservation = options["max_memory_size"]
    ffi.wasmtime_pooling_allocation_strategy_set(config.ptr(), pool)
    ffi.wasmtime_pooling_allocation_config_delete(pool)
    return Engine(config)


def _config() -> Config:
    config = Config()
    config.consume_fuel = True
    config.epoch_interruption = True
    config.max_wasm_stack = WASM_STACK_BYTES
    # Ray, faulthandler and others install handlers of signals whenever they are loaded: a trap must be no signal, or it
    # ends the process then. Checks in the code instead cost a fifth of compiling, and nothing else
    # that was measured.
    config.signals_based_traps = False
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
        shown = time.monotonic()
        while True:
            with self._changed:
                while not self._running:
                    self._changed.wait()
                    shown = time.monotonic()
            time.sleep(TICK_SECONDS)
            while shown <= time.monotonic() - TICK_SECONDS:  # this thread may have had to wait for its turn
                shown += TICK_SECONDS
                for engine in self._engines:
                    engine.increment_epoch()
