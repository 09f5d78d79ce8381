"""The engine put together: one store, one host, one router, on one event loop.

Where there are several engines, each has doors to the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from automata.branch import Surroundings
from automata.decisions import Decisions
from automata.delivery import Delivery
from automata.host import Host
from automata.journal import Journal
from automata.leaders import Leaders
from automata.lifetimes import Lifetimes
from automata.local import LocalRouter
from automata.locks import Locks
from automata.moving import Moving
from automata.moving_slots import MovingSlots
from automata.options import Options
from automata.outgoing import Outgoing
from automata.participant import Participant
from automata.placement import Placement
from automata.prepared import Prepared
from automata.reception import Leases, Reception
from automata.remote_calls import Elsewhere, RemoteCalls
from automata.residence import Residence
from automata.resuming import Resuming
from automata.routes import Routes
from automata.spanning import Spanning
from automata.types import AutomatonType
from automata.uploads_room import UploadsRoom
from automata.work import Outcome, Work
from darq.lane import Receiver, Sender, Transport
from darq.limits import Limits
from darq.log import Log
from darq.store import Store


@dataclass(frozen=True)
class Neighbours:
    """What makes a host one of several.

    placement: where objects live; elsewhere: the way of calls to other hosts; transport: that of messages; epoch: under
    which this host leads its store; leases: its right to answer without a step, None where nobody could take over.
    """

    placement: Placement
    elsewhere: Elsewhere
    transport: Transport
    epoch: int
    leases: Leases | None = None


@dataclass(frozen=True)
class Doors:
    """Where other hosts and clients of other processes come in, messages go out, and objects come and go."""

    reception: Reception
    receiver: Receiver
    sender: Sender
    moving: Moving | None = None
    slots: MovingSlots | None = None


@dataclass(frozen=True)
class Engine:
    """The parts of an open app."""

    log: Log
    host: Host
    delivery: Delivery
    resuming: Resuming
    lifetimes: Lifetimes
    router: LocalRouter
    uploads: UploadsRoom
    unlisten: Callable[[], None]
    doors: Doors | None = None


def start(store: Store, loop: asyncio.AbstractEventLoop, limits: Limits, options: Options) -> Engine:
    """Open the engine over a store, which is closed again if that fails. Runs on `loop`.

    Raises DeclarationError for types that cannot be resolved or clash, and what opening the log raises.
    """
    try:
        options.registry.check()
        log = Log(store, limits, options.clock)
    except BaseException:
        store.close()
        raise
    return run(log, loop, options)


def run(log: Log, loop: asyncio.AbstractEventLoop, options: Options, neighbours: Neighbours | None = None) -> Engine:
    """Run the objects of an open log. neighbours: the other hosts, if this is one of several."""
    host = Host(log, loop, options)
    delivery = Delivery(host)
    resuming = Resuming(host, delivery.strict)

    def failed(work: Work, journal: Journal | None, outcome: Outcome) -> None:
        if journal is None:
            delivery.failed(work, outcome)
        else:
            resuming.part_failed(journal, outcome)

    lifetimes = Lifetimes(host)
    host.deliver, host.stage.failed, host.stage.lifetimes = delivery.run, failed, lifetimes
    host.stage.suspended = delivery.suspended
    doors = None if neighbours is None else _open_doors(host, delivery, resuming, neighbours)
    uploads = UploadsRoom(host)  # before anything runs: messages may wait for their types
    resuming.start()
    delivery.start()
    lifetimes.start()
    local = LocalRouter(host)

    def defined(made: AutomatonType) -> None:
        loop.call_soon_threadsafe(_redefined, engine, made)

    unlisten = options.registry.listen(defined)
    engine = Engine(log, host, delivery, resuming, lifetimes, local, uploads, unlisten, doors)
    return engine


def _open_doors(host: Host, delivery: Delivery, resuming: Resuming, neighbours: Neighbours) -> Doors:
    """Let messages and calls go to other hosts, and theirs come in."""
    doors = _open(host, delivery, resuming, neighbours)
    delivery.relay = doors.reception.participant.relay(delivery.relay)
    return doors


def _open(host: Host, delivery: Delivery, resuming: Resuming, neighbours: Neighbours) -> Doors:
    log, placement = host.log, neighbours.placement
    outgoing = Outgoing(log, placement)
    host.stage.outgoing = outgoing
    abroad = host.abroad = RemoteCalls(host, placement, neighbours.elsewhere, outgoing)
    participant = _span(host, abroad, neighbours.epoch)
    sender = Sender(log, neighbours.transport, host.committer.touch)
    sender.start()
    leaders = Leaders(log, host.committer.touch)
    reception = Reception(host, placement, leaders, neighbours.epoch, neighbours.leases)
    reception.participant = participant
    delivery.relay = host.abroad.forward
    receiver = Receiver(log, host.committer.touch)
    if not isinstance(placement, Residence):
        return Doors(reception, receiver, sender)
    reception.comings = moving = Moving(host, delivery, resuming, placement, leaders)
    outgoing.routes = routes = Routes(log, moving)
    routes.start()
    return Doors(reception, receiver, sender, moving, MovingSlots(host, moving, routes))


def _span(host: Host, abroad: RemoteCalls, epoch: int) -> Participant:
    """Let transactions take in objects of other stores, and those of other stores ours."""
    prepared, decisions = Prepared(host), Decisions(host.log, epoch)
    prepared.load()
    around = Surroundings(host, Locks(host.loop), abroad)
    participant = Participant(host, around, decisions, prepared)
    host.transactions.spanning = Spanning(host, around, decisions, participant).run
    return participant


async def stop(engine: Engine, patience: tuple[float, float] | None = None) -> None:
    """Finish running steps, make everything durable, and let go of the store: that also if this is cancelled.

    patience: how many seconds to wait for methods, and for effects that have begun, if not as long as the options say.
    """
    engine.unlisten()
    engine.router.closed = True
    engine.host.tasks.closing = True
    engine.delivery.stop()
    engine.resuming.stop()
    engine.lifetimes.stop()
    engine.host.order.close()
    if engine.doors is not None and engine.doors.moving is not None:
        engine.doors.moving.stop()
    try:
        if engine.doors is not None:
            await engine.doors.sender.stop()
        options = engine.host.options
        seconds, effect_seconds = patience or (options.closing_seconds_max, options.closing_effect_seconds_max)
        await engine.host.tasks.stop(seconds, effect_seconds)
        if engine.log.copies is not None and engine.log.gate.failure is None:
            engine.log.mark_closed()  # closing itself writes nothing that the copies would lack
        await engine.host.committer.settle()
        await engine.router.drain()
    finally:
        await engine.host.apart.workers.close()
        engine.uploads.close()
        engine.host.committer.stop()
        engine.log.close()


def _redefined(engine: Engine, made: AutomatonType) -> None:
    engine.host.entities.forget(made)
    engine.uploads.defined(made)
    engine.delivery.type_defined(made.name)
    engine.resuming.type_defined(made.name)
