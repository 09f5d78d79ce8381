"""Where methods under test wait until their test lets them go on."""

from __future__ import annotations

import asyncio

from automata import object_type
from automata.app import App
from automata.journal import Journal
from automata.open_invocations import OpenInvocations
from darq import keys
from darq.memory import MemoryStore

_EVENTS: dict[str, asyncio.Event] = {}


def gate(name: str) -> asyncio.Event:
    """The gate of this name, closed until it is set."""
    return _EVENTS.setdefault(name, asyncio.Event())


def close_gates() -> None:
    """Forget all gates: each is closed, and belongs to the next event loop."""
    _EVENTS.clear()


@object_type
class Gatekeeper:
    key: str
    passed: int = 0

    async def wait(self) -> int:
        await gate(self.key).wait()
        self.passed += 1
        return self.passed


def journals(app: App) -> list[Journal]:
    """The unfinished methods of an open app."""
    assert app._engine is not None
    return app._engine.host.open_invocations.all()


def opened(app: App) -> OpenInvocations:
    """The unfinished methods of an open app, as what keeps them."""
    assert app._engine is not None
    return app._engine.host.open_invocations


def rows(store: MemoryStore) -> int:
    """How many rows of unfinished methods are on disk."""
    kinds = (keys.INVOCATION, keys.JOURNAL)
    return sum(len(store.scan(kind, keys.after(kind), keys.ALL)) for kind in kinds)
