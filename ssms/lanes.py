"""The data plane of one process: what it asks goes into the lane to the store where the object lives (`ssms.lane`).

One call over Ray costs most of a millisecond, whatever it carries, so a busy lane carries many at once and an idle one
waits for nothing. Whatever is doubtful is asked again under its request id, there or where the object has moved to.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Coroutine
from typing import Any

from automata.asking import CALL, POST, Ask
from automata.errors import Overloaded
from automata.request_ids import CLIENT, is_nested
from darq.errors import OutcomeUnknown, StoreClosed
from ssms.cancelling import cancel_anywhere
from ssms.lane import GIVE_UP_SECONDS, Asked, Lane, pause_seconds
from ssms.lines import Lines
from ssms.peers import Peers
from ssms.placement import StorePlace
from ssms.routes import Routes
from ssms.spread import Spread

ASKS_MAX = 50_000
"""How many calls of one process may be under way: beyond that, callers get Overloaded."""


class Lanes:
    """The ways of one process to all stores. client: its id, which no other process has (`automata.asking`).

    spread: which reads go to backups, if any do.
    right: of a host, waits for its lease: what its successor has asked and let forget, it must not ask again.
    """

    def __init__(
        self,
        peers: Peers,
        routes: Routes,
        client: bytes,
        loop: asyncio.AbstractEventLoop,
        right: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.right = right
        self.peers = peers
        self.routes = routes
        self.client = client
        self.loop = loop
        self.closed = False
        self.asked = 0
        self.spread: Spread | None = None
        self._tags = 0
        self._lanes: dict[bytes, Lane] = {}
        self._waiting: deque[Asked] = deque()  # for a first placement
        self._tasks: set[asyncio.Task[None]] = set()
        self._lines = Lines()

    def start(self, ask: Ask, store: bytes | None = None, held: list[Asked] | None = None) -> asyncio.Future[bytes]:
        """Ask, and give the outcome when it is there. Raises Overloaded, and StoreClosed once this is closed.

        store: whom to ask, where that does not follow from the object. held: where to put it instead, for whoever
        routes or fails it later.
        """
        if self.closed:
            raise StoreClosed("the app is closed: what was acknowledged is safe; connect again to go on")
        if self.asked >= ASKS_MAX:
            raise Overloaded(f"{self.asked} calls are under way from this process: await some, then call again")
        answer: asyncio.Future[bytes] = self.loop.create_future()
        self._tags += 1
        self.asked += 1
        asked = Asked(ask, answer, self._tags, self.loop.time(), store)
        self._lines.join(asked)
        if held is not None:
            held.append(asked)
        else:
            self.route(asked)
        return answer

    async def ask(self, ask: Ask, store: bytes | None = None) -> bytes:
        """As `start`, for hosts, whose calls may wait in one another: they have no bound."""
        answer: asyncio.Future[bytes] = self.loop.create_future()
        self._tags += 1
        self.asked += 1
        self.route(Asked(ask, answer, self._tags, self.loop.time(), store))
        return await answer

    async def cancel(self, ask: Ask) -> bool:
        """Of hosts: whether a message will never be delivered, which whoever keeps it is asked to drop."""
        await self.known()
        return await cancel_anywhere(ask, [store.identity for store in self.routes.placement.stores], self.ask)

    def forget(self, partition: bytes, request: bytes) -> None:
        """Nobody will ask again for the outcome under a request id: let its host drop it."""
        place = self.routes.store_of(partition)
        if place is not None:
            self._lane(place).forget.append(request)

    def route(self, asked: Asked) -> None:
        """Put it into the lane to where its object lives, or to the store that it is for.

        What comes behind messages goes their way: by way of the store of its slot, unless it is to ask another first.
        """
        store, behind = asked.store, asked.ask.behind
        if store is not None:
            if behind:
                asked.store = None
            if self.routes.placement.has(store):
                self.route_to(store, asked)
                return
            if not behind and self.routes.placement.stores:
                self.fail(asked, OutcomeUnknown(f"store {store.hex()} is no part of this cluster any more"))
                return
        place = (self.routes.home_of if behind else self.routes.store_of)(asked.ask.partition)
        if place is None:
            self._waiting.append(asked)
            if len(self._waiting) == 1:
                self.spawn(self._find())
            return
        if self.spread is None or not self.spread.take(asked, place):
            self._lane(place).put(asked)

    def ask_primary(self, asked: Asked) -> None:
        """Put it into the lane to whoever leads the store of its object."""
        place = self.routes.store_of(asked.ask.partition)
        assert place is not None, "there is a placement, which has backups"
        self._lane(place).put(asked)

    def route_to(self, store: bytes, asked: Asked) -> None:
        """Put it into the lane to a store."""
        self._lane(self.routes.placement.store(store)).put(asked)

    def finish(self, asked: Asked, outcome: bytes) -> None:
        """It is answered."""
        if not asked.answer.done():
            asked.answer.set_result(outcome)
        self._over(asked)
        ask, lane = asked.ask, asked.lane
        if lane is not None and ask.kind in (CALL, POST) and ask.request[:1] == CLIENT:
            lane.forget.append(ask.request)

    def fail(self, asked: Asked, error: Exception) -> None:
        """It will not be answered."""
        if not asked.answer.done():
            asked.answer.set_exception(error)
        self._over(asked)

    def held_back(self, asked: Asked, batch: Collection[int]) -> bool:
        """Whether it waits for a message before it that does not go along in the batch of these tags."""
        early = self._lines.early(asked, batch)
        if early:
            self._lines.wait(asked)
        return early

    def stale(self, asked: Asked) -> bool:
        """Whether it is not to be asked again: nobody waits any more, or it was asked for too long."""
        if asked.answer.cancelled():
            self._over(asked)
            return True
        if self.loop.time() - asked.since < GIVE_UP_SECONDS or is_nested(asked.ask.request):
            return False  # a method goes on when the cluster does, however long that takes
        self.fail(
            asked,
            OutcomeUnknown(
                f"no host answered for {GIVE_UP_SECONDS:.0f} s, so it is unknown whether the call has happened: see "
                "`ssms status`; a call under an idempotency key can be repeated under it"
            ),
        )
        return True

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine until it ends or this is closed."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def known(self) -> None:
        """Wait until there is a placement."""
        failures = 0
        while not self.routes.placement.stores:
            await self.routes.refresh()
            if not self.routes.placement.stores:
                await asyncio.sleep(pause_seconds(failures))
                failures += 1

    async def close(self) -> None:
        """Ask nothing more. What is under way goes on without anybody waiting for it."""
        self.closed = True
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        gone = StoreClosed("the app was closed before the answer came: the call may have happened")
        for lane in self._lanes.values():
            lane.close(gone)
        spread = self.spread.close() if self.spread is not None else ()
        for asked in [*self._waiting, *spread, *self._lines.close()]:
            self.fail(asked, gone)

    def _over(self, asked: Asked) -> None:
        """It is asked no more: what has waited for it may leave."""
        self.asked -= 1
        for following in self._lines.leave(asked):
            if self.closed:
                self._lines.wait(following)  # until all are told
            elif not self.stale(following):
                self.route(following)

    def _lane(self, place: StorePlace) -> Lane:
        lane = self._lanes.get(place.identity)
        if lane is None:
            lane = self._lanes[place.identity] = Lane(self, place.identity)
        return lane

    async def _find(self) -> None:
        """Find out for the first time where anything lives."""
        await self.known()
        waiting, self._waiting = self._waiting, deque()
        for asked in waiting:
            self.route(asked)
