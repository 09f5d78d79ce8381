"""What one transaction does in one store, while its objects live in several.

It is a `Transaction` that may wait: for objects, which it holds until it ends, and for its calls in other stores. As
others go on meanwhile, it has an instance of its own of each object. Nothing of it is in the log before it is prepared,
or committed in the store that began it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

from automata.asking import PART, Ask
from automata.calls import Awaited, Call
from automata.context import CURRENT
from automata.entity import Entity, load
from automata.errors import InvalidArgument, StateError
from automata.journal import ANYTHING
from automata.locks import Died, Locks
from automata.methods import Method, Packed
from automata.moved import Moved
from automata.outcomes import decode_outcome
from automata.partitions import partition_of
from automata.span import Ended, Span, decode_answered, encode
from automata.state import READ, WRITE
from automata.transaction import Body, InBody, Inner, InTransaction, Objects, Touched, Transaction, check_takes_part
from automata.work import Outcome, Reply, ordinary
from darq.errors import AutomataError
from darq.log import Log

_YIELDS_MAX = 100  # a body that goes on awaiting what it must not is given up
_NONCE_BITS = 128


class Spanning(Objects, Protocol):
    """What a branch asks of its host."""

    log: Log
    loop: asyncio.AbstractEventLoop

    def behind(self, entity: Entity, sent_lsn: int) -> Reply | None:
        """Wait until messages to an object up to a number were handed over; None if there are none."""

    def check_size(self, call: Call, packed: Packed) -> int:
        """Raise InvalidArgument if a call's arguments are too large."""


