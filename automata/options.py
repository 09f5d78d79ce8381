"""How a host runs: what opening an app may choose."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from automata.inline_workers import InlineWorkers
from automata.sandbox.limits import SandboxLimits
from automata.types import REGISTRY, Registry
from automata.worker import Workers
from automata.worker_turn import Surroundings


@dataclass(frozen=True)
class Options:
    """How a host runs.

    foreign_await_seconds_max: how long a method may hold its object for outside work. cached_results_max and
    cached_bytes_max: how much of the results of `@readonly(cache=True)` methods is kept. closing_seconds_max: how long
    closing waits for methods that run; those that merely wait at a commit point it cuts off at once.
    closing_effect_seconds_max: how long it waits for effects that have begun, which would otherwise happen twice.
    workers: makes what runs the methods of types with `compute="worker"`; if nothing is given, this process does.
    modules: the folder of uploaded modules of this store and no other; a passing one if none is given. sandbox: the
    most that any of them may use; sandbox_threads: whether they may run beside the event loop, in threads.
    """

    entities_max: int = 20_000
    cached_results_max: int = 10_000
    cached_bytes_max: int = 32 << 20
    foreign_await_seconds_max: float = 60.0
    closing_seconds_max: float = 0.5
    closing_effect_seconds_max: float = 30.0
    clock: Callable[[], float] = time.time
    random: random.Random = field(default_factory=random.SystemRandom)
    registry: Registry = REGISTRY
    workers: Callable[[Surroundings], Workers] | None = None
    modules: Path | None = None
    sandbox: SandboxLimits = field(default_factory=SandboxLimits)
    sandbox_threads: bool = True

    def make_workers(self) -> Workers:
        """The workers of one host."""
        return (self.workers or InlineWorkers)(Surroundings(self.clock, self.random, self.registry))
