"""One lane: the calls of one process to one store, a batch at a time.

    queue -> batch --submit--> host's reception -> told -> caller
             late answers <--collect--

While a batch is under way further calls gather, and leave together in the next one. What is doubtful is asked again,
in the order in which it was asked first; what has moved goes to another lane.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from typing import Any, Protocol

from automata import asking
from automata.asking import AGAIN, MOVED, Ask, Batch
from darq.errors import AutomataError
from ssms.patience import answered
from ssms.peers import Peers, Unreachable
from ssms.placement import StorePlace
from ssms.routes import Routes

BATCH_ASKS_MAX = 1024
BATCH_BYTES_MAX = 1 << 20
BACKOFF_SECONDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4)
GIVE_UP_SECONDS = 600.0
"""How long a call is asked again. Hosts keep outcomes for longer."""
LOST_SECONDS = 10.0
"""An answer that has not come by then is taken for lost."""
_LATE_SECONDS = 20.0  # and one to `collect`, which waits for something to tell
_HOPS_MAX = 3  # refusals in a row after which the coordinator is asked


class Asked:
    """One ask, until it is answered. store: whom to ask, where that does not follow from the object; for one that
    comes behind messages, whom to ask next. lane: by which it was sent last; before, over: see `ssms.lines`.
    """

    __slots__ = ("answer", "ask", "before", "hops", "lane", "over", "since", "store", "tag")

    def __init__(
        self, ask: Ask, answer: asyncio.Future[bytes], tag: int, since: float, store: bytes | None = None
    ) -> None:
        self.ask = ask
        self.store = store
        self.answer = answer
        self.tag = tag
        self.since = since
        self.hops = 0
        self.lane: Lane | None = None
        self.before: Asked | None = None
        self.over = False


class Hub(Protocol):
    """What a lane asks of the process that it belongs to."""

    peers: Peers
    routes: Routes
    client: bytes
    loop: asyncio.AbstractEventLoop
    right: Callable[[], Awaitable[None]] | None

    def route(self, asked: Asked) -> None:
        """Put it into the lane to where its object lives."""

    def route_to(self, store: bytes, asked: Asked) -> None:
        """Put it into the lane to a store."""

    def finish(self, asked: Asked, outcome: bytes) -> None:
        """It is answered."""

    def fail(self, asked: Asked, error: Exception) -> None:
        """It will not be answered."""

    def stale(self, asked: Asked) -> bool:
        """Whether it is not to be asked again: nobody waits any more, or it was asked for too long."""

    def held_back(self, asked: Asked, batch: Collection[int]) -> bool:
        """Whether it waits for a message before it that does not go along in the batch of these tags."""

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine until it ends or the process asks nothing more."""


def pause_seconds(failures: int) -> float:
    """How long to wait after so many failures in a row."""
    return BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS) - 1)]


