"""Where calls of other processes enter a host: batch after batch of each client, answered as outcomes become durable.

    client's lane -> submit(batch)   -> host -> gate -> told
                     collect(client) -> told, of what has taken longer than its batch

Nothing runs twice: what changes something has a request id, which is recorded with its outcome (`automata.keyed`), and
a batch that is not newer than the last one of its client, or of a host that was superseded, is not looked at.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, Protocol

from automata import asking
from automata.asking import (
    ABORT,
    AGAIN,
    CALL,
    CANCEL,
    DELETE,
    EXISTS,
    LOOK,
    MOVED,
    PART,
    POST,
    PREPARE,
    READ,
    Ask,
    Told,
)
from automata.clients import Client, Clients
from automata.envelope import Envelope
from automata.errors import StateError, UnknownType
from automata.host import Host
from automata.journal import ANYTHING
from automata.keyed import request_of
from automata.leaders import Leaders
from automata.methods import Kind
from automata.moved import Moved
from automata.outcomes import encode_outcome
from automata.participant import Participant
from automata.partitions import address_of, partition_of
from automata.placement import Placement
from automata.posting import Due, Posting
from automata.reference import ObjectRef, make_ref
from automata.request_ids import NO_FINGERPRINT, is_nested
from automata.unlearned import Unlearned
from automata.waiting import outcome_of
from automata.work import Outcome, Refusal, Reply, Request, Work
from darq.errors import AutomataError, StoreClosed
from darq.lane import durable

_LEASED = frozenset(
    {READ, LOOK, PART, PREPARE, ABORT}
)  # what is answered without a step, so that another may have led by then
_COLLECT_SECONDS = 10.0  # how long a client's question for late outcomes may stay open


class Leases(Protocol):
    """The right to answer without a step."""

    def leased(self) -> bool:
        """Whether nobody else can have taken over by now."""

    async def lease(self) -> None:
        """Wait until that is so again. Raises Fenced if somebody has."""


class Comings(Protocol):
    """The objects that come and go, where they do (`automata.moving`)."""

    async def settled(self, partition: bytes) -> bool:
        """Wait, for a while, if an object is expected here. Whether it is so no more."""


class Held:
    """Answers to one client that wait for one group, most of them to one batch: they are told at once."""

    __slots__ = ("client", "group", "told")

    def __init__(self, client: Client, group: int) -> None:
        self.client = client
        self.group = group
        self.told: list[tuple[int, bytes]] = []


class Reception:
    """The door of one host. leaders: the hosts that have asked here; epoch: under which this one leads its store;
    leases: None where nobody could take over.

    show: gives what is asked about an object from outside of any method; participant: what takes part in transactions.
    comings: None where no object moves. unlearned: None where all types are known.
    """

    comings: Comings | None = None
    unlearned: Unlearned | None = None

    def __init__(self, host: Host, placement: Placement, leaders: Leaders, epoch: int, leases: Leases | None) -> None:
        self._host = host
        self._types = host.options.registry.newest
        self._placement = placement
        self._leaders = leaders
        self._epoch = epoch
        self._leases = leases
        self._posting = Posting(host)
        self._clients = Clients(host.loop)
        self.show: Callable[[str, ObjectRef], Coroutine[Any, Any, object]] = _nothing
        self.participant: Participant
        self._held: Held | None = None
        self._late: set[asyncio.Task[None]] = set()

    def learn(self, learn: Callable[[], Awaitable[bool]]) -> None:
        """Before a call of an unknown type is refused, `learn` is asked for types: see `automata.unlearned`."""
        self.unlearned = Unlearned(self._host.options.registry, learn, self._take, self._later)

    async def submit(self, data: bytes) -> bytes:
        """Take a batch, and answer with what of it, or of earlier ones, is done when its first outcomes are durable."""
        batch = asking.decode_batch(data)
        client = self._clients.get(batch.client)
        over = self._leaders.superseded(batch.client)
        if batch.epoch != self._epoch or batch.number <= client.number or over:
            return asking.encode(Told(self._epoch if batch.epoch != self._epoch else -1, client.pending, ()))
        client.number = batch.number
        for request in batch.forget:
            self._host.log.answers.forget(request)
        client.pending += len(batch.asks)
        gate = self._host.log.gate
        group = gate.durable
        for tag, ask in batch.asks:
            group = max(group, self._take(client, tag, ask))
        if group > gate.durable:
            await self._settled(group)
        newest = client.number == batch.number  # or this one was given up, and what it took would be lost
        return asking.encode(Told(self._epoch, client.pending, client.take() if newest else ()))

    async def collect(self, client_id: bytes, epoch: int, number: int) -> bytes:
        """Wait for outcomes of what a client has asked before, for a while. number: grows with each such question.

        One that comes twice gives nothing the second time: what it took would be lost.
        """
        client = self._clients.get(client_id)
        if epoch != self._epoch:
            return asking.encode(Told(self._epoch, 0, ()))
        if number <= client.question:
            return asking.encode(Told(self._epoch, client.pending, ()))
        client.question = number
        await client.ready(_COLLECT_SECONDS)
        newest = client.question == number
        return asking.encode(Told(self._epoch, client.pending, client.take() if newest else ()))

    def _take(self, client: Client, tag: int, ask: Ask) -> int:
        """Do what was asked. Returns the group that its outcome waits for, 0 if it is not known yet."""
        kind: Kind = ANYTHING
        unlearned = self.unlearned
        if unlearned is not None and unlearned.waits(client, tag, ask):
            return 0
        try:
            if ask.kind == CANCEL:
                cancelled = self._cancel(ask)
                if cancelled.value is None and self._placement.expects():
                    client.tell(tag, AGAIN)
                    return 0
                reply: Reply = cancelled
            elif ask.kind >= PREPARE:
                reply = self.participant.answer(ask)
            elif (store := self._placement.store_of(ask.partition)) is not None:
                raise Moved(store)
            elif ask.kind == POST:
                reply = self._post(ask)
            elif ask.kind == PART:
                reply = self._take_part(ask)
            elif ask.kind in (CALL, READ):
                reply, kind = self._start(ask)
            else:
                reply = self._look(ask)
        except Exception as error:  # noqa: BLE001 - whatever refuses it, its caller has to know
            if isinstance(error, UnknownType) and unlearned is not None and unlearned.hold(client, tag, ask):
                return 0
            reply = Refusal(error)
        if isinstance(reply, Outcome):
            self._release(client, tag, kind, reply, ask)
            return reply.group
        reply.add_done_callback(lambda done: self._release(client, tag, kind, outcome_of(done), ask))
        return 0

    async def _settled(self, group: int) -> None:
        """Wait until a group is durable, or never will be."""
        waiting: asyncio.Future[None] = self._host.loop.create_future()
        self._host.log.gate.release(group, lambda error: _wake(waiting))
        await waiting

    def _start(self, ask: Ask) -> tuple[Reply, Kind]:
        host = self._host
        type_name, key = address_of(ask.partition)
        made = self._types.get(type_name) or host.options.registry.get(type_name)
        method = made.method(ask.method)
        entity = host.entities.get(made, key)
        if entity.queue and not is_nested(ask.request):  # methods that wait in one another must not be refused
            host.check_load(entity)
        packed = method.decode_arguments(ask.arguments)
        request = request_of(method, ask.request, ask.arguments) if ask.request else None
        work = Work(entity, method, packed, None, request)
        return host.invoke(work, host.log.next_lsn - 1 if ask.behind else 0), method.result

    def _take_part(self, ask: Ask) -> Reply:
        host = self._host
        type_name, key = address_of(ask.partition)
        method = host.options.registry.get(type_name).method(ask.method)
        return self.participant.call(ask, method, method.decode_arguments(ask.arguments), host.entity(type_name, key))

    def _post(self, ask: Ask) -> Outcome:
        host = self._host
        type_name, key = address_of(ask.partition)
        method = host.options.registry.get(type_name).method(ask.method)
        envelope = Envelope((type_name, key), method, method.decode_arguments(ask.arguments))
        due = Due(ask.due_ms, ask.rule) if ask.due_ms or ask.rule else None
        stored = self._posting.store(envelope, len(ask.arguments), ask.request or None, due)
        return Outcome(stored.id, None, stored.group)

    def _cancel(self, ask: Ask) -> Outcome:
        never_delivered, group = self._posting.cancel(ask.method, ask.request or None)
        return Outcome(never_delivered, None, group)

    def _look(self, ask: Ask) -> Reply:
        """What comes from outside of any method: the object is deleted, or looked at."""
        host = self._host
        type_name, key = address_of(ask.partition)
        if ask.kind == DELETE:
            return host.erase(host.entity(type_name, key), Request(ask.request, NO_FINGERPRINT))
        if ask.method != EXISTS:  # which can be told without the type
            host.options.registry.get(type_name)
        return host.run_beside(self._shown(ask.method, make_ref(type_name, key)))

    async def _shown(self, what: str, ref: ObjectRef) -> Outcome:
        while (over := self._host.prepared.get(partition_of(ref.type_name, ref.key))) is not None:
            await asyncio.wait([over])
        return Outcome(await self.show(what, ref), None, 0)

    def _release(self, client: Client, tag: int, kind: Kind, outcome: Outcome, ask: Ask) -> None:
        """Tell the outcome once nothing that it depends on can be lost, nor was overtaken by another host's work."""
        if outcome.refused and isinstance(outcome.error, Moved):
            self._later(self._tell_moved(client, tag, outcome.error.store, ask))
        elif ask.kind in _LEASED and self._leases is not None and not self._leases.leased():
            self._later(self._tell_leased(client, tag, kind, outcome))
        elif outcome.group <= self._host.log.gate.durable:
            client.tell(tag, self._encode(kind, outcome))
        elif outcome.recorded is not None:
            self._hold(client, outcome.group, (tag, outcome.recorded))
        else:
            self._host.log.gate.release(outcome.group, partial(self._released, client, tag, kind, outcome))

    def _hold(self, client: Client, group: int, answer: tuple[int, bytes]) -> None:
        """Tell what is recorded, once that is durable."""
        held = self._held
        if held is not None and held.group == group and held.client is client:
            held.told.append(answer)
            return
        self._held = held = Held(client, group)
        held.told.append(answer)
        self._host.log.gate.release(group, partial(self._let_go, held))

    def _let_go(self, held: Held, error: BaseException | None) -> None:
        if self._held is held:
            self._held = None  # else what comes after a failure would wait for ever
        held.client.tell_all(held.told if error is None else [(tag, AGAIN) for tag, _ in held.told])

    def _released(self, client: Client, tag: int, kind: Kind, outcome: Outcome, error: BaseException | None) -> None:
        client.tell(tag, self._encode(kind, outcome) if error is None else AGAIN)

    async def _tell_leased(self, client: Client, tag: int, kind: Kind, outcome: Outcome) -> None:
        assert self._leases is not None, "it is waited for"
        try:
            await self._leases.lease()
            await durable(self._host.log.gate, outcome.group)
        except AutomataError:
            client.tell(tag, AGAIN)  # another host leads the store now
            return
        client.tell(tag, self._encode(kind, outcome))

    async def _tell_moved(self, client: Client, tag: int, store: bytes, ask: Ask) -> None:
        """Say where the object is, once it has gone there, with what was sent to it before. One that comes is waited
        for, since whoever asked would only be sent to and fro.

        What comes behind messages is never taken then, but asked again: else it could overtake one that was refused
        with it. Nor does it leave for where an object still is that was called back: messages wait for that here.
        """
        abroad, partition = self._host.abroad, ask.partition
        try:
            if self.comings is not None:
                settled = await self.comings.settled(partition)
                here = self._placement.store_of(partition)
                if here is None and not ask.behind:
                    self._take(client, tag, ask)
                    return
                if ask.behind and not settled:
                    client.tell(tag, AGAIN)
                    return
                store = self._host.log.store.identity() if here is None else here
            if abroad is not None and store and store != self._host.log.store.identity():
                await (abroad.handed_on(partition, store) if ask.behind else abroad.gone(partition, store))
        except AutomataError:
            client.tell(tag, AGAIN)
            return
        client.tell(tag, MOVED + store)

    def _encode(self, kind: Kind, outcome: Outcome) -> bytes:
        error = outcome.error
        if error is not None and (error is self._host.log.gate.failure or (outcome.refused and _closing(error))):
            return AGAIN
        if outcome.recorded is not None:
            return outcome.recorded
        return encode_outcome(outcome, kind, self._host.log.limits.message_bytes_max, "a call")

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._host.loop.create_task(work)
        self._late.add(task)
        task.add_done_callback(self._late.discard)


def _closing(error: BaseException) -> bool:
    return isinstance(error, StoreClosed)


def _wake(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)


async def _nothing(what: str, ref: ObjectRef) -> object:
    raise StateError(f"nothing shows {what} of {ref!r} here")
