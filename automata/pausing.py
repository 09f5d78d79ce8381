"""`effect` and `sleep`: what a method awaits besides other objects, so that it can resume after a crash."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar, overload

from automata.calls import Awaited
from automata.commit_points import Effect, Sleep
from automata.context import running_method

P = ParamSpec("P")
T = TypeVar("T")


@overload
async def effect(fn: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T: ...
@overload
async def effect(fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T: ...
async def effect(fn: Callable[..., object], /, *args: object, **kwargs: object) -> object:
    """Run outside work, a plain function (on a thread) or an async one, and keep its outcome in the method's journal.

    A commit point: it starts once everything that its invocation has seen is durable, and its outcome, value or
    exception, is recorded once. A process that is killed before that runs it again: hand it a `uuid4()` as key where
    that matters. Its value must be plain data. Raises StateError outside of a method, ReadOnlyError in a readonly one.
    """
    running = running_method("effect()")
    return await Awaited(running.suspend(Effect(fn, args, kwargs)))


async def sleep(seconds: float) -> None:
    """Let the method pause for so long. The pause is durable: it goes on across restarts, and holds no object.

    Raises StateError outside of a method, InvalidArgument for what is no number of seconds.
    """
    running = running_method("sleep()")
    await Awaited(running.suspend(Sleep(seconds, running.now())))
