"""One invocation of sandboxed code: what it may ask of its host, counted, and answered again when it runs again.

An instance ends where its method awaits another object. Once that has answered, a new instance does the earlier parts
again, and gets the same answers; what these parts have changed is committed already and is not done again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

from automata.errors import AutomataError, GuestTrapped, InvalidArgument, LimitExceeded, ReadOnlyError
from automata.inline import TooLong
from automata.printable import printable
from automata.sandbox.dispatch import Dispatch, Point
from automata.sandbox.elements import elements
from automata.sandbox.errand import Errand
from automata.sandbox.limits import SandboxLimits
from automata.sandbox.paging import Page, Rows, first_of, size_of
from automata.sandbox.passing import Passing
from automata.sandbox.targets import split_arguments
from automata.sandbox.usage import Usage
from automata.when import When, check_due, check_rule

if TYPE_CHECKING:
    from automata.calls import Call
    from automata.map import Map
    from automata.sandbox.targets import Targets
    from automata.turn import Turn
    from automata.work import Outcome

T = TypeVar("T")

ENTROPY_BYTES_MAX = 64 << 10
"""Random bytes that are given at once."""

INLINE_CALLS = 1000
"""So many functions of its host a method may call on the event loop: they cost no fuel."""

INLINE_BYTES = 4096
"""Of what it sends or gives back as values, which are checked and built with Python's lock held."""

INLINE_ROWS = 256
"""So many rows it may read there: finding one costs no fuel."""

INLINE_READ_BYTES = 64 << 10
"""Of rows that it may read there."""

ERRAND_ROWS = 256
"""So many rows a thread reads before others on the event loop have their turn."""

_ASKED_BYTES = 64  # what an answer takes that is kept, besides its text and its rows
_CALL_COPIES = 2  # of the arguments of a call while it is awaited, besides what is kept to tell it again
_ANY = 1 << 62  # bytes
_PAGE_ROWS = 16  # read before it is counted how large they are
_INVOCATION_BYTES = 64 << 10
_LINE_BYTES = 64  # what a line of the log counts besides its text
_LEVELS_MAX = 50  # of the log: as of the module `logging`
_logger = logging.getLogger("automata")


class Suspended(Exception):
    """The method awaits what has not come yet."""


class Abandoned(Exception):
    """Nobody waits for this run any more."""


