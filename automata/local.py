"""The router of one process: every object lives in the one host here (no hop, no wait inside)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, TypeVar

from automata.calls import Awaited, Call, Cancelled, Sent
from automata.entity import Entity
from automata.errors import Overloaded
from automata.host import Host
from automata.methods import Packed
from automata.posting import Due, Posting
from automata.timing import kept_by
from automata.when import When
from automata.work import Outcome, Reply
from darq.errors import StoreClosed
from darq.lane import durable

T = TypeVar("T")

_YIELD_EVERY = 16  # calls answered without suspending, before others on the loop get a turn
_FLUSH_WEIGHT = 3  # as many of them as a flush in place counts for


class LocalRouter:
    """Calls of clients into one host, from its own event loop or from any other thread and loop.

    learns: types that this process does not know can be nowhere else.
    """

    learns = False

    def __init__(self, host: Host) -> None:
        self._host = host
        self._gate = host.log.gate
        self._stored = Posting(host)
        self._unsuspended = 0
        self._sent_lsn = 0
        self._posting: set[asyncio.Future[Any]] = set()
        self.closed = False

    def inherit(self) -> None:
        """Its clients are those of the earlier lives: what they call comes behind all that they have sent in those.

        The clients of an embedded app die with it. New ones do not wait: a killed store may hold seconds of messages.
        """
        self._sent_lsn = self._host.log.under_way_lsn

    def call(self, call: Call) -> Generator[Any, Any, Any]:
        """Make the call and give its result once what it depends on is durable."""
        host = self._host
        if asyncio.get_running_loop() is not host.loop:
            return (yield from self.from_elsewhere(self._call_here(call)))
        if self.closed:
            raise _closed()
        packed = call.pack()
        begun = host.loop.time() if call.timeout else 0.0
        ref = call.ref
        entity = host.entity(ref.type_name, ref.key)
        reply = self._start(call, entity, packed)
        if isinstance(reply, Outcome):
            outcome = reply
            if outcome.group > self._gate.durable:
                host.committer.close_if_idle()
                self._unsuspended += _FLUSH_WEIGHT
            if outcome.group <= self._gate.durable:
                self._unsuspended += 1
                if self._unsuspended >= _YIELD_EVERY:
                    self._unsuspended = 0
                    yield
                return outcome.take()
        else:
            outcome = yield from host.follow(reply, call)
        if outcome.group > self._gate.durable:
            waiting: asyncio.Future[None] = host.loop.create_future()
            timer = host.loop.call_at(begun + call.timeout, _expire, waiting, call) if call.timeout else None
            self._gate.release(outcome.group, waiting)
            try:
                yield from waiting
            finally:
                if timer is not None:
                    timer.cancel()
        return outcome.take()

    def _start(self, call: Call, entity: Entity, packed: Packed) -> Reply:
        host, method = self._host, call.method
        if entity.queue:
            host.check_load(entity)
        if call.request is not None or method.sized:
            return host.invoke_inside(call, packed, self._sent_lsn)
        if method.direct and not (method.readonly or entity.busy or entity.queue or host.log.inbox.waiting):
            return host.perform(entity, method, packed)
        if method.readonly and not host.log.inbox.waiting:
            return host.look(entity, method, packed)
        return host.invoke_inside(call, packed, self._sent_lsn)

    def post(self, call: Call, when: When | None = None) -> Sent:
        """Send a message: it is on its way at once, or when it is due, and durable when the result is awaited."""
        return Sent(*self._stage(lambda: self._store(call, when)))

    def cancel(self, message_id: str, request: str | None = None) -> Cancelled:
        """Cancel a message that is due later, at once; durable when the result is awaited."""
        return Cancelled(*self._stage(lambda: self._cancel(message_id, request)))

    def keeps(self, message_id: str) -> bool:
        """Whether the message of this id is, or was, kept until it is due in this app."""
        return kept_by(self._host.log.store.identity(), message_id)

    async def drain(self) -> None:
        """Wait until all that was posted is durable."""
        if self._posting:
            await asyncio.wait(self._posting)

    def _stage(self, work: Callable[[], tuple[T, int]]) -> tuple[T, Awaitable[None]]:
        """Do `work` now, on the host's loop. What it gives, and what waits for the group that it names."""
        loop = self._host.loop
        try:
            here = asyncio.get_running_loop() is loop
        except RuntimeError:
            here = False
        if here:
            return self._written(work)
        value, written = asyncio.run_coroutine_threadsafe(self._stage_here(work), loop).result()
        return value, _Elsewhere(self, written)

    def _store(self, call: Call, when: When | None) -> tuple[str, int]:
        """Stage the message; its id, and the group that it is durable with. A request id makes repeats one."""
        host = self._host
        if self.closed:
            raise _closed()
        host.options.registry.get(call.ref.type_name)
        if len(self._posting) >= host.log.limits.outside_calls_max:
            raise Overloaded(f"{len(self._posting)} messages wait for the disk: await some, then send again")
        envelope, size = host.envelope(call)
        due = None if when is None else Due(when.due_ms(host.clock()), when.rule)
        stored = self._stored.store(envelope, size, _request(call.request), due)
        self._sent_lsn = max(self._sent_lsn, stored.lsn)  # calls made from now on must not overtake it
        return stored.id, stored.group

    def _cancel(self, message_id: str, request: str | None) -> tuple[bool, int]:
        """Stage the cancelling; whether the message is never delivered, and the group that this is durable with."""
        if self.closed:
            raise _closed()
        never_delivered, group = self._stored.cancel(message_id, _request(request))
        return bool(never_delivered), group  # there is no other store

    async def _stage_here(self, work: Callable[[], tuple[T, int]]) -> tuple[T, asyncio.Task[None]]:
        return self._written(work)

    def _written(self, work: Callable[[], tuple[T, int]]) -> tuple[T, asyncio.Task[None]]:
        value, group = work()
        written = self._host.loop.create_task(durable(self._host.log.gate, group))
        self._posting.add(written)
        written.add_done_callback(self._posting.discard)
        return value, written

    async def _call_here(self, call: Call) -> Any:
        return await Awaited(self.call(call))

    def from_elsewhere(self, coroutine: Coroutine[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """Run a coroutine on the host's loop, and wait for it on another one."""
        loop = self._host.loop
        if self.closed or loop.is_closed():
            coroutine.close()
            raise _closed()
        return (yield from asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, loop)).__await__())


class _Elsewhere:
    """Awaits, on any loop, that a message posted from another thread is durable."""

    def __init__(self, router: LocalRouter, written: asyncio.Task[None]) -> None:
        self._router = router
        self._written = written

    def __await__(self) -> Generator[Any, Any, None]:
        async def wait() -> None:
            await asyncio.shield(self._written)

        yield from self._router.from_elsewhere(wait())


def _request(request: str | None) -> bytes | None:
    return None if request is None else request.encode()


def _expire(waiting: asyncio.Future[None], call: Call) -> None:
    if not waiting.done():
        waiting.set_exception(call.timed_out())


def _closed() -> StoreClosed:
    return StoreClosed("the app is closed: what was acknowledged is safe; open it again to go on")
