"""What all sandboxes of one process share: engines, the clock that stops long runs, threads to run in."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from wasmtime import Engine, Module, WasmtimeError
from wasmtime.component import Component

from automata.sandbox.component_guest import ComponentHost
from automata.sandbox.component_messages import Awaits, Done, Raised
from automata.sandbox.core_functions import FUNCTIONS
from automata.sandbox.core_guest import CoreHost, CoreRun
from automata.sandbox.engines import FOREVER, TICK_SECONDS, Ticker, component_engine, core_engine
from automata.sandbox.limits import SandboxLimits
from automata.sandbox.record import CORE
from automata.sandbox.session import Session

THREADS_MAX = 16
"""Runs of all modules that may take place beside the event loop at once."""

MEMORY_BYTES = SandboxLimits().memory_bytes
"""What an instance may have at most: pools reserve addresses for so much."""


class Machine:
    """The one of a process. Its engines are made when they are first used."""

    @functools.cached_property
    def component_engine(self) -> Engine:
        """For components."""
        return component_engine(MEMORY_BYTES)

    @functools.cached_property
    def core_engine(self) -> Engine:
        """For core modules."""
        return core_engine(MEMORY_BYTES)

    @functools.cached_property
    def threads(self) -> ThreadPoolExecutor:
        """Where runs take place that the event loop would wait for too long."""
        return ThreadPoolExecutor(THREADS_MAX, thread_name_prefix="sandbox")

    @functools.cached_property
    def _components(self) -> ComponentHost:
        return ComponentHost(self.component_engine)

    @functools.cached_property
    def _cores(self) -> CoreHost:
        return CoreHost(self.core_engine, FUNCTIONS)

    @functools.cached_property
    def _component_clock(self) -> Ticker:
        return Ticker(self.component_engine)

    @functools.cached_property
    def _core_clock(self) -> Ticker:
        return Ticker(self.core_engine)

    def runs(self, kind: str, compiled: Path) -> bool:
        """Whether a compiled form is for this processor, and for engines that are set up as these."""
        try:
            if kind == CORE:
                self.read_core(compiled)
            else:
                self.load_component(compiled)
        except WasmtimeError:
            return False
        return True

    def load_component(self, compiled: Path) -> Component:
        """A component from its compiled form, which this process or another one of this release has written."""
        return Component.deserialize_file(self.component_engine, str(compiled))

    def read_core(self, compiled: Path) -> Module:
        """A core module, likewise."""
        return Module.deserialize_file(self.core_engine, str(compiled))

    def load_core(self, compiled: Path) -> Any:
        """The same with its imports, ready to be instantiated."""
        return self._cores.prepare(self.read_core(compiled))

    def describe_component(self, component: Component, session: Session) -> bytes:
        """What a component says of itself."""
        with self._component_clock, _Timed(session):
            return self._components.describe(component, session, _ticks(session.limits))

    def run_component(self, component: Component, session: Session, task: bytes) -> Done | Raised | Awaits:
        """One run of a method of a component."""
        with self._component_clock, _Timed(session):
            return self._components.run(component, session, _ticks(session.limits), task)

    def run_core(self, prepared: Any, session: Session, fuel: int, work: Callable[[CoreRun], Any]) -> Any:
        """Something done with a fresh instance of a core module. Inline, little fuel ends it, and no clock."""
        clock = nullcontext() if session.inline else self._core_clock
        ticks = FOREVER if session.inline else _ticks(session.limits)
        with clock, _Timed(session):
            return self._cores.run(prepared, session, ticks, fuel, work)


class _Timed:
    """Counts the seconds of a run."""

    def __init__(self, session: Session) -> None:
        self._usage = session.usage
        self._begun = 0.0

    def __enter__(self) -> None:
        self._begun = time.perf_counter()

    def __exit__(self, *error: object) -> None:
        self._usage.seconds += time.perf_counter() - self._begun


@functools.cache
def machine() -> Machine:
    """The one of this process."""
    return Machine()


def _ticks(limits: SandboxLimits) -> int:
    return 1 + math.ceil(limits.seconds / TICK_SECONDS)
