"""What stands for a sandboxed method on its host: an `async def` that runs the module and does for it what it may.

It runs in an ordinary turn, so that its reads, writes, messages and awaits are those of any method: one atomic step for
each part, journalled, done again after a crash.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Generator, Iterator
from typing import Any, Protocol, cast

from automata.calls import Awaited, Call
from automata.context import CURRENT
from automata.errors import AutomataError, GuestTrapped, Overloaded
from automata.inline import TooLong
from automata.pausing import sleep
from automata.sandbox.component_messages import Changes
from automata.sandbox.described_type import Shim
from automata.sandbox.dispatch import Point
from automata.sandbox.limits import SandboxLimits
from automata.sandbox.machine import machine
from automata.sandbox.manifest import MethodManifest
from automata.sandbox.module import GuestModule, Part
from automata.sandbox.session import Session
from automata.sandbox.targets import Targets
from automata.sandbox.usage import Usage
from automata.state import READ
from automata.suspending import Suspending
from automata.turn import Turn
from automata.work import Outcome

RUN_FUEL = 200_000
"""What each run counts besides its own fuel towards `fuel_per_second`: its host's work, about 40 microseconds of it."""


class Uploader(Protocol):
    """Whoever has uploaded a module, and what all runs of his may use."""

    def admit(self) -> None:
        """Raise Overloaded if his runs have used too much already."""

    def enter(self, loop: asyncio.AbstractEventLoop) -> asyncio.Future[None] | None:
        """A run wants to take place beside the event loop: what it has to wait for. Raises Overloaded."""

    def leave(self, waiting: asyncio.Future[None] | None) -> None:
        """It has ended, or waits no more."""

    def charge(self, fuel: int) -> None:
        """A run has used fuel."""

    def send(self, count: int) -> None:
        """A part of a method sends so many messages. Raises LimitExceeded."""


