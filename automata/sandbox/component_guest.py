"""Runs components: modules with an interface of their own, as `ssms build` makes them of Python.

What they say is MessagePack in lists of bytes. Everything here may run in a thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

import msgspec
from wasmtime import Engine, Store, WasmtimeError
from wasmtime.component import U8, Component, FuncType, Instance, Linker, ListType
from wasmtime.component._types import ComponentExtern

from automata.errors import GuestTrapped
from automata.sandbox.component_messages import Awaits, Done, Raised, Rows, decode_answer, decode_dispatch
from automata.sandbox.dispatch import Dispatch
from automata.sandbox.limits import SandboxLimits
from automata.sandbox.session import Session
from automata.sandbox.stopping import stopped
from automata.state import Bounds

T = TypeVar("T")

HOST = "automata:guest/host@1.0.0"
DESCRIBE, RUN = "describe", "run"
_ROWS_MAX = 10_000


class ComponentHost:
    """The functions that components of one engine call, of whichever session runs on the thread.

    They never raise through wasmtime, which keeps such errors in one place for all threads: an error is noted in the
    session, and the component traps.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._here = threading.local()
        self._linker = Linker(engine)
        with self._linker.root() as root, root.add_instance(HOST) as host:
            for name, function in (
                ("rows", self._rows),
                ("now", self._now),
                ("entropy", self._entropy),
                ("schedule", self._schedule),
                ("cancel", self._cancel),
                ("log", self._log),
            ):
                host.add_func(name, function)

    def describe(self, component: Component, session: Session, ticks: int) -> bytes:
        """What the component says of itself. Raises GuestTrapped, LimitExceeded."""
        return self._call(component, session, ticks, DESCRIBE)

    def run(self, component: Component, session: Session, ticks: int, task: bytes) -> Done | Raised | Awaits:
        """One run of a method. Raises GuestTrapped, LimitExceeded, and what the host has refused it."""
        answer = self._call(component, session, ticks, RUN, task)
        try:
            return decode_answer(answer)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise GuestTrapped(f"{session.turn.name} gave an answer that is none: {error}") from None

    def _call(self, component: Component, session: Session, ticks: int, what: str, *arguments: bytes) -> bytes:
        limits = session.limits
        store = Store(self._engine)
        store.set_fuel(limits.fuel)
        store.set_epoch_deadline(ticks)
        store.set_limits(
            memory_size=limits.memory_bytes,
            table_elements=limits.table_elements,
            instances=100,
            tables=100,
            memories=10,
        )
        self._here.session = session
        try:
            answer = self._enter(store, component, what, arguments)
        except WasmtimeError as error:
            raise stopped(session, str(error)) from None
        finally:
            self._here.session = None
            session.usage.fuel += limits.fuel - store.get_fuel()
            store.close()
        if type(answer) is not bytes:
            raise GuestTrapped(f"{session.turn.name} gave no bytes")
        return answer

    def _enter(self, store: Store, component: Component, what: str, arguments: tuple[bytes, ...]) -> object:
        instance: Instance = self._linker.instantiate(store, component)
        function = instance.get_func(store, what)
        if function is None:
            raise GuestTrapped(f"the component exports no function {what!r}")
        return function(store, *arguments)

    # what components call

    def _serve(self, work: Callable[[Session], T]) -> T:
        session: Session = self._here.session
        try:
            session.count_call()
            return work(session)
        except Exception as error:  # noqa: BLE001 - noted, and raised to whoever runs the session
            session.failure = error
            raise WasmtimeError("refused by the host") from None

    def _rows(self, store: object, begin: bytes, end: bytes, limit: int, backwards: bool) -> Rows:
        def read(session: Session) -> Rows:
            bounds, most = (begin, min(end, b"\xff")), min(limit, _ROWS_MAX)
            if begin >= bounds[1]:
                return []
            question = ("rows", begin, end, limit, backwards)
            return session.ask(question, lambda: session.collect(pages(session, bounds, backwards), most))

        return self._serve(read)

    def _now(self, store: object) -> float:
        return self._serve(lambda session: session.now())

    def _entropy(self, store: object, count: int) -> bytes:
        return self._serve(lambda session: session.entropy(count))

    def _schedule(self, store: object, dispatch: bytes, due_ms: int, rule: bytes) -> str:
        def schedule(session: Session) -> str:
            message = _read_dispatch(session, dispatch)
            question = ("schedule", dispatch, due_ms, rule)
            return session.ask(question, lambda: session.schedule(message, due_ms, rule))

        return self._serve(schedule)

    def _cancel(self, store: object, message_id: str) -> bool:
        return self._serve(lambda session: session.ask(("cancel", message_id), lambda: session.turn.cancel(message_id)))

    def _log(self, store: object, level: int, text: str) -> None:
        self._serve(lambda session: session.log(level, text))


def pages(session: Session, bounds: Bounds, backwards: bool) -> Callable[[int], Rows]:
    """Gives the rows of an object page by page."""
    begin, end = bounds

    def page(most: int) -> Rows:
        nonlocal begin, end
        rows = session.turn.state.scan((begin, end), most, backwards)
        if rows:
            begin, end = (begin, rows[-1][0]) if backwards else (rows[-1][0] + b"\0", end)
        return rows

    return page


def _read_dispatch(session: Session, data: bytes) -> Dispatch:
    try:
        return decode_dispatch(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise GuestTrapped(f"{session.turn.name} sends what is no message: {error}") from None


def check_component(component: Component, engine: Engine, limits: SandboxLimits) -> str:
    """What is wrong with a component's imports and exports; nothing if it can be run."""
    imports = component.type.imports(engine)
    foreign = sorted(name for name in imports if name != HOST)
    if foreign:
        return f"it imports {foreign[0]}, which a sandbox does not give: build it with `ssms build`"
    exports = component.type.exports(engine)
    for name, given in ((DESCRIBE, 0), (RUN, 1)):
        if name not in exports or not _takes_bytes(exports[name], given):
            return f"it exports no function {name!r} of {'bytes' if given else 'nothing'} that gives bytes"
    return ""


def _takes_bytes(export: ComponentExtern, given: int) -> bool:
    try:
        kind = export.ty
    except TypeError:  # an item of a kind that wasmtime does not name
        return False
    if not isinstance(kind, FuncType):
        return False
    parameters = [kind for _, kind in kind.params]
    return len(parameters) == given and all(_is_bytes(kind) for kind in [*parameters, kind.result])


def _is_bytes(kind: object) -> bool:
    return isinstance(kind, ListType) and isinstance(kind.element, U8)
