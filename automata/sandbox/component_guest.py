"""Runs components: modules with an interface of their own, as `ssms build` makes them of Python.

What they say is MessagePack in lists of bytes. Everything here may run in a thread.
"""

from __future__ import annotations

import threading

import msgspec
from wasmtime import Engine, Store, WasmtimeError
from wasmtime.component import U8, Component, FuncType, Linker, ListType
from wasmtime.component._types import ComponentExtern

from automata.errors import GuestTrapped
from automata.printable import printable
from automata.sandbox.component_calls import Callbacks, HostFunction, call
from automata.sandbox.component_messages import Awaits, Done, Raised, Rows, decode_answer, decode_dispatch
from automata.sandbox.component_values import (
    as_bool,
    as_bytes,
    as_text,
    as_u32,
    as_u64,
    put_bool,
    put_bytes,
    put_float,
    put_nothing,
    put_rows,
    put_text,
)
from automata.sandbox.dispatch import Dispatch
from automata.sandbox.elements import elements
from automata.sandbox.limits import SandboxLimits
from automata.sandbox.paging import Page, paged
from automata.sandbox.passing import PART_BYTES, Passing
from automata.sandbox.session import Session
from automata.sandbox.stopping import LESS, stopped
from automata.state import Bounds

HOST = "automata:guest/host@1.0.0"
DESCRIBE, RUN = "describe", "run"
_ROWS_MAX = 10_000
_RESULT_BYTES = 1 << 20  # of an answer, besides what it writes and sends
_ELEMENTS_OF_ROW, _ELEMENTS_OF_MESSAGE, _ELEMENTS_BESIDE = 3, 8, 1000


class ComponentHost:
    """The functions that components of one engine call, of whichever session runs on the thread.

    An error of theirs is noted in the session, and the component traps.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._here = threading.local()
        self._linker = Linker(engine)
        self._callbacks = Callbacks(self._linker, HOST, FUNCTIONS, lambda: self._here.session)

    def describe(self, component: Component, session: Session, ticks: int) -> bytes:
        """What the component says of itself. Raises GuestTrapped, LimitExceeded."""
        return self._call(component, session, ticks, DESCRIBE)

    def run(self, component: Component, session: Session, ticks: int, task: bytes) -> Done | Raised | Awaits:
        """One run of a method. Raises GuestTrapped, LimitExceeded, and what the host has refused it."""
        session.passing = Passing(task)
        last = self._call(component, session, ticks, RUN, session.passing.first)
        _give(session, last)
        answer = session.passing.answer()
        _check_elements(session, answer)
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
            answer = call(self._linker, store, component, what, arguments)
        except WasmtimeError as error:
            raise stopped(session, str(error)) from None
        finally:
            self._here.session = None
            session.usage.fuel += limits.fuel - store.get_fuel()
            store.close()
        return answer


def _page(session: Session, begin: bytes, end: bytes, limit: int, backwards: bool) -> Rows:
    bounds, most = (begin, min(end, b"\xff")), min(limit, _ROWS_MAX)
    if begin >= bounds[1]:
        return []
    question = ("rows", begin, end, limit, backwards)
    return session.scan(question, pages(session, bounds, backwards), most, len(begin) + len(end), PART_BYTES)


def _give(session: Session, part: bytes) -> None:
    session.passing.give(part)
    most = session.limits.write_bytes + _RESULT_BYTES
    if session.passing.given_bytes > most:
        raise session.over("write_bytes", f"gives its host more than {most} bytes at once: {LESS}")


def _check_elements(session: Session, answer: bytes) -> None:
    """Raise LimitExceeded for an answer of more than it may write and send, before anything is built of it."""
    limits = session.limits
    most = _ELEMENTS_OF_ROW * limits.writes + _ELEMENTS_OF_MESSAGE * limits.sends + _ELEMENTS_BESIDE
    if len(answer) > PART_BYTES and elements(answer, most) > most:
        raise session.over("writes", f"gives its host more than {limits.writes} rows and {limits.sends} messages")


def _schedule(session: Session, dispatch: bytes, due_ms: int, rule: bytes) -> str:
    message = _read_dispatch(session, dispatch)
    question = ("schedule", dispatch, due_ms, rule)
    return session.ask(question, lambda: session.schedule(message, due_ms, rule), len(dispatch) + len(rule))


def _cancel(session: Session, message_id: str) -> bool:
    return session.ask(("cancel", message_id), lambda: session.cancel(message_id), len(message_id))


FUNCTIONS = {
    "page": HostFunction((as_bytes, as_bytes, as_u32, as_bool), put_rows, _page),
    "now": HostFunction((), put_float, Session.now),
    "entropy": HostFunction((as_u32,), put_bytes, Session.entropy),
    "schedule": HostFunction((as_bytes, as_u64, as_bytes), put_text, _schedule),
    "cancel": HostFunction((as_text,), put_bool, _cancel),
    "log": HostFunction((as_u32, as_text), put_nothing, Session.log),
    "part": HostFunction((as_u32,), put_bytes, lambda session, number: session.passing.part(number)),
    "give": HostFunction((as_bytes,), put_nothing, _give),
}
"""What components import: automata/sandbox/guest/world.wit."""


def pages(session: Session, bounds: Bounds, backwards: bool) -> Page:
    """Gives the rows of an object page by page."""
    state = session.turn.state
    return paged(lambda begin, end, most: state.scan((begin, end), most, backwards), *bounds, backwards)


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
        return f"it imports {printable(foreign[0][:200])}, which a sandbox does not give: build it with `ssms build`"
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
