"""The embedded engine put together: one store, one host, one router, on one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from automata.delivery import Delivery
from automata.host import Host, Options
from automata.journal import Journal
from automata.lifetimes import Lifetimes
from automata.local import LocalRouter
from automata.resuming import Resuming
from automata.types import AutomatonType
from automata.work import Outcome, Work
from darq.limits import Limits
from darq.log import Log
from darq.store import Store


@dataclass(frozen=True)
class Engine:
    """The parts of an open embedded app."""

    log: Log
    host: Host
    delivery: Delivery
    resuming: Resuming
    lifetimes: Lifetimes
    router: LocalRouter
    unlisten: Callable[[], None]


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
    resuming.start()
    delivery.start()
    lifetimes.start()
    local = LocalRouter(host)

    def defined(made: AutomatonType) -> None:
        loop.call_soon_threadsafe(_redefined, engine, made)

    engine = Engine(log, host, delivery, resuming, lifetimes, local, options.registry.listen(defined))
    return engine


async def stop(engine: Engine) -> None:
    """Finish running steps, make everything durable, and let go of the store: that also if this is cancelled."""
    engine.unlisten()
    engine.router.closed = True
    engine.host.tasks.closing = True
    engine.delivery.stop()
    engine.resuming.stop()
    engine.lifetimes.stop()
    engine.host.order.close()
    try:
        options = engine.host.options
        await engine.host.tasks.stop(options.closing_seconds_max, options.closing_effect_seconds_max)
        await engine.host.committer.settle()
        await engine.router.drain()
    finally:
        await engine.host.apart.workers.close()
        engine.host.committer.stop()
        engine.log.close()


def _redefined(engine: Engine, made: AutomatonType) -> None:
    engine.host.entities.forget(made)
    engine.delivery.type_defined(made.name)
    engine.resuming.type_defined(made.name)