class Lane:
    """The way to one store. One batch is under way at a time; forget: what its host need not keep any more."""

    def __init__(self, lanes: Hub, store: bytes) -> None:
        self.forget: list[bytes] = []
        self._lanes = lanes
        self._store = store
        self._queue: deque[Asked] = deque()
        self._pending: dict[int, Asked] = {}
        self._sending = False
        self._epoch = self._collecting = 0  # of whoever is asked, and of whoever is asked for late answers
        self._number = self._questions = 0
        self._failures = 0

    def put(self, asked: Asked) -> None:
        """Take one ask into the next batch."""
        self._queue.append(asked)
        if not self._sending:
            self._wake()

    def close(self, error: Exception) -> None:
        """Answer nobody any more."""
        for asked in [*self._pending.values(), *self._queue]:
            self._lanes.fail(asked, error)
        self._pending.clear()
        self._queue.clear()

    async def _send(self) -> None:
        """Send batch after batch while anything waits."""
        try:
            while self._queue:
                place = await self._place()
                if place is None:
                    self._reroute()
                    return
                if self._lanes.right is not None:
                    await self._lanes.right()
                if not await self._submit(place):
                    await self._pause()
                elif self._queue:
                    await asyncio.sleep(0)  # those who have just been answered ask on: their asks go with the rest
        except Exception:
            self._lanes.spawn(self._ask_later(self._take_back()))  # whatever it was, nobody waits for ever
            raise
        finally:
            self._sending = False

    async def _place(self) -> StorePlace | None:
        """Where the store is led now, once somebody leads it; None if it is gone."""
        routes = self._lanes.routes
        while True:
            if not routes.placement.has(self._store):
                return None
            place = routes.placement.store(self._store)
            if place.primary:
                return place
            self._drop_stale()
            await self._pause()

    async def _pause(self) -> None:
        """Wait a little longer each time, then look whether anything is known by now."""
        await asyncio.sleep(pause_seconds(self._failures))
        self._failures += 1
        await self._lanes.routes.refresh()

    async def _submit(self, place: StorePlace) -> bool:
        """Send one batch. Whether its host has taken it."""
        lanes = self._lanes
        if place.epoch != self._epoch:
            self._again()  # what the host before has not answered
            self._epoch = place.epoch
        asks = self._take()
        forget, self.forget = self.forget, []
        self._number += 1
        batch = Batch(lanes.client, place.epoch, self._number, forget, [(a.tag, a.ask) for a in asks])
        try:
            answer = lanes.peers.copy(place.primary).call("submit", asking.encode(batch))
            data = await answered(lanes.routes, self._store, place.epoch, answer, LOST_SECONDS)
        except (Unreachable, AutomataError):
            self.forget = [*forget, *self.forget]
            self._again()
            return False
        told = asking.decode_told(data)
        if told.epoch != place.epoch:
            self.forget = [*forget, *self.forget]
            self._again()
            return False
        self._failures = 0
        self._hear(told.told)
        if self._pending and self._collecting != place.epoch:
            if told.pending:
                self._collecting = place.epoch
                lanes.spawn(self._collect(place))
            else:
                self._again()  # the host has told the rest to a question that was given up
        return True

    async def _collect(self, place: StorePlace) -> None:
        """Ask for late answers until there are none to come."""
        lanes = self._lanes
        peer = lanes.peers.copy(place.primary)
        try:
            while self._pending and self._epoch == place.epoch:
                self._questions += 1
                answer = peer.call("collect", lanes.client, place.epoch, self._questions)
                data = await answered(lanes.routes, self._store, place.epoch, answer, _LATE_SECONDS)
                told = asking.decode_told(data)
                self._hear(told.told)
                if told.epoch != place.epoch or (not told.pending and not told.told and not self._sending):
                    break
            else:
                return
        except (Unreachable, AutomataError):
            pass
        finally:
            if self._collecting == place.epoch:  # else who collects from the next leader has begun
                self._collecting = 0
        if self._epoch == place.epoch:
            self._again()  # the host knows nothing of what is pending: it has begun anew

    def _take(self) -> list[Asked]:
        """What goes into the next batch."""
        asks: dict[int, Asked] = {}
        queue, pending, lanes = self._queue, self._pending, self._lanes
        size, long_ago = 0, lanes.loop.time() - GIVE_UP_SECONDS
        while queue and len(asks) < BATCH_ASKS_MAX:
            asked = queue[0]
            size += len(asked.ask.arguments)
            if asks and size > BATCH_BYTES_MAX:
                break
            queue.popleft()
            if (asked.answer.cancelled() or asked.since <= long_ago) and lanes.stale(asked):
                continue
            if asked.before is not None and lanes.held_back(asked, asks):
                continue
            asked.lane = self
            asks[asked.tag] = pending[asked.tag] = asked
        return list(asks.values())

    def _take_back(self) -> list[Asked]:
        """All that is not answered, in the order in which it was asked first."""
        self._again()
        queue, self._queue = self._queue, deque()
        return list(queue)

    def _drop_stale(self) -> None:
        """Nobody leads the store: do not keep those waiting who have waited long enough."""
        self._queue = deque(asked for asked in self._queue if not self._lanes.stale(asked))

    def _again(self) -> None:
        """Whatever is not answered is asked again, in the order in which it was asked first."""
        pending, self._pending = self._pending, {}
        again = [pending[tag] for tag in sorted(pending)]
        self._queue.extendleft(reversed(again))
        self._wake()

    def _wake(self) -> None:
        """Send what waits, unless that goes on already."""
        if self._queue and not self._sending:
            self._sending = True
            self._lanes.spawn(self._send())

    def _reroute(self) -> None:
        for asked in self._take_back():
            if not self._lanes.stale(asked):
                self._lanes.route(asked)

    def _hear(self, told: Sequence[tuple[int, bytes]]) -> None:
        """Outcomes have come."""
        again = []
        for tag, outcome in told:
            asked = self._pending.pop(tag, None)
            if asked is None:
                continue
            sort = outcome[:1]
            if sort == MOVED:
                self._moved(asked, outcome[1:])
            elif sort == AGAIN:
                if asked.ask.behind:  # as where it has moved to
                    asked.store = self._store
                again.append(asked)
            else:
                self._lanes.finish(asked, outcome)
        if again:
            self._lanes.spawn(self._ask_later(again))

    def _moved(self, asked: Asked, store: bytes) -> None:
        lanes = self._lanes
        lanes.routes.moved(asked.ask.partition, store)
        asked.hops += 1
        if asked.hops < _HOPS_MAX and store and lanes.routes.placement.has(store):
            lanes.route_to(store, asked)
            return
        if asked.ask.behind:  # what it must not overtake has gone there: only that way leads on
            asked.store = store or None
        lanes.spawn(self._ask_later([asked]))

    async def _ask_later(self, again: list[Asked]) -> None:
        hops = max((asked.hops for asked in again), default=0)
        await asyncio.sleep(pause_seconds(max(0, hops - _HOPS_MAX)))
        await self._lanes.routes.refresh()
        for asked in again:
            asked.hops += 1
            if not self._lanes.stale(asked):
                self._lanes.route(asked)
