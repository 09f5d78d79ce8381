"""Types that are there but cannot be used yet: a module that is being imported names what it defines further down."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

UNRESOLVED_PAUSE_SECONDS = 0.25


class Unresolved:
    """The names of types that are looked at again in a while. look: is called with each."""

    def __init__(self, loop: asyncio.AbstractEventLoop, look: Callable[[str], None]) -> None:
        self._loop = loop
        self._look = look
        self._names: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def look_later(self, name: str) -> None:
        """Look at a type again in a while."""
        if name not in self._names:
            self._names.add(name)
            self._loop.call_later(UNRESOLVED_PAUSE_SECONDS, self._look_again, name)

    def _look_again(self, name: str) -> None:
        self._names.discard(name)
        self._look(name)
