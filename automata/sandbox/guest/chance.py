"""Clock and randomness of a guest: the host's. While the module is built there is no host yet, and nothing to hide.

What is imported from the standard library at the top of a file is bound there and then, so this goes first.
"""

from __future__ import annotations

import _random
import datetime
import gc
import logging
import os
import random
import sys
import time
import types
import uuid
import warnings
from typing import TYPE_CHECKING, Any, Never

from automata.errors import StateError

if TYPE_CHECKING:
    from automata.sandbox.guest.messages import Host


class Source:
    """Where time and chance come from. host: once the module is built."""

    host: Host | None = None


_time, _urandom = time.time, os.urandom


def now() -> float:
    """Seconds since the epoch."""
    return _time() if Source.host is None else Source.host.now()


def now_ns() -> int:
    """The same in whole nanoseconds."""
    return int(now() * 1e9)


def entropy(count: int, /) -> bytes:
    """Random bytes."""
    return _urandom(count) if Source.host is None else Source.host.entropy(count)


class GuestRandom(random.Random):
    """The functions of the module `random`: drawn from the host until the code gives a seed of its own."""

    _automaton_seeded = False

    def random(self) -> float:
        """A float in [0, 1)."""
        if self._automaton_seeded:
            return super().random()
        return (int.from_bytes(entropy(7), "big") >> 3) / (1 << 53)

    def getrandbits(self, k: int, /) -> int:
        """An integer of k random bits."""
        if self._automaton_seeded:
            return super().getrandbits(k)
        size = (k + 7) // 8
        return int.from_bytes(entropy(size), "big") >> (size * 8 - k)

    def seed(self, *args: Any, **options: Any) -> None:
        """From here on everything follows from the seed."""
        super().seed(*args, **options)
        self._automaton_seeded = True


def _make_random(cls: type[random.Random], *args: object, **options: object) -> Any:
    return _new_seeded(cls, 0)


def _seed(self: random.Random, a: Any = None, version: int = 2) -> None:
    _plain_seed(self, int.from_bytes(entropy(32), "big") if a is None else a, version)


_plain_seed = random.Random.seed
_new_seeded: Any = _random.Random.__new__  # of a number: without one it asks the machine


def _datetime_now(cls: type[datetime.datetime], tz: datetime.tzinfo | None = None) -> datetime.datetime:
    return cls.fromtimestamp(now(), tz)


def _datetime_utcnow(cls: type[datetime.datetime]) -> datetime.datetime:
    return cls.fromtimestamp(now(), datetime.UTC).replace(tzinfo=None)


def _refuse_to_wait(seconds: float) -> Never:
    raise StateError("time.sleep() holds a sandboxed class for nothing: `await sleep(seconds)` of automata pauses it")


def take_over() -> None:
    """Let the standard library ask the host."""
    for module, name, replacement in (
        *((time, name, now) for name in ("time", "monotonic", "perf_counter", "process_time")),
        *((time, f"{name}_ns", now_ns) for name in ("time", "monotonic", "perf_counter", "process_time")),
        (time, "sleep", _refuse_to_wait),
        (os, "urandom", entropy),
        (random, "_urandom", entropy),
        (uuid, "_generate_time_safe", None),
        (uuid, "_UuidCreate", None),
        (logging, "time", types.SimpleNamespace(time=lambda: 0.0, time_ns=lambda: 0)),
    ):
        setattr(module, name, replacement)
    for name in ("localtime", "gmtime", "ctime"):
        setattr(time, name, _of_now(getattr(time, name)))
    _take_over_datetime()
    _take_over_random()


def _of_now(function: Any) -> Any:
    """A function of the module `time` whose default is the present."""
    return lambda seconds=None: function(now() if seconds is None else seconds)


def _take_over_datetime() -> None:
    """`datetime.now` of a class written in C, which takes no attributes from Python but has them in a dictionary."""
    [names] = gc.get_referents(datetime.datetime.__dict__)
    names["now"] = classmethod(_datetime_now)
    names["utcnow"] = classmethod(_datetime_utcnow)
    with warnings.catch_warnings(action="ignore"):
        sys._clear_type_cache()  # noqa: SLF001 - or what was looked up before stays as it was


def _take_over_random() -> None:
    for name, function in (("__new__", staticmethod(_make_random)), ("seed", _seed)):
        setattr(random.Random, name, function)
    shared: Any = random._inst  # noqa: SLF001 - the functions of the module are its methods
    shared.__class__ = GuestRandom
    for name in dir(random):
        if getattr(getattr(random, name), "__self__", None) is shared:
            setattr(random, name, getattr(shared, name))
