"""The clients of one host, each with what it has not been told yet. In memory alone: a new life knows none of them.

What a client is owed after a failure it asks for again, under the same request ids.
"""

from __future__ import annotations

import asyncio

from automata.asking import store_of

IDLE_SECONDS = 600.0


class Client:
    """One asking process. number: of its last batch; question: of its last one for late answers; pending: asks that
    are not answered; told: answers to collect; over: another host leads its store by now.
    """

    __slots__ = ("_collector", "number", "over", "pending", "question", "seen_at", "told")

    def __init__(self) -> None:
        self.over = False
        self.number = self.question = 0
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
    """By their ids. Those that were silent for long are forgotten: what they ask again has request ids anyway.

    Of the hosts that have led a store, the newest is kept, and makes the others' batches, which may have been delayed
    for any time, be refused.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._clients: dict[bytes, Client] = {}
        self._leaders: dict[bytes, bytes] = {}  # by store, as ids of clients

    def get(self, name: bytes) -> Client:
        """The client of this id."""
        client = self._clients.get(name)
        if client is None:
            self._forget()
            client = self._clients[name] = Client()
            self._compare(name, client)
        client.seen_at = self._loop.time()
        return client

    def _compare(self, name: bytes, client: Client) -> None:
        """If it is a host, see whether it is the newest that has led its store."""
        store = store_of(name)
        if not store:
            return
        newest = self._leaders.get(store, b"")
        client.over = name < newest
        if name > newest:
            self._leaders[store] = name
            if newest in self._clients:
                self._clients[newest].over = True

    def _forget(self) -> None:
        before = self._loop.time() - IDLE_SECONDS
        leaders = set(self._leaders.values())
        self._clients = {n: c for n, c in self._clients.items() if c.pending or c.seen_at > before or n in leaders}


def _wake(waiting: asyncio.Future[None] | None) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)