class Session:
    """One invocation. points, past: what each earlier part has awaited, and its outcomes.

    inline: it runs on the event loop, for a moment alone. rows: the object's, as core modules see them. failure: why
    the host has ended the run, which WebAssembly itself only sees as a trap.
    """

    def __init__(self, turn: Turn, limits: SandboxLimits, targets: Targets, inline: bool) -> None:
        self.turn = turn
        self.limits = limits
        self.usage = Usage()
        self.inline = inline
        self.key = turn.entity.key
        self.rows: Map[bytes, bytes]
        self._targets = targets
        self.points: list[Point] = []
        self.past: list[list[Outcome]] = []
        self.passing = Passing(b"")
        self.sends: list[Call] = []
        self.failure: Exception | None = None
        self.point: Point | None = None
        self._seen: list[tuple[object, object]] = []
        self._part = self._at = self._reads = self._read_bytes = self._kept_bytes = self._passing_bytes = 0
        self._calls = self._writes = self._written_bytes = self._logged_bytes = self._messages = self._elements = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._next: asyncio.Future[Errand | None] | None = None
        self._errand: Errand | None = None
        self._left = False

    # runs

    def begin_run(self, told: bool = False) -> None:
        """A new instance begins the method from its start. told: it knows all outcomes so far, and asks for none."""
        self.usage.runs += 1
        self._part, self._at = len(self.past) if told else 0, 0
        self._calls = self._writes = self._written_bytes = self._logged_bytes = self._messages = self._elements = 0
        self.sends, self.failure, self.point = [], None, None

    def end_part(self, point: Point, outcomes: list[Outcome]) -> None:
        """What the part has awaited has come: the next run goes on behind it."""
        if len(self.past) >= self.limits.awaits:
            raise LimitExceeded("awaits", f"{self.turn.name} awaits others more than {self.limits.awaits} times")
        self.points.append(point)
        self.past.append(outcomes)

    @property
    def live(self) -> bool:
        """Whether what the code does now happens for the first time."""
        return self._part == len(self.past)

    @property
    def kept_bytes(self) -> int:
        """About what its host keeps of it while it awaits others."""
        passing = _CALL_COPIES * self._passing_bytes
        return _INVOCATION_BYTES + self._read_bytes + self._kept_bytes + passing

    @property
    def messages(self) -> int:
        """What the part sends, now and for later."""
        return self._messages

    def next_outcomes(self) -> list[Outcome] | None:
        """The code has come to an await: its outcomes, or None if they are yet to come."""
        if self.live:
            return None
        self._part += 1
        return self.past[self._part - 1]

    # what the code asks

    def count_call(self) -> None:
        """The code calls a function of its host."""
        self._calls += 1
        if self.inline and self._calls > INLINE_CALLS:
            raise TooLong
        if self._calls > self.limits.host_calls:
            raise self.over("host_calls", f"calls its host more than {self.limits.host_calls} times")

    def ask(self, question: object, answer: Callable[[], T], size: int = 0) -> T:
        """What the code gets to see: the same again when it runs again. size: the bytes of the question."""
        return self._ask(question, lambda: self.here(answer), size)

    def scan(self, question: object, page: Page, limit: int, size: int, size_max: int = _ANY) -> Rows:
        """Up to `limit` rows, as `ask`. page, size_max: as of `collect`."""

        def read() -> Rows:
            rows: Rows = []
            left = size_max
            while len(rows) < limit or not limit:
                most = min(ERRAND_ROWS, limit - len(rows))
                found = self.here(lambda most=most, left=left: self.collect(page, most, left))  # type: ignore[misc]
                rows += found
                left -= size_of(found)
                if len(found) < most or not most or left <= 0:
                    break
            return rows

        return self._ask(question, read, size)

    def _ask(self, question: object, answer: Callable[[], T], size: int) -> T:
        if self._at < len(self._seen) or not self.live:
            return cast("T", self._again(question))
        self.count_kept(_ASKED_BYTES + size)
        found = answer()
        self._seen.append((question, found))
        self._at += 1
        return found

    def count_kept(self, size: int) -> None:
        """Its host keeps so many bytes of what it has asked and awaited, besides rows."""
        self._kept_bytes += size
        if self._read_bytes + self._kept_bytes > self.limits.read_bytes:
            raise self.over("read_bytes", f"asks its host to keep more than {self.limits.read_bytes} bytes")

    def here(self, work: Callable[[], T]) -> T:
        """Do something on the event loop, as a part of the method's own task."""
        loop = self._loop
        if loop is None:
            return work()
        if self._left:
            raise Abandoned
        errand = self._errand = Errand(work)
        loop.call_soon_threadsafe(self._hand, errand)
        return cast("T", errand.answer.result())

    def count_read(self, rows: int, size: int) -> None:
        """Rows were read."""
        self._reads += rows
        self._read_bytes += size
        self.usage.read_bytes += size
        if self.inline and (self._reads > INLINE_ROWS or self._read_bytes > INLINE_READ_BYTES):
            raise TooLong
        if self._reads > self.limits.reads:
            raise self.over("reads", f"reads more than {self.limits.reads} rows")
        if self._read_bytes + self._kept_bytes > self.limits.read_bytes:
            raise self.over("read_bytes", f"reads more than {self.limits.read_bytes} bytes")

    def collect(self, page: Page, limit: int, size_max: int = _ANY) -> Rows:
        """Up to `limit` rows, page by page, ending with the one by which they have `size_max` bytes.

        They are counted as they come, so that no more are held than the code may read. Finding none counts as one.
        """
        rows: Rows = []
        while len(rows) < limit and size_max > 0:
            most = min(_PAGE_ROWS, limit - len(rows))
            found = page(most)
            taken = first_of(found, size_max)
            size = size_of(taken)
            self.count_read(len(taken), size)
            rows += taken
            size_max -= size
            if len(found) < most:
                break
        if not rows:
            self.count_read(1, 0)
        return rows

    def count_write(self, key: bytes, value: bytes | None) -> None:
        """A row is written. Raises LimitExceeded if it must not be."""
        limits, size = self.limits, len(key) + len(value or b"")
        self._writes += 1
        self._written_bytes += size
        self.usage.written_bytes += size
        if len(key) > limits.key_bytes:
            raise self.over("key_bytes", f"writes a key of {len(key)} bytes: at most {limits.key_bytes}")
        if value is not None and len(value) > limits.value_bytes:
            raise self.over("value_bytes", f"writes a value of {len(value)} bytes: at most {limits.value_bytes}")
        if self._writes > limits.writes:
            raise self.over("writes", f"writes more than {limits.writes} rows")
        if self._written_bytes > limits.write_bytes:
            raise self.over("write_bytes", f"writes more than {limits.write_bytes} bytes")

    def send(self, dispatch: Dispatch) -> None:
        """A message leaves with the part that sends it."""
        if not self.live:
            return
        self._count_message(dispatch)
        self.sends.append(self._targets.call_of(dispatch))
        self.usage.sends += 1

    def calls_of(self, point: Point) -> list[Call] | AutomataError:
        """The calls that it awaits, or why they cannot be made. Raises LimitExceeded if they are too many."""
        if len(point.calls) > self.limits.sends:
            raise self.over("sends", f"awaits more than {self.limits.sends} calls at once")
        self._passing_bytes = sum(len(dispatch.arguments) for dispatch in point.calls)
        self.count_kept(self._passing_bytes)
        try:
            for dispatch in point.calls:
                self._count_elements(dispatch)
            return [self._targets.call_of(dispatch) for dispatch in point.calls]
        except LimitExceeded:
            raise
        except AutomataError as error:
            return error

    def check_elements(self, arguments: bytes) -> int:
        """How many values are in arguments, before anything is built of them. Raises LimitExceeded."""
        most = self.limits.elements
        found = elements(arguments, most)
        if found > most:
            raise self.over("elements", f"gives more than {most} values as arguments")
        return found

    def _count_elements(self, dispatch: Dispatch) -> None:
        """What a part sends and awaits is built on the event loop in the end: no more than so much of all together."""
        self._elements += self._elements_of(dispatch)
        if self._elements > self.limits.elements:
            raise self.over("elements", f"gives more than {self.limits.elements} values as arguments in one part")

    def _elements_of(self, dispatch: Dispatch) -> int:
        if not dispatch.own:
            return self.check_elements(dispatch.arguments)
        found = self.check_elements(dispatch.arguments)
        try:
            return found + sum(map(self.check_elements, split_arguments(dispatch.arguments)))
        except InvalidArgument:
            return found  # making the call says what is wrong with it

    def _count_message(self, dispatch: Dispatch) -> None:
        self._count_elements(dispatch)
        self._messages += 1
        self._written_bytes += len(dispatch.arguments)
        if self._messages > self.limits.sends:
            raise self.over("sends", f"sends more than {self.limits.sends} messages")
        if self._written_bytes > self.limits.write_bytes:
            raise self.over("write_bytes", f"writes and sends more than {self.limits.write_bytes} bytes")

    def check_sending(self) -> None:
        """Raise ReadOnlyError in a readonly method."""
        if self.turn.method.readonly:
            raise ReadOnlyError(f"{self.turn.name} is readonly and must not send")

    def schedule(self, dispatch: Dispatch, due_ms: int, rule: bytes) -> str:
        """A message for later leaves with the part. Returns its id. Raises InvalidArgument for what is no time or rule.

        Runs as a part of the method's own task.
        """
        check_rule(rule)
        self._count_message(dispatch)
        return self.turn.send(self._targets.call_of(dispatch), When(None, check_due(due_ms), rule))

    def cancel(self, message_id: str) -> bool:
        """Cancel a message with the part; whether that is still possible. Runs as a part of the method's own task."""
        cancelled = self.turn.cancel(message_id)
        if cancelled.asking is not None:
            raise InvalidArgument(
                f"message {message_id} may be kept in another store, and a sandboxed class cancels only what is kept "
                "beside its object: let a client cancel it"
            )
        return cancelled.never_delivered

    def now(self) -> float:
        """Seconds since the epoch."""
        return self.ask("now", self.turn.now)

    def entropy(self, count: int) -> bytes:
        """Random bytes."""
        if count > ENTROPY_BYTES_MAX:
            raise GuestTrapped(f"{self.turn.name} asks for {count} random bytes at once: at most {ENTROPY_BYTES_MAX}")
        if not count:
            return b""

        def draw() -> bytes:
            self.count_read(0, count)
            return self.turn.random_bits(8 * count).to_bytes(count, "big")

        return self.ask(("entropy", count), draw)

    def log(self, level: int, text: str) -> None:
        """The code logs a text; once, and up to its limit. One line of the log stays one line."""
        self._logged_bytes += _LINE_BYTES + len(text)
        if self._logged_bytes <= self.limits.log_bytes:
            shown, line = max(0, min(level, _LEVELS_MAX)), printable(text)
            self.ask(("log", text), lambda: self._log(shown, line), len(text))

    def over(self, limit: str, what: str) -> LimitExceeded:
        """The error of a limit."""
        return LimitExceeded(limit, f"{self.turn.name} {what}")

    # between the thread and the task

    def serve(self, loop: asyncio.AbstractEventLoop) -> asyncio.Future[Errand | None]:
        """A future of what the run in a thread asks for next; None says that it has ended."""
        self._loop, self._left = loop, False
        future = self._next = loop.create_future()
        return future

    def finish(self) -> None:
        """The run in its thread has ended. Called there."""
        assert self._loop is not None, "it runs in a thread"
        with contextlib.suppress(RuntimeError):  # the loop was closed: nobody is left to hear of it
            self._loop.call_soon_threadsafe(self._hand, None)

    def leave(self) -> None:
        """The run is over, or nobody waits for it any more: then what goes on in its thread gets nothing more."""
        self._left = True
        self._next = None
        if self._errand is not None and not self._errand.answer.done():
            self._errand.answer.set_exception(Abandoned())

    def _log(self, level: int, text: str) -> None:
        if not self.turn.replaying:
            _logger.log(level, "%s: %s", printable(self.turn.address), text)

    def _hand(self, errand: Errand | None) -> None:
        if self._next is not None and not self._next.done():
            self._next.set_result(errand)
        elif errand is not None:
            errand.answer.set_exception(Abandoned())

    def _again(self, question: object) -> Any:
        seen = self._seen
        if self._at >= len(seen) or seen[self._at][0] != question:
            raise GuestTrapped(
                f"{self.turn.name} does something else when it runs again: a method that awaits others must depend on "
                "nothing but what its host tells it"
            )
        self._at += 1
        return seen[self._at - 1][1]
