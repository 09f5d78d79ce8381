"""One run of a transaction: a body that calls several objects, whose changes lie over the log until all are committed.

The body runs without a pause. Each object that it touches has one layer of changes, which all calls of the transaction
share; what a method has changed when it calls on, or ends, is undone with the transaction alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Coroutine, Generator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from automata.calls import Call, Point
from automata.context import CURRENT
from automata.detached import Detached
from automata.entity import Entity
from automata.errors import InvalidArgument, StateError
from automata.methods import WORKER, Method
from automata.state import READ, WRITE, NoLog, ObjectState
from automata.timing import Timing
from automata.turn import Steps, Turn
from automata.work import Outcome, ordinary
from darq.overlay import Overlay
from darq.step import Step

if TYPE_CHECKING:
    from automata.envelope import Envelope
    from automata.methods import Packed

_YIELDS_MAX = 100  # a body that goes on awaiting what it must not is given up


class Abroad(Protocol):
    """Where objects live, on a cluster."""

    def store_of(self, type_name: str, key: str) -> bytes | None:
        """The other store that an object lives in; None if it lives here."""


class Objects(Steps, Protocol):
    """What a transaction asks of the host."""

    def entity(self, type_name: str, key: str) -> Entity:
        """The object of this address."""

    @property
    def abroad(self) -> Abroad | None:
        """Where objects live that are not in this store; None where there are no others."""

    @property
    def prepared(self) -> Container[bytes]:
        """The objects about whose last changes another store decides: until then nobody reads them."""

    def overtakes(self, entity: Entity, sender: Entity) -> bool:
        """Whether a call of `sender` to `entity` would come before a message that it has sent to it."""


class Spans(BaseException):
    """The transaction calls an object of another store, so it has to wait after all. No error for its code to catch."""


class Conflict(BaseException):
    """The transaction cannot go on before something else has ended. No error for its code to catch.

    behind_message: messages to the object have to be delivered first; else a method holds it.
    """

    def __init__(self, entity: Entity, behind_message: bool) -> None:
        super().__init__(entity.address)
        self.entity = entity
        self.behind_message = behind_message


async def _unused(self: object) -> None:
    """Stands for all methods of a transaction where one name is shown."""


class Touched:
    """One object in a transaction: its own instance, over a layer of what the transaction has changed.

    Nothing else can use the instance meanwhile, since a transaction runs without a pause.
    """

    method = Method("", "transaction", _unused)
    timing: Timing | None = None  # the body has those of all
    sends: list[Envelope] | None = None
    sent_bytes = 0
    deleted = False

    def __init__(self, entity: Entity) -> None:
        self.entity = entity
        self.state, self.instance = entity.state, entity.instance
        self._detached = Detached()
        self._written_bytes = self._largest_bytes = 0
        entity.pins += 1

    @property
    def overlay(self) -> Overlay | None:
        """What was changed."""
        return self.state.base

    def complete(self) -> bool:
        """Whether anything was changed or sent. No method runs on it any more."""
        self.state.written_bytes, self.state.largest_bytes = self._written_bytes, self._largest_bytes
        return self.overlay is not None or self.sends is not None

    def keep(self, turn: InTransaction) -> None:
        """What the method has done so far is undone with the transaction alone."""
        state = self.state
        self._detached.check(turn.name)
        overlay = state.flush()
        if overlay is not None:
            self._written_bytes += state.written_bytes
            self._largest_bytes = max(self._largest_bytes, state.largest_bytes)
            if state.base is None:
                state.base = overlay
            else:
                state.base.absorb(overlay)
        if state.live:
            self._detached.add(state.detach())
        state.settle()
        if turn.sends is not None:
            self.sends = [*(self.sends or ()), *turn.sends]
            self.sent_bytes += turn.sent_bytes
            turn.sends, turn.sent_bytes = None, 0
        self.deleted = self.deleted or turn.deleted

    def let_go(self, committed: bool) -> None:
        """The transaction has ended. committed: its changes are in the log now; else they never were."""
        state = self.state
        state.base = None
        if not committed:
            state.rollback()
            state.unload()
        state.written_bytes = state.largest_bytes = 0
        self.entity.pins -= 1


class Transaction:
    """One run. held: the objects that are held for it; group: the highest that what it has seen depends on.

    decision: a step that commits with its changes.
    """

    decision: Step | None = None

    def __init__(self, host: Objects, sender: Entity, held: Collection[Entity]) -> None:
        self.host = host
        self.sender = sender
        self.group = sender.group
        self.touched: dict[tuple[str, str], Touched] = {}
        self.body = Body(self)
        self._held = held
        self._undone: BaseException | None = None

    def run(self, body: Callable[[], Coroutine[Any, Any, object]]) -> object:
        """Run the body to its end. Raises what it raises, and what undoes it, also if its code has swallowed that."""
        token = CURRENT.set(self.body)
        try:
            return _to_end(body(), "a transaction")
        finally:
            self.body.closed = True
            CURRENT.reset(token)
            if self._undone is not None:
                raise self._undone

    def undo(self, why: BaseException) -> None:
        """All of it is undone, whatever its code does now: the first reason counts."""
        self._undone = self._undone or why

    def end(self, committed: bool) -> None:
        """Let go of all objects. committed: it has happened; else nothing of it has."""
        for touched in self.touched.values():
            touched.let_go(committed)

    def changes(self) -> list[Touched | Body]:
        """The objects that it has changed, or that send something; complete, so that they can be committed."""
        changed = [touched for touched in self.touched.values() if touched.complete()]
        return [*changed, self.body] if self.body.sends or self.body.timing is not None else list(changed)

    def call(self, call: Call) -> object:
        """Make a call of the body, or of a method that it calls."""
        if call.request is not None:
            raise InvalidArgument("a call in a transaction takes no idempotency key: give it to the call around it")
        packed = call.pack()
        abroad = self.host.abroad
        if abroad is not None and abroad.store_of(call.ref.type_name, call.ref.key) is not None:
            self.undo(Spans())
        if self._undone is not None:
            raise self._undone
        entity = self.host.entity(call.ref.type_name, call.ref.key)
        check_takes_part(entity, call.method)
        try:
            touched = self._touch(entity, call.method)
        except Conflict as conflict:
            self.undo(conflict)
            raise
        return self._invoke(touched, call.method, packed)

    def _touch(self, entity: Entity, method: Method) -> Touched:
        if (
            entity.busy
            and entity not in self._held
            and not (method.readonly and entity.partition not in self.host.prepared)
        ):
            raise Conflict(entity, behind_message=False)
        name = (entity.made.name, entity.key)
        touched = self.touched.get(name)
        if touched is None:
            if self.host.overtakes(entity, self.sender):
                raise Conflict(entity, behind_message=True)
            touched = self.touched[name] = Touched(entity)
            self.group = max(self.group, entity.group)
        return touched

    def _invoke(self, touched: Touched, method: Method, packed: Packed) -> object:
        turn = InTransaction(self, touched, method)
        token = CURRENT.set(turn)
        before = touched.state.mode
        touched.state.begin(READ if method.readonly else WRITE)
        try:
            result = method.take_result(_to_end(method.fn(touched.instance, *method.unpack(packed)), turn.name))
            turn.keep()
        except (Conflict, Spans, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - the caller gets it by value, as from any call
            touched.state.rollback()
            return Outcome(None, ordinary(error, turn.name), 0).take()
        finally:
            turn.closed = True
            touched.state.mode = before
            CURRENT.reset(token)
        return result


def check_takes_part(entity: Entity, method: Method) -> None:
    """Raise StateError for what can be no part of a transaction."""
    if entity.made.volatile:
        raise StateError(f"{entity.address} is an automaton and takes no part in transactions: send it a message")
    if entity.made.application:
        raise StateError(f"{entity.address} is sandboxed and takes no part in transactions: send it a message")
    if method.way == WORKER:
        raise StateError(f"{entity.address} runs in a worker and takes no part in transactions: send it a message")


class InBody(Turn):
    """What the code of a transaction can do, in its body and in the methods that it calls."""

    transaction: Transaction

    def call(self, call: Call) -> Generator[Any, Any, Any]:
        """`await ref(...).method()`: at once, as part of the transaction."""
        yield from self.before_calling()
        return self.transaction.call(call)

    def gather(self, calls: Sequence[Call]) -> Generator[Any, Any, list[Any]]:
        """One after the other: all are made, then the first error is raised."""
        yield from self.before_calling()
        outcomes = [self._try(call) for call in calls]
        return [outcome.take() for outcome in outcomes]

    def _cancel_elsewhere(self, message_id: str) -> Generator[Any, Any, Any]:
        raise StateError(
            f"{self.name} cancels message {message_id}, which another store may keep: a transaction must not, as it "
            "may run more than once. Do it outside"
        )

    def suspend(self, point: Point) -> Generator[Any, Any, Any]:
        """A transaction within a transaction is part of it, and its errors undo all of it; nothing else is awaited."""
        if not isinstance(point, Inner):
            raise StateError(f"a transaction must not await {point.kind}(): it may run more than once. Do it outside")
        yield from self.before_calling()
        try:
            return (yield from self.within(point))
        except Exception as error:
            self.transaction.undo(error)
            raise

    def within(self, point: Inner) -> Generator[Any, Any, object]:
        """Run a transaction within this one."""
        yield from ()
        return _to_end(point.body(), "a transaction")

    def keep(self) -> None:
        """Let whom it calls see what was changed so far."""

    def before_calling(self) -> Sequence[None]:
        """What was changed so far is seen by whom it calls. Yields nothing."""
        self.check_active()
        self.keep()
        return ()

    def _try(self, call: Call) -> Outcome:
        try:
            return Outcome(self.transaction.call(call), None, 0)
        except Exception as error:  # noqa: BLE001 - it is raised when all calls were made
            return Outcome(None, error, 0)


@runtime_checkable
class Inner(Protocol):
    """A point that is a transaction."""

    def body(self) -> Coroutine[Any, Any, object]:
        """Its body, to be run once more."""


_NO_STATE = ObjectState(NoLog(), b"", {})  # idle, so that nothing can be changed through it


class Body(InBody):
    """The body itself, which is no method of any object: what it sends, the object around it sends."""

    def __init__(self, transaction: Transaction) -> None:
        super().__init__(transaction.host, transaction.sender, Touched.method, _NO_STATE)
        self.transaction = transaction
        self.overlay: Overlay | None = None


class InTransaction(InBody):
    """A method that runs as part of a transaction."""

    def __init__(self, transaction: Transaction, touched: Touched, method: Method) -> None:
        super().__init__(transaction.host, touched.entity, method, touched.state)
        self.transaction = transaction
        self._touched = touched

    def keep(self) -> None:
        """Let whom it calls see what was changed so far: they may come back to this object."""
        self._touched.keep(self)
        self.keep_timing()

    def begin_timing(self) -> Timing:
        """What this method does about timers, which the whole transaction does in the end."""
        if self.timing is None:
            self.timing = self.host.timing(self.transaction.body.begin_timing())
        return self.timing

    def keep_timing(self) -> None:
        """What it has done about timers is undone with the transaction alone."""
        if self.timing is not None:
            self.transaction.body.begin_timing().absorb(self.timing)
            self.timing = None


def _to_end(coroutine: Coroutine[Any, Any, object], what: str) -> object:
    """Run code that must not wait for anything outside of the transaction."""
    step: Callable[[Any], object] = coroutine.send
    given: object = None
    for _ in range(_YIELDS_MAX):
        try:
            step(given)
        except StopIteration as stop:
            return stop.value
        given = StateError(f"{what} awaits what is no automaton, in a transaction: do that before or after it")
        step = coroutine.throw
    coroutine.close()
    raise StateError(f"{what} goes on awaiting what is no automaton, in a transaction")
