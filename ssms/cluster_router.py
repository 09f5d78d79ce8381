"""The router of an app on a cluster: a client's calls go through its lanes to wherever their objects live."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, TypeVar

from automata.asking import CALL, CANCEL, POST, READ, Ask
from automata.calls import Awaited, Call, Cancelled, Sent
from automata.errors import InvalidArgument, StateError
from automata.invocation import Invocation
from automata.invocation import call as with_options
from automata.journal import ANYTHING
from automata.late import LateMethod
from automata.outcomes import take_outcome
from automata.partitions import partition_of
from automata.refs import bound_ref
from automata.request_ids import of_client, of_user
from automata.timing import kept_by, parse
from automata.when import When
from darq.errors import StoreClosed
from darq.limits import Limits
from ssms.cancelling import cancel_anywhere
from ssms.first_use import FirstUse
from ssms.lanes import Lanes

T = TypeVar("T")

logger = logging.getLogger("ssms")

_SENT_TO_MAX = 100_000  # objects to which this client has sent: of more, any could be one


class ClusterRouter:
    """Calls of one client. It has an id of its own, under which its calls are counted.

    clock: as the hosts' clocks; first_use: sends types that the cluster does not know; None where the user does so;
    learn: lets this process know a type of the cluster and a method of it, or raises.
    """

    def __init__(
        self,
        lanes: Lanes,
        clock: Callable[[], float] = time.time,
        first_use: FirstUse | None = None,
        learn: Callable[[str, str], Awaitable[None]] | None = None,
    ) -> None:
        self._lanes = lanes
        self._clock = clock
        self._first_use = first_use
        self._learn = learn
        self._last_late: asyncio.Future[None] | None = None
        self._sequence = 0
        self._sent_to: set[bytes] = set()
        self._posting: set[asyncio.Task[None]] = set()

    @property
    def learns(self) -> bool:
        """Whether it can find out about types that this process does not know."""
        return self._learn is not None

    def new_request(self) -> bytes:
        """An id that no other call has."""
        self._sequence += 1
        return of_client(self._lanes.client, self._sequence)

    def start(self, type_name: str, ask: Ask) -> asyncio.Future[bytes]:
        """Ask about an object of this type, which the cluster knows by then if this process can tell it."""
        first_use = self._first_use
        if first_use is None or type_name in first_use.known:
            return self._lanes.start(ask)
        return first_use.start(type_name, ask)

    def call(self, call: Call) -> Generator[Any, Any, Any]:
        """Make the call and give its result once that is durable, whoever dies meanwhile."""
        loop = self._lanes.loop
        if asyncio.get_running_loop() is not loop:
            return (yield from self.elsewhere(self._call_here(call)))
        method = call.method
        if type(method) is LateMethod:
            return (yield from self._call_late(call))
        arguments = method.encode_arguments(call.pack())
        if len(arguments) > Limits.message_bytes_max:
            raise _too_large(call, arguments)
        partition = partition_of(call.ref.type_name, call.ref.key)
        behind = partition in self._sent_to or len(self._sent_to) >= _SENT_TO_MAX
        if method.readonly:
            ask = Ask(READ, partition, method.name, arguments, b"", behind)
        else:
            request = of_user(call.request) if call.request is not None else self.new_request()
            ask = Ask(CALL, partition, method.name, arguments, request, behind)
        answer = self.start(call.ref.type_name, ask)
        spread = None if method.readonly else self._lanes.spread
        if spread is not None:
            spread.began(partition)
        timer = loop.call_later(call.timeout, _expire, answer, call) if call.timeout else None
        try:
            outcome = yield from answer
        finally:
            if timer is not None:
                timer.cancel()
            if spread is not None:
                spread.ended(partition)
        return take_outcome(outcome, method.result)

    def post(self, call: Call, when: When | None = None) -> Sent:
        """Send a message: it is on its way at once, or when it is due. Awaiting gives its id once it is durable."""
        if type(call.method) is LateMethod:
            return self._stage(lambda: self._post_late(call, when))
        arguments = call.method.encode_arguments(call.pack())
        if len(arguments) > Limits.message_bytes_max:
            raise _too_large(call, arguments)
        partition = partition_of(call.ref.type_name, call.ref.key)
        due_ms, rule = (0, b"") if when is None else (when.due_ms(self._clock()), when.rule)
        request = b"" if call.request is None else of_user(call.request)
        ask = Ask(POST, partition, call.method.name, arguments, request, True, due_ms, rule)
        return self._stage(lambda: self._post_here(call.ref.type_name, ask))

    def cancel(self, message_id: str, request: str | None = None) -> Cancelled:
        """Cancel a message that is due later. Whether it will never be delivered is known when this is awaited."""
        ask = Ask(CANCEL, b"", message_id, b"", b"" if request is None else of_user(request))
        return self._stage(lambda: self._cancel_here(ask, None))

    def keeps(self, message_id: str) -> bool:
        """Whether the message of this id is, or was, kept until it is due in this cluster."""
        return self._keeper(message_id) is not None

    async def drain(self) -> None:
        """Wait until all that was sent is durable."""
        while self._posting:
            await asyncio.wait(self._posting)

    def _keeper(self, message_id: str) -> bytes | None:
        stores = self._lanes.routes.placement.stores
        return next((store.identity for store in stores if kept_by(store.identity, message_id)), None)

    async def _call_here(self, call: Call) -> Any:
        return await Awaited(self.call(call))

    def _call_late(self, call: Call) -> Generator[Any, Any, Any]:
        written = yield from self._written(call, self._last_late).__await__()
        return (yield from self.call(written))

    def _post_late(self, call: Call, when: When | None) -> Sent:
        sent = Sent("", None)
        writing = self._written(call, self._last_late)

        async def stored() -> None:
            sent.id = await self.post(await writing, when)

        sent.durable = self._followed(stored())
        sent.cancelling = lambda: self._stage(lambda: self._cancel_here(Ask(CANCEL, b"", "", b"", b""), sent))
        return sent

    def _written(self, call: Call, before: asyncio.Future[None] | None) -> Coroutine[Any, Any, Invocation]:
        """The call of a type that was not known when it was written, written again; in turn. Raises what that does.

        before: the one before it, which is made first.
        """
        if call.used:
            raise StateError(f"{call!r} was awaited or sent before: write the call again")
        call.used = True
        loop = self._lanes.loop
        here = self._last_late = loop.create_future()

        async def write() -> Invocation:
            try:
                if before is not None:
                    await asyncio.wait({before})
                return await self._write_again(call)
            finally:
                loop.call_soon(here.set_result, None)  # by then it is made, by whoever awaits this

        return write()

    async def _write_again(self, call: Call) -> Invocation:
        assert self._learn is not None, "it says that it learns"
        ref, name = call.ref, call.method.name
        await self._learn(ref.type_name, name)
        written: Invocation = getattr(bound_ref(ref.app, ref.type_name, ref.key), name)(*call.args, **call.kwargs)
        written.tried = True
        with_options(written, idempotency_key=call.request, timeout=call.timeout)
        return written

    def _post_here(self, type_name: str, ask: Ask) -> Sent:
        ask.request = ask.request or self.new_request()
        if not ask.due_ms and not ask.rule and len(self._sent_to) < _SENT_TO_MAX:
            self._sent_to.add(ask.partition)
        answer = self.start(type_name, ask)  # at once: what is called after it comes behind it
        sent = Sent("", None)

        async def stored() -> None:
            sent.id = str(take_outcome(await answer, ANYTHING))

        sent.durable = self._followed(stored())
        sent.cancelling = lambda: self._stage(lambda: self._cancel_here(Ask(CANCEL, b"", "", b"", b""), sent))
        return sent

    def _cancel_here(self, ask: Ask, sent: Sent | None) -> Cancelled:
        """Cancel by an id, or what was sent and has no id yet."""
        cancelled = Cancelled(False, None)

        async def stored() -> None:
            if sent is not None:
                ask.method = await sent
            await self._lanes.known()
            if parse(ask.method) is not None:
                ask.request = ask.request or self.new_request()
                stores = [store.identity for store in self._lanes.routes.placement.stores]
                cancelled.never_delivered = await cancel_anywhere(ask, stores, self._lanes.start)

        cancelled.durable = self._followed(stored())
        return cancelled

    def _followed(self, work: Coroutine[Any, Any, None]) -> Awaitable[None]:
        """Do it in a task, whether or not anybody waits for it."""
        task = self._lanes.loop.create_task(work)
        self._posting.add(task)
        task.add_done_callback(self._over)
        return _Settled(self, task)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._posting.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.debug("a message was not taken: %s", task.exception())  # its sender gets it, if it looks

    def _stage(self, work: Callable[[], T]) -> T:
        """Do `work` now, on the app's loop."""
        loop = self._lanes.loop
        if self._lanes.closed or loop.is_closed():
            raise _closed()
        try:
            here = asyncio.get_running_loop() is loop
        except RuntimeError:
            here = False
        return work() if here else asyncio.run_coroutine_threadsafe(_do(work), loop).result()

    def elsewhere(self, coroutine: Coroutine[Any, Any, T]) -> Generator[Any, Any, T]:
        """Run a coroutine on the app's loop, and wait for it on another one."""
        loop = self._lanes.loop
        if self._lanes.closed or loop.is_closed():
            coroutine.close()
            raise _closed()
        return (yield from asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, loop)).__await__())


class _Settled:
    """Awaits, on any loop, what goes on on the app's."""

    def __init__(self, router: ClusterRouter, task: asyncio.Task[None]) -> None:
        self._router = router
        self._task = task

    def __await__(self) -> Generator[Any, Any, None]:
        if asyncio.get_running_loop() is self._task.get_loop():
            yield from asyncio.shield(self._task).__await__()
        else:
            yield from self._router.elsewhere(_wait(self._task))


async def _wait(task: asyncio.Task[None]) -> None:
    await asyncio.shield(task)


async def _do(work: Callable[[], T]) -> T:
    return work()


def _expire(answer: asyncio.Future[bytes], call: Call) -> None:
    if not answer.done():
        answer.set_exception(call.timed_out())


def _too_large(call: Call, arguments: bytes) -> InvalidArgument:
    return InvalidArgument(
        f"the arguments of {call!r} take {len(arguments)} bytes; "
        f"a message has at most {Limits.message_bytes_max >> 20} MiB"
    )


def _closed() -> StoreClosed:
    return StoreClosed("the app is closed: what was acknowledged is safe; connect again to go on")
