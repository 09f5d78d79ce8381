"""The door of a simulated app: clients outside see one app that goes on, whatever happens to the engine behind it.

Each call that changes something and each message carries a request id. When the engine dies before it has answered,
the next life is asked again under the same id, as a client over a network does. So nobody outside can tell a run with
failures from one without, unless something was lost or done twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any

from automata.calls import Awaited, Call, Cancelled, Sent
from automata.engine import Engine
from automata.errors import AutomataError, OutcomeUnknown, StateError, StorageFull
from automata.methods import Packed
from automata.partitions import partition_of
from automata.posted import message_request
from automata.testing.disk import Disk
from automata.testing.faults import Fault, Faults
from automata.timing import kept_by
from automata.when import When
from darq.errors import StoreClosed

_DIED = (OutcomeUnknown, StoreClosed)  # what callers hear of an engine that dies; from a living one, it is an answer


class _Attempt(Call):
    """One more try of a call, with the arguments as they were at the first."""

    def __init__(self, call: Call, packed: Packed, request: str | None, timeout: float | None) -> None:
        super().__init__(call.ref, call.method, call.args, call.kwargs)
        self.request, self.timeout = request, timeout
        self._packed = packed

    def pack(self) -> Packed:
        return self._packed


class _Post:
    """A message of a client, until it is known to be durable. id: its number; refused: why the engine did not take it.

    written: of the engine that it was sent to last; outside: what its sender has.
    """

    id = ""
    refused: Exception | None = None

    def __init__(self, call: Call, when: When | None, request: str) -> None:
        self.call, self.when, self.request, self.packed = call, when, request, call.pack()
        self.written: asyncio.Future[None]
        self.outside: Sent

    def attempt(self) -> _Attempt:
        return _Attempt(self.call, self.packed, self.request, None)

    def to(self, engine: Engine) -> None:
        try:
            sent = engine.router.post(self.attempt(), self.when)
            self.id, self.refused = sent.id, None
            self.written = engine.host.loop.create_task(_await(sent))
        except Exception as error:  # noqa: BLE001 - a refusal, which is its sender's; or the engine's death
            self.refused = error
            self.written = engine.host.loop.create_future()
            self.written.set_exception(error)
        self.written.add_done_callback(_heard)


class Door:
    """The router of a simulated app. submit: runs a coroutine on the app's loop for code outside of any loop.

    learns: types that this process does not know can be nowhere else.
    """

    learns = False

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        disk: Disk,
        faults: Faults,
        submit: Callable[[Coroutine[Any, Any, Any]], Any],
    ) -> None:
        self._loop = loop
        self._disk = disk
        self._faults = faults
        self._submit = submit
        self._engine: Engine | None = None
        self._shut: Engine | None = None  # it lives, and has no space
        self._failure: BaseException | None = None
        self._changed = asyncio.Event()
        self._requests = 0
        self._posts: dict[str, _Post] = {}
        self._writing: set[asyncio.Task[None]] = set()

    # lives

    def opened(self, engine: Engine) -> None:
        """A life of the engine begins: messages that were not acknowledged go to it first, in order."""
        self._engine, self._shut = engine, None
        for post in list(self._posts.values()):
            post.to(engine)
            if isinstance(post.refused, StorageFull) and self._shut_for_a_while(engine):
                return
        self._changed.set()

    def died(self) -> None:
        """The life of the engine is over."""
        self._engine = self._shut = None
        self._changed.clear()

    def closed(self, failure: BaseException) -> None:
        """There will be no further life: this is what all get who wait for one."""
        self._engine, self._shut, self._failure = None, None, failure
        self._changed.set()

    async def alive(self) -> Engine:
        """The engine, once it lives."""
        while self._engine is None:
            if self._failure is not None:
                raise self._failure
            await self._changed.wait()
        return self._engine

    async def outlive(self, look: Callable[[Engine], Coroutine[Any, Any, Any]]) -> Any:
        """Run `look` on the engine, and again on the next one if it dies meanwhile."""
        while True:
            engine = await self.alive()
            try:
                return await look(engine)
            except _DIED:
                if self._engine is engine:
                    raise
            except StorageFull:
                if self._engine is engine and not self._shut_for_a_while(engine):
                    raise

    def _shut_for_a_while(self, engine: Engine) -> bool:
        """The engine has refused for want of space. If a fault has taken it, all clients wait, in their order."""
        pause = engine.log.limits.free_check_seconds
        if not self._faults.disk_was_full(self._loop.time(), pause):
            return False
        self.died()
        self._shut = engine
        self._loop.call_later(pause, lambda: self.opened(engine) if self._shut is engine else None)
        return True

    async def drain(self) -> None:
        """Wait until all that was posted is durable."""
        while self._writing:
            await asyncio.wait(self._writing)

    # the router

    def call(self, call: Call) -> Generator[Any, Any, Any]:
        """Make the call, as often as the engine dies before it has answered."""
        return (yield from self._call(call).__await__())

    def post(self, call: Call, when: When | None = None) -> Sent:
        """Send the message. Its id is final when the result was awaited."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            sent: Sent = self._submit(self._post_here(call, when))
            return sent
        return self._post(call, when)

    def cancel(self, message_id: str, request: str | None = None) -> Cancelled:
        """Cancel a message that is due later, as often as the engine dies before that is durable."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            cancelled: Cancelled = self._submit(self._cancel_here(message_id, request))
            return cancelled
        return self._cancel(message_id, request)

    def keeps(self, message_id: str) -> bool:
        """Whether the message of this id is, or was, kept until it is due in this app."""
        return kept_by(self._disk.identity(), message_id)

    async def _call(self, call: Call) -> Any:
        if asyncio.get_running_loop() is not self._loop:
            raise StateError("a simulated app is used from its own event loop alone")
        packed = call.pack()
        request = call.request if call.method.readonly or call.request is not None else self._new_request()
        if self._faults.strikes(Fault.REQUEST_DELAYED):
            await asyncio.sleep(self._faults.delay_seconds())
        if request is None or not self._faults.strikes(Fault.REQUEST_DOUBLED):
            return await self._answered(call, packed, request)
        both = await asyncio.gather(
            self._answered(call, packed, request), self._answered(call, packed, request), return_exceptions=True
        )
        first, again = list[Any](both)
        self._disk.audit.differ(repr(call), _comparable(first), _comparable(again))
        if isinstance(first, BaseException):
            raise first
        return first

    async def _answered(self, call: Call, packed: Packed, request: str | None) -> Any:
        """The outcome of a call, checked to be durable where it is told."""
        loop = asyncio.get_running_loop()
        deadline = None if call.timeout is None else loop.time() + call.timeout

        async def attempt(engine: Engine) -> Any:
            left = None if deadline is None else deadline - loop.time()
            if left is not None and left <= 0:
                raise call.timed_out()
            return await Awaited(engine.router.call(_Attempt(call, packed, request, left)))

        try:
            value = await self.outlive(attempt)
        except AutomataError:
            raise  # a refusal is not recorded
        except Exception:
            self._told(call, request)
            raise
        self._told(call, request)
        return value

    def _told(self, call: Call, request: str | None) -> None:
        if request is not None:
            partition = partition_of(call.ref.type_name, call.ref.key)
            self._disk.audit.answered(repr(call), partition, request.encode(), self._disk.durable)

    async def _post_here(self, call: Call, when: When | None) -> Sent:
        return self._post(call, when)

    async def _cancel_here(self, message_id: str, request: str | None) -> Cancelled:
        return self._cancel(message_id, request)

    def _cancel(self, message_id: str, request: str | None) -> Cancelled:
        if self._failure is not None:
            raise self._failure
        outside = Cancelled(False, None)
        request = request or self._new_request()
        writing = self._loop.create_task(self._write_cancelling(outside, message_id, request))
        self._writing.add(writing)
        writing.add_done_callback(self._writing.discard)
        outside.durable = writing
        return outside

    def _post(self, call: Call, when: When | None) -> Sent:
        if self._failure is not None:
            raise self._failure
        post = _Post(call, when, self._new_request())
        engine = self._engine
        if engine is not None:
            post.to(engine)
            if isinstance(post.refused, StorageFull):
                self._shut_for_a_while(engine)
            if post.refused is not None and self._engine is engine:
                raise post.refused
        self._posts[post.request] = post
        if self._engine is engine is not None and self._faults.strikes(Fault.REQUEST_DOUBLED):
            self._double(post, engine)
        writing = self._loop.create_task(self._write(post))
        self._writing.add(writing)
        writing.add_done_callback(self._writing.discard)
        post.outside = Sent(post.id, writing)
        return post.outside

    def _double(self, post: _Post, engine: Engine) -> None:
        again = engine.router.post(post.attempt(), post.when)
        self._loop.create_task(_await(again)).add_done_callback(_heard)
        self._disk.audit.differ(repr(post.call), post.id, again.id)

    async def _write(self, post: _Post) -> None:
        """Wait until some life of the engine has made the message durable."""
        try:
            await self.outlive(lambda engine: _await(post.written))  # a life begins by being sent what is open
        finally:
            del self._posts[post.request]
        post.outside.id = post.id
        partition = partition_of(post.call.ref.type_name, post.call.ref.key)
        self._disk.audit.answered(
            repr(post.call), partition, message_request(post.request.encode()), self._disk.durable
        )

    async def _write_cancelling(self, outside: Cancelled, message_id: str, request: str) -> None:
        """Wait until some life of the engine has made the answer durable."""

        async def attempt(engine: Engine) -> bool:
            return await engine.router.cancel(message_id, request)

        outside.never_delivered = await self.outlive(attempt)

    def _new_request(self) -> str:
        self._requests += 1
        return f"client-{self._requests}"


async def _await(what: Awaitable[Any]) -> None:
    await what


def _heard(written: asyncio.Future[None]) -> None:
    """Whoever sent it asks the next life; nobody need hear why this one failed."""
    if not written.cancelled():
        written.exception()


def _comparable(outcome: object) -> object:
    if isinstance(outcome, BaseException):
        return type(outcome).__name__, outcome.args
    return outcome
