"""Where a coordinator's workflows live: an embedded engine over a store of its own, with types of its own.

Its types are no types of an application: they are in no registry but this engine's, and so meet none of the user's.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from typing import TypeVar, cast

from automata import engine as engines
from automata import looking
from automata.context import RunningMethod
from automata.declare import definition
from automata.engine import Engine
from automata.local import LocalRouter
from automata.options import Options
from automata.refs import bound_ref
from automata.retry import Retry
from automata.turn import Turn
from automata.types import AutomatonType, Registry
from darq.limits import Limits
from darq.store import Store

T = TypeVar("T")

_EFFECT_SECONDS_MAX = 1.0  # what a closing coordinator waits for: its steps can be done again
_RETRY = Retry(tries=1_000_000_000, first_seconds=0.05, seconds_max=5.0)  # a workflow is never given up


def workflow(base: type, **given: object) -> AutomatonType:
    """A durable type made of a plain class. given: what its methods find on it that is no field."""
    body = {**given, "__module__": base.__module__, "__qualname__": base.__qualname__, "__doc__": base.__doc__}
    return definition(type(base.__name__, (base,), body), base.__name__, None, {"retry": _RETRY})


class Workshop:
    """The engine of the workflows of one coordinator. clock, random: see `automata.options.Options`."""

    def __init__(
        self,
        open_store: Callable[[], Store],
        types: Iterable[AutomatonType],
        clock: Callable[[], float],
        chance: random.Random,
        limits: Limits,
    ) -> None:
        registry = Registry()
        for made in types:
            registry.add(made)
        self._open_store = open_store
        self._limits = limits
        self._options = Options(
            clock=clock, random=chance, registry=registry, closing_effect_seconds_max=_EFFECT_SECONDS_MAX
        )
        self._engine: Engine | None = None

    @property
    def engine(self) -> Engine:
        """The open engine."""
        assert self._engine is not None, "the workshop is open"
        return self._engine

    @property
    def router(self) -> LocalRouter:
        """Where calls through its refs go."""
        return self.engine.router

    def runs(self, method: RunningMethod) -> bool:
        """Whether a method that runs now runs here."""
        return isinstance(method, Turn) and method.host is self.engine.host

    def ref(self, made: AutomatonType, base: type[T], key: str) -> T:
        """The ref of one workflow object. base: the class that the type was made of."""
        return cast("T", bound_ref(self, made.cls, key))

    async def open(self) -> None:
        """Open the store: every unfinished workflow goes on. What died too often is tried again, as the last resort."""
        self._engine = engines.start(self._open_store(), asyncio.get_running_loop(), self._limits, self._options)
        parked = [letter.id async for letter in looking.interrupted(self._engine)]
        parked += [letter.id async for letter in looking.dead_letters(self._engine)]
        for letter in parked:
            await looking.retry(self._engine, letter)

    async def close(self) -> None:
        """Cut off what runs, which goes on when it is opened again, and let go of the store."""
        if self._engine is not None:
            engine, self._engine = self._engine, None
            await engines.stop(engine)
