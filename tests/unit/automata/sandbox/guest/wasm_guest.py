"""A guest as it is shipped: a WebAssembly component in wasmtime, instantiated anew for each run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import wasmtime
from wasmtime import component

_FUEL = 20_000_000_000
_MEMORY_BYTES = 64 << 20
_FUNCTIONS = ("page", "now", "entropy", "schedule", "cancel", "log", "part", "give")


class WasmGuest:
    """The guest of one module. used: how much fuel the last call took."""

    def __init__(self, module: Path) -> None:
        config = wasmtime.Config()
        config.consume_fuel = True
        config.cranelift_opt_level = "none"  # compiling takes most of the time of these tests
        self._engine = wasmtime.Engine(config)
        self._module = component.Component(self._engine, module.read_bytes())
        self._linker = component.Linker(self._engine)
        self._host: Callable[[str, tuple[Any, ...]], Any] = lambda name, arguments: None
        self.used = 0
        with self._linker.root() as root, root.add_instance("automata:guest/host@1.0.0") as instance:
            for name in _FUNCTIONS:
                instance.add_func(name, self._function(name))
        self.manifest = self._call("describe")

    def run(self, task: bytes, host: Callable[[str, tuple[Any, ...]], Any]) -> bytes:
        """The answer to a task. host: answers what the guest asks, by name and arguments."""
        self._host = host
        return self._call("run", task)

    def close(self) -> None:
        """There is nothing to end."""

    def _function(self, name: str) -> Callable[..., Any]:
        return lambda store, *arguments: self._host(name, arguments)

    def _call(self, name: str, *arguments: bytes) -> bytes:
        store = wasmtime.Store(self._engine)
        store.set_fuel(_FUEL)
        store.set_limits(memory_size=_MEMORY_BYTES)
        instance = self._linker.instantiate(store, self._module)
        function = instance.get_func(store, name)
        assert function is not None
        answer = function(store, *arguments)
        function.post_return(store)
        self.used = _FUEL - store.get_fuel()
        return bytes(answer)
