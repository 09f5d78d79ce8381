"""Calls that wait behind messages: a sender's message and its later call reach one object in that order.

A call normally runs at once, while messages are delivered a little later; so a call to an object for which a message
is still under way waits until that was handed over. To another store a call goes the way of the messages
(`automata.outgoing`, `automata.remote_calls`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from automata.entity import Entity
from automata.moved import Moved
from automata.waiting import answer_with
from automata.work import Outcome, Refusal, Reply, Work
from darq.errors import StoreClosed
from darq.log import Log


@dataclass(frozen=True, slots=True)
class LateCall:
    """What uses an object, and waits for messages sent to it before. name: for people; make: does it then."""

    entity: Entity
    name: str
    sent_lsn: int
    make: Callable[[], Reply]
    reply: asyncio.Future[Outcome]

    @property
    def work(self) -> Work | None:
        """What it will run, if it is an invocation."""
        given = self.make.args if isinstance(self.make, partial) else ()
        return given[0] if given and isinstance(given[0], Work) else None


class Order:
    """The calls of one host that wait behind messages."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._late: deque[LateCall] = deque()
        log.inbox.watch()

    def early(self, entity: Entity, sent_lsn: int) -> bool:
        """Whether a call to this object could overtake a message of its own sender, which has sent up to `sent_lsn`.

        While nothing can be delivered, calls go first.
        """
        inbox = self._log.inbox
        if self._log.refusing:
            return False
        if entity.partition in inbox.brought:
            return True  # it has come from another store with messages, of whomever, that were not handed over yet
        if entity.partition not in inbox.waiting:
            return inbox.unread(sent_lsn)  # its method has resumed, and may have sent any of those
        return not inbox.ready or inbox.ready[0].lsn <= sent_lsn

    def wait(self, call: LateCall) -> asyncio.Future[Outcome]:
        """Make the call when the messages before it were handed over."""
        call.entity.pins += 1
        self._late.append(call)
        return call.reply

    def proceed(self) -> None:
        """Messages were handed over: make the calls that waited for them, in order."""
        for _ in range(len(self._late)):
            call = self._late.popleft()
            if self.early(call.entity, call.sent_lsn):
                self._late.append(call)
            else:
                self._make(call)

    def called_by(self, number: int) -> list[tuple[Work, asyncio.Future[Outcome]]]:
        """What waits for the method of this number, with the future of its outcome."""
        late = [(call.work, call.reply) for call in self._late if call.work is not None]
        return [(work, reply) for work, reply in late if work.caller is not None and work.caller.address[0] == number]

    def close(self) -> None:
        """The app closes: calls that still wait are not made."""
        while self._late:
            call = self._late.popleft()
            closed = StoreClosed(f"{call.entity.address} {call.name} did not run: the app was closed before")
            answer_with(call.reply, Refusal(closed))

    def __bool__(self) -> bool:
        return bool(self._late)

    def _make(self, call: LateCall) -> None:
        call.entity.pins -= 1
        if call.entity.moved is not None:
            answer_with(call.reply, Refusal(Moved(call.entity.moved)))
            return
        try:
            answer_with(call.reply, call.make())
        except Exception as error:  # noqa: BLE001 - a refusal is the call's outcome
            answer_with(call.reply, Outcome(None, error, 0))
