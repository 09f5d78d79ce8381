"""The clients of one host, each with what it has not been told yet. In memory alone: a new life knows none of them.

What a client is owed after a failure it asks for again, under the same request ids.
"""

from __future__ import annotations

import asyncio

IDLE_SECONDS = 600.0
NUMBERS_MAX = 65_536
"""Of how many silent clients the last batch's number is kept: so many new ones come before a delayed one counts."""


class Client:
    """One asking process. number: of its last batch; question: of its last one for late answers; pending: asks that
    are not answered; told: answers to collect.
    """

    __slots__ = ("_collector", "number", "pending", "question", "seen_at", "told")

    def __init__(self, number: int, question: int) -> None:
        self.number = number
        self.question = question
        self.pending = 0
        self.seen_at = 0.0
        self.told: list[tuple[int, bytes]] = []
        self._collector: asyncio.Future[None] | None = None

    def tell(self, tag: int, outcome: bytes) -> None:
        """An answer is ready."""
        self.pending -= 1
        self.told.append((tag, outcome))
        _wake(self._collector)

    def tell_all(self, told: list[tuple[int, bytes]]) -> None:
        """Several are."""
        self.pending -= len(told)
        self.told += told
        _wake(self._collector)

    def take(self) -> list[tuple[int, bytes]]:
        """The answers that are ready."""
        told, self.told = self.told, []
        return told

    async def ready(self, seconds: float) -> None:
        """Wait until there is an answer, for at most so long. A later question takes the place of an earlier one."""
        loop = asyncio.get_running_loop()
        if self.told or not self.pending:
            return
        _wake(self._collector)
        waiting = self._collector = loop.create_future()
        timer = loop.call_later(seconds, _wake, waiting)
        try:
            await waiting
        finally:
            timer.cancel()


class Clients:
    """By their ids. Of those that were silent for long only numbers are kept: what they ask again has request ids, but
    a delayed batch of theirs must not be taken for a new one.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._clients: dict[bytes, Client] = {}
        self._silent: dict[bytes, tuple[int, int]] = {}

    def get(self, name: bytes) -> Client:
        """The client of this id."""
        client = self._clients.get(name)
        if client is None:
            self._forget()
            client = self._clients[name] = Client(*self._silent.pop(name, (0, 0)))
        client.seen_at = self._loop.time()
        return client

    def _forget(self) -> None:
        before = self._loop.time() - IDLE_SECONDS
        for name, client in list(self._clients.items()):
            if not client.pending and client.seen_at <= before:
                del self._clients[name]
                self._silent[name] = client.number, client.question
        while len(self._silent) > NUMBERS_MAX:
            del self._silent[next(iter(self._silent))]


def _wake(waiting: asyncio.Future[None] | None) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)
