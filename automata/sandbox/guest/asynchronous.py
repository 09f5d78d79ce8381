"""Stands in for asyncio, which a guest has not: its method waits by ending, so there is no loop to wait on.

Importing this puts it in asyncio's place, before anything of `automata` asks for that.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from types import GenericAlias, ModuleType
from typing import Any, Never

from automata.errors import StateError


class Foreign:
    """What `automata` names in annotations alone: tasks, futures, loops."""

    @classmethod
    def __class_getitem__(cls, parameters: Any) -> GenericAlias:
        return GenericAlias(cls, parameters)


class CancelledError(BaseException):
    """Never raised in a guest."""


def refusal(what: str) -> StateError:
    """The error for an await of anything that is no automaton."""
    return StateError(
        f"{what} is foreign to a sandboxed class, which awaits other objects and sleep() alone: there is "
        "automata.gather in place of asyncio.gather, automata.sleep in place of asyncio.sleep, and "
        "call(..., timeout=...) in place of timeouts"
    )


class Asynchronous(ModuleType):
    """The module: each function of asyncio refuses when it is called."""

    CancelledError = CancelledError
    TimeoutError = TimeoutError
    AbstractEventLoop = Future = Handle = Task = Timeout = TimerHandle = Foreign
    iscoroutine = staticmethod(inspect.iscoroutine)
    iscoroutinefunction = staticmethod(inspect.iscoroutinefunction)

    def __getattr__(self, name: str) -> Callable[..., Never]:
        if name.startswith("__"):
            raise AttributeError(name)

        def refuse(*args: Any, **options: Any) -> Never:
            for coroutine in filter(inspect.iscoroutine, args):
                coroutine.close()
            raise refusal(f"asyncio.{name}()")

        return refuse


sys.modules["asyncio"] = Asynchronous("asyncio")
