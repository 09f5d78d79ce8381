"""Calls of types that this host does not know: another machine may, so they wait until it has asked who does.

They are made in the order in which they came, and so is what comes for the same type meanwhile.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from automata.asking import AGAIN, Ask
from automata.clients import Client
from automata.partitions import address_of
from automata.types import Registry


class Unlearned:
    """Of one host. learn: asks which types there are, and loads those that are new; False if nobody could be asked.

    take: does what was asked, again. spawn: runs a coroutine.
    """

    def __init__(
        self,
        registry: Registry,
        learn: Callable[[], Awaitable[bool]],
        take: Callable[[Client, int, Ask], object],
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._registry = registry
        self._learn = learn
        self._take = take
        self._spawn = spawn
        self._held: dict[str, list[tuple[Client, int, Ask]]] = {}
        self._looked_for = ""  # the type that nobody knows, if it is not known by now

    def waits(self, client: Client, tag: int, ask: Ask) -> bool:
        """If others of its type wait, let it wait behind them."""
        if not self._held:
            return False
        held = self._held.get(address_of(ask.partition)[0])
        if held is None:
            return False
        held.append((client, tag, ask))
        return True

    def hold(self, client: Client, tag: int, ask: Ask) -> bool:
        """It was refused because of its type: let it wait, unless that was looked for, or is known."""
        name, _ = address_of(ask.partition)
        if name == self._looked_for or self._registry.find(name) is not None:
            return False
        self._held[name] = [(client, tag, ask)]
        self._spawn(self._ask(name))
        return True

    async def _ask(self, name: str) -> None:
        asked = await self._learn()
        held = self._held.pop(name)
        self._looked_for = name
        for client, tag, ask in held:
            if asked:
                self._take(client, tag, ask)
            else:
                client.tell(tag, AGAIN)
        self._looked_for = ""
