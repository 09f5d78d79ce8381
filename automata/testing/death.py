"""The death of an engine's process, simulated: nothing more is written, and nobody is answered."""

from __future__ import annotations

from automata.engine import Engine
from darq.errors import OutcomeUnknown


async def die(engine: Engine) -> None:
    """Stop an engine as a killed process stops. Its store is closed: what a crash loses of it, its owner decides.

    Callers that wait get OutcomeUnknown or StoreClosed, where those of a real process would see a broken connection.
    """
    engine.unlisten()
    engine.router.closed = True
    engine.host.tasks.closing = True
    engine.delivery.stop()
    engine.resuming.stop()
    engine.log.store.close()
    if engine.log.gate.failure is None:
        engine.log.gate.fail(OutcomeUnknown("the process has died"))
    if engine.doors is not None:
        if engine.doors.moving is not None:
            engine.doors.moving.stop()
        await engine.doors.sender.stop()
    engine.host.order.close()
    await engine.host.tasks.abandon()
    engine.host.committer.stop()
