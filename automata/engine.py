"""The embedded engine put together: one store, one host, one router, on one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from automata.delivery import Delivery
from automata.host import Host, Options
from automata.local import LocalRouter
from automata.types import AutomatonType
from darq.limits import Limits
from darq.log import Log
from darq.store import Store


@dataclass(frozen=True)
class Engine:
    """The parts of an open embedded app."""

    log: Log
    host: Host
    delivery: Delivery
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
    host.deliver, host.stage.failed = delivery.run, delivery.failed
    delivery.start()
    local = LocalRouter(host)

    def defined(made: AutomatonType) -> None:
        loop.call_soon_threadsafe(_redefined, host, delivery, made)

    return Engine(log, host, delivery, local, options.registry.listen(defined))


async def stop(engine: Engine) -> None:
    """Finish running steps, make everything durable, and let go of the store: that also if this is cancelled."""
    engine.unlisten()
    engine.router.closed = True
    engine.delivery.stop()
    engine.host.order.close()
    try:
        await engine.host.tasks.stop(engine.host.options.closing_seconds_max)
        await engine.host.committer.settle()
        await engine.router.drain()
    finally:
        engine.host.committer.stop()
        engine.log.close()


def _redefined(host: Host, delivery: Delivery, made: AutomatonType) -> None:
    host.entities.forget(made)
    delivery.type_defined(made.name)
