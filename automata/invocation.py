"""Invocations: a call that was written down and not yet made. Awaiting makes it; `send` makes it one-way."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Awaitable, Coroutine, Generator
from datetime import datetime
from typing import Any, TypeVar, cast

from automata import router
from automata.calls import Awaited, Call, Cancelled, Sent
from automata.context import CURRENT
from automata.errors import InvalidArgument
from automata.timing import parse
from automata.when import when

T = TypeVar("T")

REQUEST_KEY_BYTES_MAX = 512


class Invocation(Call, Coroutine[Any, Any, Any]):
    """`ref(User, "alice").post("hi")`: a call that is a coroutine for whoever awaits it, in any loop."""

    _running: Generator[Any, Any, Any] | None = None
    tried = False  # somebody meant it: whatever came of that, no warning is due

    def __await__(self) -> Generator[Any, Any, Any]:
        self.tried = True
        running = CURRENT.get()
        return router.of(self.ref).call(self) if running is None else running.call(self)

    def send(self, value: object) -> Any:
        """Part of the coroutine protocol, for tasks."""
        if self._running is None:
            self._running = self.__await__()
        return self._running.send(value)

    def throw(self, *error: Any) -> Any:
        """Part of the coroutine protocol, for tasks."""
        if self._running is None:
            self.tried = self.used = True
            self._running = _not_begun()
        return self._running.throw(*error)

    def close(self) -> None:
        """Part of the coroutine protocol: gives up waiting."""
        self.tried = self.used = True
        if self._running is not None:
            self._running.close()

    @property
    def __name__(self) -> str:
        """What tasks show."""
        return f"{self.ref.type_name}/{self.ref.key} {self.method.name}"

    def __del__(self) -> None:
        if not self.tried:
            warnings.warn(f"{self!r} was neither awaited nor sent, so nothing happened", RuntimeWarning, stacklevel=2)

    def __repr__(self) -> str:
        return f"<invocation {self.__name__}>"


def _not_begun() -> Generator[Any, Any, Any]:
    yield  # where a coroutine stands that was never stepped


def call(
    invocation: Awaitable[T],
    *,
    idempotency_key: str | None = None,
    timeout: float | None = None,
) -> Awaitable[T]:
    """The invocation with options.

    idempotency_key: 1 to 512 bytes; asking again under the same key gives the recorded result for 24 hours, joins a
    call that still runs, and raises InvalidArgument for other arguments. timeout: seconds until CallTimeout; the
    method goes on, and the same key asks for its result.
    """
    checked = as_invocation(invocation, "call")
    if idempotency_key is not None:
        _check_request_key(idempotency_key, checked)
        if checked.method.readonly:
            raise InvalidArgument("a readonly method changes nothing and takes no idempotency key")
        checked.request = idempotency_key
    if timeout is not None:
        if type(timeout) not in (int, float) or not 0 < timeout < float("inf"):
            checked.close()
            raise InvalidArgument("a timeout is a positive number of seconds")
        checked.timeout = timeout
    return cast("Awaitable[T]", checked)


def _check_request_key(key: object, checked: Invocation) -> None:
    try:
        size = len(key.encode()) if type(key) is str else 0
    except UnicodeEncodeError:
        size = 0
    if not 0 < size <= REQUEST_KEY_BYTES_MAX:
        checked.close()
        raise InvalidArgument(f"an idempotency key is a str of 1 to {REQUEST_KEY_BYTES_MAX} bytes of UTF-8")


def send(
    invocation: Awaitable[object],
    *,
    delay: float | None = None,
    at: datetime | None = None,
    every: float | str | None = None,
) -> Sent:
    """Make an invocation one-way: it is delivered exactly once, and its result is dropped.

    In a method it belongs to the step, and leaves when that commits. In a client it leaves at once; await the result
    to know that it is durable.

    delay: seconds until it is due; at: when it is due, with a time zone; a time that is over means at once. every: it
    is delivered again and again, at this many seconds or by a cron expression in UTC, the first time at `delay` or
    `at` if one is given; what was missed while the app was closed is delivered once. Awaiting gives the id that
    `cancel` takes. Raises InvalidArgument for arguments and options that do not fit.
    """
    checked = as_invocation(invocation, "send")
    checked.tried = True
    if checked.request is not None or checked.timeout is not None:
        raise InvalidArgument("send() takes no call() options: a message is delivered exactly once by itself")
    later = None if delay is None and at is None and every is None else when(delay, at, every)
    running = CURRENT.get()
    if running is None:
        return router.of(checked.ref).post(checked, later)
    return Sent(running.send(checked, later), None)


def cancel(message: str | Sent) -> Cancelled:
    """Cancel a message that is due later, by what `send` gave; awaiting gives whether it will never be delivered.

    False says that it is too late: the message was delivered, is on its way, or was cancelled before. Of a message
    that repeats, no further delivery begins. In a method it belongs to the step, and the answer is known at once; but
    on a cluster a message that another store keeps is cancelled when this is awaited, as by a call of another object.
    In a client it happens at once, and is durable when awaited. Raises InvalidArgument for what is no id.
    """
    message_id = message.id if isinstance(message, Sent) else message
    running = CURRENT.get()
    if running is None:
        if isinstance(message, Sent) and not message.id and message.cancelling is not None:
            return message.cancelling()
        if parse(message_id) is None:
            return Cancelled(False, None)
        return router.OPEN.that_keeps(message_id).cancel(message_id)
    return running.cancel(message_id)


async def gather(*invocations: Awaitable[Any]) -> list[Any]:
    """Invoke in parallel and give all results in order.

    All are waited for; then the first error in order, if any, is raised. In a method it is one commit point.
    """
    checked = [as_invocation(invocation, "gather") for invocation in invocations]
    for invocation in checked:
        invocation.tried = True
    running = CURRENT.get()
    if running is not None:
        return cast("list[Any]", await Awaited(running.gather(checked)))
    results = await asyncio.gather(*checked, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


def as_invocation(value: object, where: str) -> Invocation:
    """`value` if it is an invocation, else InvalidArgument."""
    if isinstance(value, Invocation):
        return value
    raise InvalidArgument(f"{where}() takes an invocation, as in {where}(ref(User, 'alice').post('hi')), not {value!r}")
