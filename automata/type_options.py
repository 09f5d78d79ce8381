"""The options of a type's decorator, checked and frozen."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypedDict

from automata.declaration_fault import fault
from automata.errors import DeclarationError
from automata.retry import SECONDS_MAX, Retry

VERSION_MAX = (1 << 32) - 1
HOST, WORKER = "host", "worker"

Migrate = Callable[[Any, Mapping[str, Any], int], None]
"""fn(self, old, version): brings one stored object up to its class. See `TypeOptions.migrate`."""


class GivenOptions(TypedDict, total=False):
    """What a decorator takes besides the name, for type checkers."""

    version: int
    migrate: Migrate | None
    retry: Retry
    strict_order: bool
    time_to_live: float | None
    calls_waiting_max: int | None
    keys_kept_seconds: float | None
    compute: str
    num_cpus: float
    num_gpus: float


@dataclass(frozen=True)
class TypeOptions:
    """How the objects of one type are treated.

    version: of the class, raised when what is stored has to be migrated. migrate: `fn(self, old, version)`, run as a
    step of its own when an object of a lower version is first touched; `old` maps stored field names to plain Python.
    retry: of messages whose step raises. strict_order: messages to one object wait behind one that is being retried.
    time_to_live: seconds after which an object that no step has changed is deleted. calls_waiting_max: a call from
    outside gets Overloaded if so many wait for its object already. keys_kept_seconds: how long the outcomes of
    idempotency keys are kept, if not as long as `Limits.request_seconds_kept` says.
    compute: "host", where the state is, or "worker": methods run in a process of their own, and the host of the object
    stages what they do as one step (SSMS §4.1); results of `@readonly(cache=True)` stay where the state is. num_cpus,
    num_gpus: what each worker has to itself on a cluster.
    """

    version: int = 1
    migrate: Migrate | None = None
    retry: Retry = field(default_factory=Retry)
    strict_order: bool = False
    time_to_live: float | None = None
    calls_waiting_max: int | None = None
    keys_kept_seconds: float | None = None
    compute: str = HOST
    num_cpus: float = 1
    num_gpus: float = 0

    @property
    def life_ms(self) -> int | None:
        """The time to live."""
        return None if self.time_to_live is None else max(1, int(self.time_to_live * 1000))

    @property
    def keys_kept_ms(self) -> int | None:
        """How long the outcomes of idempotency keys are kept, if the type says so."""
        return None if self.keys_kept_seconds is None else int(self.keys_kept_seconds * 1000)


DEFAULT_OPTIONS = TypeOptions()
"""Of a type whose decorator was given none."""


def check_names(decorator: str, given: Mapping[str, object]) -> None:
    """Raise DeclarationError for options that there are not."""
    known = {option.name for option in fields(TypeOptions)}
    for option in given:
        if option not in known:
            taken = ", ".join(f"{name}=..." for name in ("name", *sorted(known)))
            raise DeclarationError(f"@{decorator} takes no option {option!r}: it takes {taken}")


def type_options(cls: type, given: Mapping[str, Any]) -> TypeOptions:
    """The options given to the decorator of `cls`. Raises DeclarationError, with the class's line."""
    options = TypeOptions(**given)
    sentence = _fault(vars(options))
    if sentence is not None:
        raise fault(cls, None, sentence)
    return options


def _fault(options: Mapping[str, Any]) -> str | None:
    version, migrate, retry, strict = (options[name] for name in ("version", "migrate", "retry", "strict_order"))
    if type(version) is not int or not 1 <= version <= VERSION_MAX:
        return f"version={version!r} must be an int from 1 on"
    if migrate is not None and (not callable(migrate) or inspect.iscoroutinefunction(migrate)):
        return "migrate=... must be a plain function of (self, old, version): it runs as one step and awaits nothing"
    if migrate is not None and version == 1:
        return "migrate=... needs version=2 or more: it brings objects of lower versions up to this one"
    if not isinstance(retry, Retry):
        return f"retry={retry!r} must be a Retry(...)"
    if type(strict) is not bool:
        return f"strict_order={strict!r} must be True or False"
    for name in ("time_to_live", "keys_kept_seconds"):
        seconds = options[name]
        if seconds is not None and (type(seconds) not in {int, float} or not 0 < seconds <= SECONDS_MAX):
            return f"{name}={seconds!r} must be a positive number of seconds, at most {SECONDS_MAX:,}"
    waiting = options["calls_waiting_max"]
    if waiting is not None and (type(waiting) is not int or waiting < 1):
        return f"calls_waiting_max={waiting!r} must be an int of at least 1"
    return _compute_fault(options) or retry.fault()


def _compute_fault(options: Mapping[str, Any]) -> str | None:
    compute = options["compute"]
    if compute not in {HOST, WORKER}:
        return f'compute={compute!r} must be "{HOST}" or "{WORKER}"'
    for name in ("num_cpus", "num_gpus"):
        number = options[name]
        if type(number) not in {int, float} or not 0 <= number < math.inf:
            return f"{name}={number!r} must be a number of at least 0"
        if compute == HOST and number != getattr(DEFAULT_OPTIONS, name):
            return f'{name}={number!r} is for workers: add compute="{WORKER}", or remove it'
    return None