class Guest:
    """One uploaded module and what its methods need. threads: whether it may run beside the event loop.

    arriving: done when the module is here, where it comes from elsewhere; methods wait for it.
    """

    arriving: asyncio.Future[None] | None = None

    def __init__(
        self, module: GuestModule, limits: SandboxLimits, targets: Targets, uploader: Uploader, threads: bool
    ) -> None:
        self.module = module
        self.limits = limits
        self.targets = targets
        self.usage = Usage()
        self._awaiting_bytes = 0
        self.uploader = uploader
        self.threads = threads

    def inline_shim(self, described: MethodManifest) -> Shim:
        """A method as one that awaits nothing: it raises TooLong if it would take long, or awaits others."""
        guest = self

        async def shim(instance: Any, *args: object) -> object:
            turn = cast("Turn", CURRENT.get())
            if guest.arriving is not None:
                raise TooLong
            session = guest.session(turn, True)
            session.rows = instance.rows
            part = guest.run(session, guest.module.begin(session, turn.method, args, described.awaits))
            guest.settle(session, part)
            return part.value

        return shim

    def task_shim(self, described: MethodManifest, core: bool) -> Shim:
        """A method as one that may take long, and await others. core: its module is no component."""
        guest = self

        async def shim(instance: Any, *args: object) -> object:
            turn = cast("Turn", CURRENT.get())
            if guest.arriving is not None:
                await guest.arrived(turn, guest.arriving)
            session = guest.session(turn, False)
            if core:
                session.rows = instance.rows
            while True:
                run = guest.module.begin(session, turn.method, args, described.awaits)
                part = await guest.run_aside(session, run)
                if part.changes is not None:
                    apply(turn, part.changes)
                guest.settle(session, part)
                if part.point is None:
                    return part.value
                with guest.keeping(session):
                    outcomes = await guest.await_point(turn, part.point, part.calls)
                session.end_part(part.point, outcomes)

        return shim

    async def arrived(self, turn: Turn, arriving: asyncio.Future[None]) -> None:
        """Wait until the module is here, while the method holds its object. Raises why it cannot come."""
        if not isinstance(turn, Suspending):
            raise Overloaded(f"the module of {turn.name} is on its way to this host: call again a little later")
        await Awaited(turn.compute(asyncio.shield(arriving)))

    def session(self, turn: Turn, inline: bool) -> Session:
        """A new invocation. Raises Overloaded; not for one that goes on after a crash, which must not end otherwise."""
        if not turn.replaying:
            self.uploader.admit()
        return Session(turn, self.limits, self.targets, inline)

    def run(self, session: Session, run: Callable[[], Part]) -> Part:
        """Run it here."""
        try:
            return run()
        finally:
            self._account(session)

    async def run_aside(self, session: Session, run: Callable[[], Part]) -> Part:
        """Run it in a thread, and do for it meanwhile what it asks for."""
        turn = session.turn
        if not self.threads or not isinstance(turn, Suspending):
            return self.run(session, run)
        loop = asyncio.get_running_loop()
        place = self.uploader.enter(loop)
        try:
            if place is not None:
                await Awaited(turn.compute(place))
            return await self._serve(turn, session, run, loop)
        finally:
            self.uploader.leave(place)

    async def _serve(
        self, turn: Suspending, session: Session, run: Callable[[], Part], loop: asyncio.AbstractEventLoop
    ) -> Part:
        asked = session.serve(loop)
        ended = machine().threads.submit(self._run_there, session, run)
        try:
            while (errand := await Awaited(turn.compute(asked))) is not None:
                asked = session.serve(loop)
                errand.do()
        finally:
            session.leave()
            self._account(session)
        return ended.result()

    def _run_there(self, session: Session, run: Callable[[], Part]) -> Part:
        try:
            return run()
        finally:
            session.finish()

    def _account(self, session: Session) -> None:
        """Count what a session has used since it was last asked."""
        used, session.usage = session.usage, Usage()
        self.usage.add(used)
        self.uploader.charge(used.fuel + used.runs * RUN_FUEL)

    def settle(self, session: Session, part: Part) -> None:
        """Send what a part sends. Raises LimitExceeded if its uploader's methods send too much.

        Of calls that are awaited, one does not count: whoever makes it waits for it.
        """
        turn, calls = session.turn, part.point.calls if part.point is not None else []
        if not turn.replaying:
            self.uploader.send(session.messages + max(0, len(calls) - 1))
        for call in part.sends:
            turn.send(call)

    @contextlib.contextmanager
    def keeping(self, session: Session) -> Iterator[None]:
        """While a method awaits others, and what it has seen is kept. Raises LimitExceeded if too much is kept already.

        So a method that calls itself, and that one itself again, comes to an end.
        """
        kept = session.kept_bytes
        if self._awaiting_bytes + kept > self.limits.awaiting_bytes and not session.turn.replaying:
            raise session.over("awaiting_bytes", "awaits others, as too many methods of its module do already")
        self._awaiting_bytes += kept
        try:
            yield
        finally:
            self._awaiting_bytes -= kept

    async def await_point(self, turn: Turn, point: Point, calls: list[Call] | AutomataError) -> list[Outcome]:
        """What a part awaits: its outcomes. calls: those of the point, or why they cannot be made."""
        if not point.calls:
            await sleep(point.seconds or 0)
            return []
        if isinstance(calls, AutomataError):
            return [Outcome(None, calls, 0)] * len(point.calls)
        outcomes: list[Outcome] = await Awaited(self._outcomes(turn, calls))
        return outcomes

    def _outcomes(self, turn: Turn, calls: list[Call]) -> Generator[Any, Any, list[Outcome]]:
        if not isinstance(turn, Suspending):
            raise GuestTrapped(f"{turn.name} awaits others where nothing can be awaited")
        return (yield from turn.outcomes(calls))


def apply(turn: Turn, changes: Changes) -> None:
    """Make the changes of a part, which were checked. Raises ReadOnlyError."""
    state = turn.state
    if not (changes.deleted or changes.ranges or changes.writes):
        return
    if state.mode is READ:
        state.check_writable(f"{turn.address}")
    if changes.deleted:
        turn.delete()
    for begin, end in changes.ranges:
        if begin < end:
            state.drop_range((begin, min(end, b"\xff")))
    for subkey, data in changes.writes:
        if data is None:
            state.delete(subkey)
        else:
            state.put(subkey, data)
