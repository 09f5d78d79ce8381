"""The host: owns one store's log and runs the steps of the objects in it, one at a time for each object.

    invoke -> turn -> step -> log (group) -> gate -> caller

Data goes one way. The host decides who runs; `turn` runs code; `darq` makes it durable. It is the same in the embedded
engine, on a cluster and under simulated time: loop, clock and randomness are given to it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

from automata.context import CURRENT
from automata.durable import Durable
from automata.entity import Entity, EntityCache, load
from automata.envelope import Envelope
from automata.erasing import ERASE
from automata.errors import InvalidArgument, Overloaded
from automata.handing_out import HandingOut
from automata.holding import release, take
from automata.inline import Inline, TooLong, Way
from automata.journal import Await
from automata.keyed import Keyed
from automata.methods import INLINE, TASK, WORKER, Method, Packed
from automata.migration import Migration
from automata.open_invocations import OpenInvocations
from automata.options import Options
from automata.order import LateCall, Order
from automata.read_cache import ReadCache
from automata.remote_calls import RemoteCalls
from automata.stage import Stage
from automata.state import IDLE, READ, WRITE
from automata.tasks import Tasks
from automata.timing import Timing
from automata.transactions import Transactions
from automata.turn import Turn, run_to_end
from automata.volatile import VolatileState
from automata.waiting import QueuedWork, after, outcome_of
from automata.work import Caller, Outcome, Reply, Request, Work, ordinary
from darq.committer import Committer
from darq.lane import durable
from darq.log import Log

if TYPE_CHECKING:
    from automata.calls import Call


class Host:
    """Runs the steps of one store. Everything here runs on one event loop."""

    def __init__(self, log: Log, loop: asyncio.AbstractEventLoop, options: Options) -> None:
        self.log = log
        self.loop = loop
        self.options = options
        self.clock = options.clock
        self.random = options.random
        self._types = options.registry.newest
        self.entities = EntityCache(log, options.entities_max)
        self.read_cache = ReadCache(log, options.cached_results_max, options.cached_bytes_max)
        self.committer = Committer(log, loop, self._run_messages)
        self.foreign_await_seconds_max = options.foreign_await_seconds_max
        self.journal_bytes_max = log.limits.journal_bytes_max
        self.open_invocations = OpenInvocations(log)
        self.keyed = Keyed(log, self.open_invocations, self.start)
        self.stage = Stage(log, self.committer, self.open_invocations, self.keyed)
        self.prepared: dict[bytes, asyncio.Future[None]] = {}
        self.entities.prepared = self.prepared
        self.entities.outdated = Migration(self, self.stage, log).bring_up
        self.order = Order(log)
        self.tasks: Tasks = Tasks(self, self.stage, log)
        self.apart = HandingOut(self, self.stage, log, self.tasks, options)
        self._ways: dict[str, Way] = {TASK: self.tasks, WORKER: self.apart, INLINE: Inline(self, self.tasks)}
        self.transactions = Transactions(self, log, self.stage)
        self.transact = self.transactions.transact
        self.deliver: Callable[[float], bool] = lambda seconds: False
        self.abroad: RemoteCalls | None = None
        self.queued = 0

    # entering

    def entity(self, type_name: str, key: str) -> Entity:
        """The object of this address. Raises UnknownType, and Moved if it lives in another store."""
        if self.abroad is not None:
            self.abroad.check_here(type_name, key)
        made = self._types.get(type_name)
        return self.entities.get(made or self.options.registry.get(type_name), key)

    def envelope(self, call: Call) -> tuple[Envelope, int]:
        """A call as a message, and about its bytes. Raises InvalidArgument if it does not fit, or is too large."""
        ref = call.ref
        envelope = Envelope((ref.type_name, ref.key), call.method, call.pack())
        return envelope, self.check_size(call, envelope.packed)

    def timing(self, under: Timing | None = None) -> Timing:
        """What one step does about timers. under: of the whole that this is a part of."""
        return Timing(self.log, under, self.abroad)

    def take_lsn(self) -> int:
        """A number for a row that a step will set."""
        return self.log.take_lsn()

    def check_size(self, call: Call, packed: Packed) -> int:
        """About the bytes of a call's arguments. Raises InvalidArgument if they are over the limit of a message."""
        size = call.method.size_bytes(packed) if call.method.sized else 0
        if size > self.log.limits.message_bytes_max:
            limit = self.log.limits.message_bytes_max >> 20
            raise InvalidArgument(f"the arguments of {call!r} take {size} bytes; a message has at most {limit} MiB")
        return size

    def check_load(self, entity: Entity) -> None:
        """Raise Overloaded for a call from outside that would have to wait behind too many others."""
        if self.queued >= self.log.limits.outside_calls_max and (entity.busy or entity.queue):
            raise Overloaded(f"{self.queued} calls wait for busy objects: call again a little later")
        waiting_max = entity.made.options.calls_waiting_max
        if waiting_max is not None and len(entity.queue) >= waiting_max:
            waiting = sum(isinstance(waiter, QueuedWork) and not waiter.work.one_way for waiter in entity.queue)
            if waiting >= waiting_max:
                raise Overloaded(f"{waiting} calls wait for {entity.address} already: call again a little later")

    def invoke_inside(self, call: Call, packed: Packed, sent_lsn: int, caller: Caller | None = None) -> Reply:
        """A call from a method of this store: what it did is visible at once, and durable with its caller.

        sent_lsn: the last message of its sender, which the call must not overtake; caller: who keeps its outcome.
        """
        self.check_size(call, packed)
        if self.abroad is not None and self.abroad.goes_out(call, caller):
            return self.abroad.invoke(call, packed, caller)
        entity = self.entity(call.ref.type_name, call.ref.key)
        request = self.keyed.request(call, packed)
        if request is None and caller is not None and self.abroad is not None:
            request = self.keyed.asked_before(entity.partition, caller)
        reply = self.invoke(Work(entity, call.method, packed, None, request, False, caller), sent_lsn)
        if self.abroad is None:
            return reply
        return self.abroad.watched(reply, partial(self.abroad.invoke, call, packed, caller))

    def invoke(self, work: Work, sent_lsn: int) -> Reply:
        """Run `work` now or later, behind what its sender has sent up to `sent_lsn`."""
        entity = work.entity
        inbox = self.log.inbox
        if (inbox.waiting or inbox.brought) and self.order.early(entity, sent_lsn):
            make = partial(self.invoke_now, work)
            return self._invoke_late(LateCall(entity, work.method.name, sent_lsn, make, self.loop.create_future()))
        return self.invoke_now(work)

    def invoke_now(self, work: Work) -> Reply:
        """Run now what can run now; else queue it and give a future."""
        if work.method.readonly:
            return self.look(work.entity, work.method, work.packed)
        if work.request is not None:
            return self.keyed.invoke(work)
        return self.start(work)

    def start(self, work: Work) -> Reply:
        """Run `work` now if its object is free, else when its turn comes."""
        entity = work.entity
        if entity.busy or entity.queue:
            return self._enqueue(work)
        return self.run(work)

    # readonly

    def look(self, entity: Entity, method: Method, packed: Packed) -> Reply:
        """Run a readonly method, or answer with the result that is kept of it."""
        if self.prepared and (over := self.prepared.get(entity.partition)) is not None:
            return after(over, partial(self.look, entity, method, packed))
        if method.cached and not entity.made.volatile:  # an automaton is in memory: there are no rows to compare
            return self.read_cache.read(entity, method, packed)
        if method.direct:
            return self.read(entity, method, packed)
        return self._ways[method.way].read(entity, method, packed)

    def read(self, entity: Entity, method: Method, packed: Packed) -> Outcome:
        """A readonly method that awaits nothing: it sees committed state, even amid another method."""
        instance, state = entity.instance, entity.state
        if state.mode is not IDLE:
            state, instance = load(entity.made, entity.key, self.log, entity.prefix)
        turn = Turn(self, entity, method, state)
        token = CURRENT.set(turn)
        try:
            state.begin(READ)
            result = method.take_result(run_to_end(method.fn(instance, *method.unpack(packed))))
            if state.live:
                state.flush()
            return Outcome(result, None, entity.group)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever a user's method raises is its outcome
            return Outcome(None, ordinary(error, turn.name), entity.group)
        finally:
            turn.closed = True
            state.end_read()
            CURRENT.reset(token)

    # steps

    def admit(self) -> None:
        """Raise what keeps steps from running now: StorageFull, or the failure of the store."""
        log = self.log
        if log.refusing or not log.group.steps:
            log.admit()

    def erase(self, entity: Entity, request: Request | None = None) -> Reply:
        """Delete an object with everything it holds, as a step of its own. request: asked again under it, it is one."""
        return self.invoke_now(Work(entity, ERASE, (), None, request))

    def perform(self, entity: Entity, method: Method, packed: Packed, work: Work | None = None) -> Outcome:
        """Run a method that awaits nothing, as one step of an object that is free.

        work: what else the step has to do, if anything: consume a message, record the outcome of a request.
        """
        log, state = self.log, entity.state
        if log.refusing or not log.group.steps:
            try:
                log.admit()
            except Exception as error:  # noqa: BLE001 - whatever keeps steps from running, the caller has to know
                return self.stage.refuse(work, None, error)
        turn = Turn(self, entity, method, state)
        if work is not None:
            turn.work = work
        token = CURRENT.set(turn)
        try:
            state.begin(WRITE)
            arguments = packed if method.simple else method.unpack(packed)
            result = run_to_end(method.fn(entity.instance, *arguments))
            if type(result) is not method.result_exact:
                result = method.take_result(result)
            outcome = Outcome(result, None, 0)
            self.stage.commit(turn, outcome)
            outcome.group = entity.group
            return outcome
        except KeyboardInterrupt:
            state.rollback()
            raise
        except BaseException as error:  # noqa: BLE001 - whatever a user's method raises is its outcome
            state.rollback()
            if type(error) is TooLong:
                return Outcome(None, error, 0)
            return self.stage.fail(turn, ordinary(error, turn.name))
        finally:
            turn.closed = True
            state.mode = IDLE
            CURRENT.reset(token)

    # parts of methods that suspend

    @property
    def closing(self) -> bool:
        """Whether the app closes: what runs is cut off, and resumed in the next life."""
        return self.tasks.stopping

    @property
    def ending(self) -> bool:
        """Whether the app is about to close: what has not begun is refused, which is no outcome."""
        return self.tasks.closing

    def commit_part(self, turn: Durable, awaited: Await, always: bool) -> None:
        """The part of `turn` that ends at an await of another automaton becomes a step."""
        self.stage.commit_part(turn, awaited, always)

    def let_go(self, turn: Durable) -> None:
        """The method waits for others: its object is free meanwhile, and its journal durable soon."""
        self.keep_soon(turn.entity)  # if it raises, the object is still held
        turn.held = False
        turn.entity.pins += 1
        release(turn.entity)

    def keep_soon(self, entity: Entity) -> None:
        """What a journal has got is durable soon, whatever its method does next."""
        if not self.log.group.dirty:
            self.log.touch()
            self.committer.touch()

    def run_beside(self, work: Coroutine[Any, Any, Outcome]) -> asyncio.Future[Outcome]:
        """Run outside work in a task that ends when the app closes."""
        return self.tasks.run_beside(work)

    def run_effect(
        self, name: str, group: int, work: Callable[[], Coroutine[Any, Any, Outcome]]
    ) -> asyncio.Future[Outcome]:
        """Do outside work in a task, once a group is durable. An app that closes waits for it."""
        return self.tasks.effects.run(name, group, work)

    def overtakes(self, entity: Entity, sender: Entity) -> bool:
        """Whether a call of `sender` to `entity` would come before a message that it has sent to it."""
        return self.order.early(entity, sender.sent_lsn)

    def handed_over(self, entity: Entity, sent_lsn: int) -> Reply:
        """Wait until messages to the object up to a number were handed over."""
        made = partial(Outcome, None, None, 0)
        return self._invoke_late(LateCall(entity, "a transaction", sent_lsn, made, self.loop.create_future()))

    def behind(self, entity: Entity, sent_lsn: int) -> Reply | None:
        """As `handed_over`; None if there are no such messages."""
        return self.handed_over(entity, sent_lsn) if self.order.early(entity, sent_lsn) else None

    async def durable(self, group: int) -> None:
        """Wait until a group is durable."""
        if group > self.log.gate.durable:
            await durable(self.log.gate, group)

    def hold_again(self, turn: Durable) -> asyncio.Future[None] | None:
        """Take the object again, at once or when the future is done."""
        return take(turn.entity, self.loop)

    def release(self, entity: Entity) -> None:
        """The object is free: give it to who waits longest."""
        release(entity)

    def follow(self, reply: asyncio.Future[Outcome], call: Call) -> asyncio.Future[Outcome]:
        """A future of the reply for one waiter, who may give up without touching what runs.

        After the invocation's own timeout its outcome is CallTimeout.
        """
        limited: asyncio.Future[Outcome] = self.loop.create_future()

        def expire() -> None:
            if not limited.done():
                limited.set_result(Outcome(None, call.timed_out(), 0))

        timer = self.loop.call_later(call.timeout, expire) if call.timeout is not None else None

        def pass_on(done: asyncio.Future[Outcome]) -> None:
            if timer is not None:
                timer.cancel()
            if not limited.done():
                limited.set_result(outcome_of(done))

        reply.add_done_callback(pass_on)
        return limited

    # inside

    def run(self, work: Work) -> Reply:
        """Run `work` on its object, which is free."""
        if self.tasks.stopping:  # what waits behind a method that closing has cut off must not overtake it
            return self.tasks.refuse(work)
        if work.method.readonly:
            return self._read_for_message(work)
        if work.method.direct:
            return self.perform(work.entity, work.method, work.packed, work)
        if work.method is ERASE:
            return self._erase(work)
        return self._ways[work.method.way].run(work)

    def _erase(self, work: Work) -> Outcome:
        state = work.entity.state
        if not isinstance(state, VolatileState):
            return self.perform(work.entity, ERASE, (), work)
        erased = False
        state.give_up()
        try:
            outcome = self.perform(work.entity, ERASE, (), work)
            erased = outcome.error is None
        finally:
            if not erased:  # it may have been refused before its step began, so that no rollback has done this
                state.unload()
        return outcome

    def _read_for_message(self, work: Work) -> Reply:
        """A message to a readonly method: its result is dropped, and an empty step consumes it."""
        reply = self.look(work.entity, work.method, work.packed)
        if isinstance(reply, Outcome):
            self.stage.consume(work, reply)
        else:
            reply.add_done_callback(lambda done: self.stage.consume(work, outcome_of(done)))
        return reply

    def run_queued(self, work: Work) -> Reply:
        """Run work whose turn has come."""
        if not work.one_way:
            self.queued -= 1
        return self.run(work)

    def _enqueue(self, work: Work) -> asyncio.Future[Outcome]:
        queued = QueuedWork(self, work, self.loop.create_future())
        work.entity.queue.append(queued)
        if not work.one_way:
            self.queued += 1
        return queued.reply

    def _invoke_late(self, late: LateCall) -> Reply:
        """Hand over the messages before the call; if they are too many for now, the call waits for the rest."""
        waiting = self.order.wait(late)
        self._run_messages(self.log.limits.group_work_seconds_max)
        self.committer.touch()
        return waiting.result() if waiting.done() else waiting

    def _run_messages(self, seconds: float) -> bool:
        more = self.deliver(seconds)
        if self.order:
            self.order.proceed()
        return more
