"""How soon Ray tells that a process or a node has died. Its own settings take 1.7 s and 15 s (measured with Ray 2.60).

A caller of an actor that was killed is told by its own process, which looks at its broken calls now and then: 1 s,
and 1 s more, by default. With the settings below a death shows after 25-80 ms.
"""

from __future__ import annotations

import os

_CALLER = {
    "timeout_ms_task_wait_for_death_info": 20,  # how long a broken call waits for the reason before it fails
    "core_worker_internal_heartbeat_ms": 50,  # how often broken calls are looked at
}
_HEAD = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 250,
    # A killed node refuses connections at once, and is dead after three of them: 0.7 s. One that is slow is not dead.
    "health_check_timeout_ms": 5_000,
    "health_check_failure_threshold": 3,
}

CALLER_ENVIRONMENT = {f"RAY_{name}": str(value) for name, value in _CALLER.items()}
"""Environment variables of a process that calls actors; they count from when it first connects to Ray."""

HEAD_ENVIRONMENT = {f"RAY_{name}": str(value) for name, value in _HEAD.items()}
"""Environment variables for `ray start --head`, as docs/OPERATIONS.md shows them."""

SYSTEM_CONFIG = _CALLER | _HEAD
"""The same for a cluster whose head is started here: Ray hands them to every process."""


def notice_deaths_soon() -> None:
    """Set them in this process, unless its environment says otherwise. To be called before it connects to Ray."""
    for name, value in CALLER_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