class Way(Protocol):
    """The way to the hosts of other stores."""

    def store_of(self, type_name: str, key: str) -> bytes | None:
        """The other store that an object lives in; None if it lives here."""

    async def ask(self, ask: Ask, store: bytes | None = None) -> bytes:
        """Ask where the object lives, or a store, as often as it takes, and give the outcome."""

    async def let_pass(self, sender: bytes, partition: bytes) -> tuple[bool, bytes | None]:
        """Wait until what `sender` has sent to an object is behind it on its way.

        Returns whether a call has to follow it from there, and whom to ask first, if that is known here.
        """


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all branches of one host share."""

    host: Spanning
    locks: Locks
    way: Way


class Held(Touched):
    """One object that a branch holds, with an instance that nobody else sees."""

    def __init__(self, entity: Entity, log: Log) -> None:
        super().__init__(entity)
        self.state, self.instance = load(entity.made, entity.key, log, entity.prefix)


class Branch(Transaction):
    """One transaction in one store. sender: whose transaction it is, if it is this store's own.

    counts: how many calls each store has run so far; count: how many this one has for others; answers: by the
    request of each of those; seen_at: when the last of them came.
    """

    host: Spanning

    def __init__(self, around: Surroundings, span: Span, sender: Entity, own: bool) -> None:
        super().__init__(around.host, sender, ())
        self.id, self.age, self.own = span.id, span.age, own
        self.body = BranchBody(self)
        self.counts: dict[bytes, int] = {}
        self.count = 0
        self.answers: dict[bytes, asyncio.Future[Outcome]] = {}
        self.seen_at = around.host.loop.time()
        self._way, self._locks = around.way, around.locks
        self._waiting: asyncio.Future[Any] | None = None

    @property
    def undone(self) -> BaseException | None:
        """Why all of it is undone, if it is."""
        return self._undone

    async def run_through(self, body: Callable[[], Coroutine[Any, Any, object]]) -> object:
        """As `run`, for a body that waits."""
        self.body.task = asyncio.current_task()
        token = CURRENT.set(self.body)
        try:
            return await Awaited(self.drive(body(), "a transaction"))
        finally:
            self.body.closed, self.body.task = True, None
            CURRENT.reset(token)
            if self._undone is not None:
                raise self._undone

    async def serve(self, entity: Entity, method: Method, packed: Packed, sent_lsn: int) -> Outcome:
        """Make a call that comes from another store. Raises what undoes all of it, and Moved."""
        touched = await Awaited(self._take(entity, method, sent_lsn))
        if touched is None:
            raise Moved(self._way.store_of(entity.made.name, entity.key) or b"")
        try:
            result = await Awaited(self._make(touched, method, packed))
            outcome = Outcome(result, None, 0)
        except (Died, KeyboardInterrupt, asyncio.CancelledError):
            raise
        except BaseException as error:  # noqa: BLE001 - whatever a user's method raises is its outcome
            outcome = Outcome(None, error, 0)
        if self._undone is not None:
            raise self._undone
        return outcome

    def end(self, committed: bool, prepared: Sequence[Entity] = ()) -> None:
        """Let go of all objects, but for those that are prepared."""
        super().end(committed)
        for touched in self.touched.values():
            if touched.entity in prepared:
                self._locks.settle(touched.entity)
            else:
                self._locks.release(touched.entity)
        self.touched = {}
        self.body.end_timing()
        self.undo(Died("it has ended"))

    def calling(self, call: Call) -> Generator[Any, Any, object]:
        """Make a call of the body, or of a method that it calls."""
        if call.request is not None:
            raise InvalidArgument("a call in a transaction takes no idempotency key: give it to the call around it")
        packed, ref = call.pack(), call.ref
        self.host.check_size(call, packed)
        self._check()
        while self._way.store_of(ref.type_name, ref.key) is None:
            entity = self.host.entity(ref.type_name, ref.key)
            touched = yield from self._take(entity, call.method, self.sender.sent_lsn if self.own else 0)
            if touched is not None:
                return (yield from self._make(touched, call.method, packed))
        return (yield from self._call_there(call, packed))

    def drive(self, coroutine: Coroutine[Any, Any, object], what: str) -> Generator[Any, Any, object]:
        """Run code that must not wait for anything but what the transaction waits for."""
        step: Callable[[Any], object] = coroutine.send
        given: object = None
        refused = 0
        while refused < _YIELDS_MAX:
            try:
                yielded = step(given)
            except StopIteration as stop:
                return stop.value
            if yielded is None or yielded is not self._waiting:
                refused += 1
                given = StateError(f"{what} awaits what is no automaton, in a transaction: do that before or after it")
                step = coroutine.throw
                continue
            try:
                given, step = (yield yielded), coroutine.send
            except GeneratorExit:
                coroutine.close()
                raise
            except BaseException as error:  # noqa: BLE001 - a coroutine is thrown whatever its awaitable raised
                given, step = error, coroutine.throw
        coroutine.close()
        raise StateError(f"{what} goes on awaiting what is no automaton, in a transaction")

    # inside

    def _check(self) -> None:
        if self._undone is not None:
            raise self._undone

    def _own(self, waiting: asyncio.Future[Any]) -> Generator[Any, Any, Any]:
        self._waiting = waiting
        return (yield from waiting)

    def _take(self, entity: Entity, method: Method, sent_lsn: int) -> Generator[Any, Any, Touched | None]:
        """Hold an object until the transaction ends. None if it has moved away meanwhile."""
        check_takes_part(entity, method)
        name = (entity.made.name, entity.key)
        if name in self.touched:
            return self.touched[name]
        while isinstance(reply := self.host.behind(entity, sent_lsn), asyncio.Future):
            yield from self._own(reply)
        try:
            yield from self._hold(entity)
            if entity.moved is not None or self._way.store_of(*name) is not None:
                self._locks.release(entity)
                return None
            if self._undone is not None:
                self._locks.release(entity)
                raise Died("it was undone while it waited")
        except Died as died:
            self.undo(died)
            raise
        touched = self.touched[name] = Held(entity, self.host.log)
        self.group = max(self.group, entity.group)
        return touched

    def _hold(self, entity: Entity) -> Generator[Any, Any, None]:
        turn_up = self._locks.take(entity, self.age)
        if turn_up is None:
            return
        try:
            yield from self._own(turn_up)
        except BaseException:
            self._locks.give_up(entity, self.age, turn_up)
            raise
        self._locks.turned_up(entity, self.age)

    def _make(self, touched: Touched, method: Method, packed: Packed) -> Generator[Any, Any, object]:
        turn = BranchMethod(self, touched, method)
        turn.task = asyncio.current_task()
        token = CURRENT.set(turn)
        before = touched.state.mode
        touched.state.begin(READ if method.readonly else WRITE)
        try:
            code = method.fn(touched.instance, *method.unpack(packed))
            result = method.take_result((yield from self.drive(code, turn.name)))
            turn.keep()
        except (Died, KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) and turn.task is not None and turn.task.cancelling():
                raise
            touched.state.rollback()
            turn.end_timing()
            return Outcome(None, ordinary(error, turn.name), 0).take()
        finally:
            turn.closed, turn.task = True, None
            touched.state.mode = before
            CURRENT.reset(token)
        return result

    def _call_there(self, call: Call, packed: Packed) -> Generator[Any, Any, object]:
        method, partition = call.method, partition_of(call.ref.type_name, call.ref.key)
        nonce = self.host.random.getrandbits(_NONCE_BITS).to_bytes(_NONCE_BITS // 8, "big")
        span = encode(Span(self.id, self.age, self.counts))
        arguments = method.encode_arguments(packed)
        ask = Ask(PART, partition, method.name, arguments, nonce, span=span)
        try:
            data: bytes = yield from self._own(self.host.loop.create_task(self._ask(ask)))
        except AutomataError as error:  # the way's trouble, not the method's
            raise self._die(str(error)) from error
        self._check()
        answered = decode_answered(cast("bytes", decode_outcome(data, ANYTHING, 0).take()))
        self.counts = answered.counts
        if answered.ended == Ended.DIED:
            raise self._die(f"{call!r} met an older transaction")
        outcome = decode_outcome(answered.outcome, method.result, 0)
        if answered.ended == Ended.UNDONE and outcome.error is not None:
            self.undo(outcome.error)
        return outcome.take()

    def _die(self, why: str) -> Died:
        died = Died(why)
        self.undo(died)
        return died

    async def _ask(self, ask: Ask) -> bytes:
        store = None
        if self.own:
            ask.behind, store = await self._way.let_pass(self.sender.partition, ask.partition)
        return await self._way.ask(ask, store)


class _Waiting(InBody):
    """What the code of a branch can do: its calls may wait."""

    transaction: Branch

    def call(self, call: Call) -> Generator[Any, Any, Any]:
        """`await ref(...).method()`: as part of the transaction, here or in another store."""
        self.before_calling()
        return (yield from self.transaction.calling(call))

    def gather(self, calls: Sequence[Call]) -> Generator[Any, Any, list[Any]]:
        """One after the other: all are made, then the first error is raised."""
        self.before_calling()
        outcomes = []
        for call in calls:
            try:
                outcomes.append(Outcome((yield from self.transaction.calling(call)), None, 0))
            except Exception as error:  # noqa: BLE001 - it is raised when all calls were made
                outcomes.append(Outcome(None, error, 0))
        return [outcome.take() for outcome in outcomes]

    def within(self, point: Inner) -> Generator[Any, Any, object]:
        """Run a transaction within this one."""
        return (yield from self.transaction.drive(point.body(), "a transaction"))


class BranchBody(_Waiting, Body):
    """The body, in the store that began the transaction."""


class BranchMethod(_Waiting, InTransaction):
    """A method that runs as part of the transaction."""
