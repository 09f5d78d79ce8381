"""Calls of methods to objects in other stores (SSMS §3.3), each a commit point (LambdaObjects §3.1).

A call leaves when the journal of its caller is durable, under an id that names the place in that journal which waits
for it. So whoever dies meanwhile, it is asked again under the same id, and has happened once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Protocol

from automata.asking import CALL, CANCEL, READ, Ask
from automata.calls import Call
from automata.journal import Journal
from automata.methods import Packed
from automata.moved import Moved
from automata.open_invocations import OpenInvocations
from automata.outcomes import decode_outcome
from automata.outgoing import Outgoing
from automata.partitions import partition_of
from automata.placement import Placement
from automata.request_ids import is_automatic, of_user
from automata.waiting import outcome_of
from automata.work import Caller, Outcome, Refusal, Reply
from darq.committer import Committer
from darq.errors import OutcomeUnknown
from darq.inbox import UNREAD
from darq.lane import durable
from darq.log import Log
from darq.step import Message, Step


class Elsewhere(Protocol):
    """The way to the hosts of other stores."""

    async def cancel(self, ask: Ask) -> object:
        """Ask whichever store keeps a message that is due later. Gives whether it will never be delivered."""

    async def ask(self, ask: Ask, store: bytes | None = None) -> bytes:
        """Ask wherever the object lives now, or a store, as often as it takes, and give the outcome.

        What is asked behind messages is asked by way of the store of the object's slot, and of `store` only first.
        May raise AutomataError.
        """

    def forget(self, partition: bytes, request: bytes) -> None:
        """The outcome under a request id is kept here: its host need not keep it any more."""


class Caring(Protocol):
    """What remote calls ask of their host."""

    log: Log
    loop: asyncio.AbstractEventLoop
    committer: Committer
    open_invocations: OpenInvocations

    def run_beside(self, work: Coroutine[Any, Any, Outcome]) -> asyncio.Future[Outcome]:
        """Run it in a task that ends when the app closes."""


class RemoteCalls:
    """The calls of one host's methods to objects of other stores."""

    def __init__(self, host: Caring, placement: Placement, elsewhere: Elsewhere, outgoing: Outgoing) -> None:
        self._host = host
        self._placement = placement
        self._elsewhere = elsewhere
        self._outgoing = outgoing

    def store_of(self, type_name: str, key: str) -> bytes | None:
        """The other store that an object lives in; None if it lives here."""
        return self._placement.store_of(partition_of(type_name, key))

    def has_given(self) -> bool:
        """Whether timers that were set here may be in other stores."""
        return self._placement.has_given()

    def goes_out(self, call: Call, caller: Caller | None) -> bool:
        """Whether a call leaves this store: for another one, or only to come back behind messages on that way."""
        partition = partition_of(call.ref.type_name, call.ref.key)
        if self._placement.store_of(partition) is not None:
            return True
        journal = None if caller is None else self._journal(caller)
        return journal is not None and self._outgoing.precedes(journal.row.partition, partition)

    def check_here(self, type_name: str, key: str) -> None:
        """Raise Moved for an object that lives elsewhere: nobody must find an empty one here in its place."""
        store = self.store_of(type_name, key)
        if store is not None:
            raise Moved(store)

    def invoke(self, call: Call, packed: Packed, caller: Caller | None) -> asyncio.Future[Outcome]:
        """Make a call of an object that lives elsewhere."""
        return self._host.run_beside(self._invoke(call, packed, caller))

    def cancel(self, message_id: str, caller: Caller | None) -> Reply:
        """Have whichever store keeps a message drop it. The outcome is whether it will never be delivered."""
        return self._host.run_beside(self._cancel(message_id, caller))

    def watched(self, reply: Reply, ask_again: Callable[[], asyncio.Future[Outcome]]) -> Reply:
        """A reply of an object that lives here; if it moves away before it has run the call, that goes after it."""
        if isinstance(reply, Outcome):
            return reply if not _moved(reply) else ask_again()
        answered: asyncio.Future[Outcome] = self._host.loop.create_future()

        def pass_on(done: asyncio.Future[Outcome]) -> None:
            outcome = outcome_of(done)
            if answered.done():
                return
            if _moved(outcome):
                ask_again().add_done_callback(pass_on)
            else:
                answered.set_result(outcome)

        reply.add_done_callback(pass_on)
        return answered

    async def ask(self, ask: Ask, store: bytes | None = None) -> bytes:
        """Ask where the object lives, or a store, as often as it takes, and give the outcome."""
        return await self._elsewhere.ask(ask, store)

    async def let_pass(self, sender: bytes, partition: bytes) -> tuple[bool, bytes | None]:
        """Wait until what `sender` has sent to an object is behind it on its way: in the store of its slot.

        Returns whether a call has to follow it from there, and whom to ask first then, if that is known here: messages
        went by what this store knows of a slot that moves, which a placement may not know yet, or know better.
        """
        outgoing, placement = self._outgoing, self._placement
        while True:
            await outgoing.opened(partition)
            store, route = placement.store_of(partition), placement.route_of(partition)
            behind = outgoing.precedes(sender, partition)
            if route is not None:
                await outgoing.passed(sender, route)
            elif store is not None:
                await self.handed_on(partition, store)
            if outgoing.is_open(partition) and placement.route_of(partition) == route:
                break  # else the slot has moved meanwhile, and what has passed may still be on its way through that
        if route is None:
            return True, store
        return behind, route if behind else None

    def forward(self, message: Message) -> bool:
        """If a message is for an object that lives elsewhere, let a step pass it on. Whether it was."""
        store = self._placement.store_of(message.partition)
        if store is None:
            return False
        step = Step(message.partition, b"")
        step.consume(message)
        step.send_to_store(store, Message(message.partition, message.payload()))
        self._host.log.commit(step)
        self._host.committer.touch()
        return True

    async def handed_on(self, partition: bytes, store: bytes) -> None:
        """Wait until another store has taken what came here for an object that lives there, as far as it is known."""
        host = self._host
        waiting = host.log.inbox.waiting
        while partition in waiting or UNREAD in waiting:
            await durable(host.log.gate, self._save_journals())
        await self.gone(partition, store)

    async def gone(self, partition: bytes, store: bytes) -> None:
        """Wait until another store has taken an object that has left for it, and what was passed on to it since."""
        await self._outgoing.passed(partition, store)

    async def _invoke(self, call: Call, packed: Packed, caller: Caller | None) -> Outcome:
        partition = partition_of(call.ref.type_name, call.ref.key)
        if caller is None:
            ask = self._ask(call, packed, partition, self._request(call, None), behind=False)
            return decode_outcome(await self._elsewhere.ask(ask), call.method.result, 0)
        await durable(self._host.log.gate, self._save_journals())
        journal = self._journal(caller)
        if journal is None:
            return _gone()
        behind, store = await self.let_pass(journal.row.partition, partition)
        journal = self._journal(caller)
        if journal is None:
            return _gone()
        sender = journal.row.partition
        mark = self._outgoing.mark(sender, partition)
        ask = self._ask(call, packed, partition, self._request(call, caller), behind)
        outcome = decode_outcome(await self._elsewhere.ask(ask, store), call.method.result, 0)
        if not outcome.refused:
            self._outgoing.answered(sender, partition, mark)
            self._keep(caller, call, ask, outcome)
        return outcome

    async def _cancel(self, message_id: str, caller: Caller | None) -> Outcome:
        await durable(self._host.log.gate, self._save_journals())
        if caller is None or self._journal(caller) is None:
            return _gone()
        request = self._host.open_invocations.request_of(caller.address)
        return Outcome(await self._elsewhere.cancel(Ask(CANCEL, b"", message_id, b"", request)), None, 0)

    def _ask(self, call: Call, packed: Packed, partition: bytes, request: bytes, behind: bool) -> Ask:
        method = call.method
        kind = READ if method.readonly else CALL
        return Ask(kind, partition, method.name, method.encode_arguments(packed), request, behind)

    def _keep(self, caller: Caller, call: Call, ask: Ask, outcome: Outcome) -> None:
        """Let the journal of the caller keep an answer, which its host then need not."""
        journal = self._journal(caller)
        if journal is None:
            return
        caller.answer(outcome, call.method.result)
        group = self._save_journals()
        # a method that has moved may have asked from elsewhere too, which must not find the outcome forgotten
        if ask.request and is_automatic(ask.request) and journal.row.origin is None:
            self._host.log.gate.release(group, partial(self._forget, ask))

    def _forget(self, ask: Ask, error: BaseException | None) -> None:
        """The answer is durable in its caller's journal, which never asks for it again."""
        if error is None:
            self._elsewhere.forget(ask.partition, ask.request)

    def _save_journals(self) -> int:
        """Have the journals written soon. Returns the group."""
        group = self._host.log.touch()
        self._host.committer.touch()
        return group

    def _journal(self, caller: Caller) -> Journal | None:
        """Of the method that asks; None once it has gone to another store, or has ended."""
        return self._host.open_invocations.find(caller.address[0])

    def _request(self, call: Call, caller: Caller | None) -> bytes:
        if call.request is not None:
            return of_user(call.request)
        if caller is None or call.method.readonly:
            return b""
        return self._host.open_invocations.request_of(caller.address)


def _gone() -> Outcome:
    return Refusal(OutcomeUnknown("the method that asks has moved: it asks from where it is now"))


def _moved(outcome: Outcome) -> bool:
    return outcome.refused and isinstance(outcome.error, Moved)
