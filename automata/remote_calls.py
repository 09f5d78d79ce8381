"""Calls of methods to objects in other stores (SSMS §3.3), each a commit point (LambdaObjects §3.1).

A call leaves when the journal of its caller is durable, under an id that names the place in that journal which waits
for it. So whoever dies meanwhile, it is asked again under the same id, and has happened once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Protocol

from automata.asking import CALL, READ, Ask
from automata.calls import Call
from automata.methods import Packed
from automata.moved import Moved
from automata.open_invocations import OpenInvocations
from automata.outcomes import decode_outcome
from automata.outgoing import Outgoing
from automata.partitions import partition_of
from automata.placement import Placement
from automata.request_ids import is_automatic
from automata.waiting import outcome_of
from automata.work import Caller, Outcome, Reply
from darq.committer import Committer
from darq.lane import durable
from darq.log import Log
from darq.step import Message, Step


class Elsewhere(Protocol):
    """The way to the hosts of other stores."""

    async def ask(self, ask: Ask, store: bytes | None = None) -> bytes:
        """Ask wherever the object lives now, or a store, as often as it takes, and give the outcome.

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

    def check_here(self, type_name: str, key: str) -> None:
        """Raise Moved for an object that lives elsewhere: nobody must find an empty one here in its place."""
        store = self.store_of(type_name, key)
        if store is not None:
            raise Moved(store)

    def invoke(self, call: Call, packed: Packed, caller: Caller | None) -> asyncio.Future[Outcome]:
        """Make a call of an object that lives elsewhere."""
        return self._host.run_beside(self._invoke(call, packed, caller))

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

    async def let_pass(self, sender: bytes, partition: bytes) -> None:
        """Wait until the store of an object has taken all that `sender` has sent there."""
        store, route = self._placement.store_of(partition), self._placement.route_of(partition)
        if store is not None and route is None:
            await self.handed_on(partition, store)
        elif route is not None:
            await self._outgoing.passed(sender, route)

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
        while partition in host.log.inbox.waiting:
            await durable(host.log.gate, self._save_journals())
        await self._outgoing.drained(store)

    async def _invoke(self, call: Call, packed: Packed, caller: Caller | None) -> Outcome:
        host, method = self._host, call.method
        partition = partition_of(call.ref.type_name, call.ref.key)
        kind = READ if method.readonly else CALL
        if caller is not None:
            await durable(host.log.gate, self._save_journals())
            await self._let_pass(caller, partition)
        ask = Ask(
            kind,
            partition,
            method.name,
            method.encode_arguments(packed),
            self._request(call, caller),
            behind=caller is not None,  # whatever it has sent there is in the inbox by now
        )
        outcome = decode_outcome(await self._elsewhere.ask(ask), method.result, 0)
        if caller is not None and not outcome.refused:
            caller.answer(outcome, method.result)
            group = self._save_journals()
            if ask.request and is_automatic(ask.request):
                host.log.gate.release(group, partial(self._forget, ask))
        return outcome

    def _forget(self, ask: Ask, error: BaseException | None) -> None:
        """The answer is durable in its caller's journal, which never asks for it again."""
        if error is None:
            self._elsewhere.forget(ask.partition, ask.request)

    def _save_journals(self) -> int:
        """Have the journals written soon. Returns the group."""
        group = self._host.log.touch()
        self._host.committer.touch()
        return group

    async def _let_pass(self, caller: Caller, partition: bytes) -> None:
        """Wait until the other store has taken all that the caller has sent to it, which the call must not overtake."""
        journal = self._host.open_invocations.find(caller.address[0])
        if journal is not None:
            await self.let_pass(journal.row.partition, partition)

    def _request(self, call: Call, caller: Caller | None) -> bytes:
        if call.request is not None:
            return call.request.encode()
        if caller is None or call.method.readonly:
            return b""
        return self._host.open_invocations.request_of(caller.address)


def _moved(outcome: Outcome) -> bool:
    return outcome.refused and isinstance(outcome.error, Moved)
