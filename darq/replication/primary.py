"""The copy that runs steps: ships its groups to the others, and releases each once all that are in sync hold it."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterable

from darq.errors import AutomataError, Fenced, OutcomeUnknown
from darq.replication import messages
from darq.replication.chain import Head
from darq.replication.copying import read_chunk
from darq.replication.entry import Entry
from darq.replication.link import Link, Standing
from darq.replication.messages import Reply, Ship, Wipe
from darq.replication.options import Options
from darq.replication.outside import Outside, reached
from darq.replication.recent import Recent
from darq.replication.recording import ReplicatedStore
from darq.store import Store


class Primary:
    """The `darq.copies.Copies` of a log: give it that, and its `store`. It runs on the event loop it is made on.

    epoch: given out by the catalog, and promised by this copy (`Backup.lead`). backups: the other copies that are in
    sync, by name. recent: what `lead` gave. It begins to call them at once; answer nothing before `ready`.
    """

    def __init__(
        self,
        store: Store,
        epoch: int,
        backups: Iterable[str],
        outside: Outside,
        options: Options | None = None,
        recent: Recent | None = None,
    ) -> None:
        store.flush()  # what a former life has written here counts only now
        self.store = ReplicatedStore(store, epoch, self._sealed)
        self.epoch = epoch
        self.options = options or Options()
        self.recent = recent or Recent(self.store.head, self.options.recent_bytes_max)
        self.released = 0  # the highest group that all copies in sync hold
        self.failure: AutomataError | None = None
        self._outside = outside
        self._loop = asyncio.get_running_loop()
        self._began = outside.clock()
        self._flushed = self._opened_at = self.store.head.group
        self._links: dict[str, Link] = {}
        self._counting: tuple[Link, ...] = ()
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: list[asyncio.Future[None]] = []  # for something to have changed
        self._settle: Callable[[int], None] | None = None
        self._fail: Callable[[BaseException], object] | None = None
        self._room: Callable[[], None] | None = None
        self._was_full = False
        for name in backups:
            self._open(name, Standing.COUNTED)
        self._count()
        self._advance()

    # for the log (darq.copies)

    def bind(
        self, settle: Callable[[int], None], fail: Callable[[BaseException], object], room: Callable[[], None]
    ) -> None:
        """Take what the committer wants to be called."""
        self._settle, self._fail, self._room = settle, fail, room
        if self.failure is not None:
            fail(self.failure)

    @property
    def full(self) -> bool:
        """Whether some backup lags so far behind that no further group may be closed."""
        bytes_max = self.options.lag_bytes_max
        full = any(link.lags and self.recent.bytes_after(link.acked) > bytes_max for link in self._links.values())
        self._was_full |= full
        return full

    def flushed(self, group: int) -> None:
        """All groups up to `group` are durable here."""
        self._flushed = max(self._flushed, group)
        self._advance()

    # for answers

    async def ready(self) -> None:
        """Wait until all copies in sync hold what this store held when it was opened. Raises what stopped it before."""
        while self.failure is None and self.released < self._opened_at:
            await self._change()
        if self.failure is not None:
            raise self.failure

    async def short(self) -> None:
        """Wait until fewer copies are in sync than must hold a group; for ever, once this primary has failed."""
        while self._enough():
            await self._change()

    def leased(self) -> bool:
        """Whether this is the primary beyond doubt just now, so that an answer without a step is the newest.

        From any thread. Always so without backups, until it is known to be fenced.
        """
        since = self._outside.clock() - self.options.trusted_seconds
        return self.failure is None and all(link.renewed > since for link in self._counting)

    async def lease(self) -> None:
        """Wait until `leased()`. Raises Fenced if it never will be again."""
        while not self.leased():
            if self.failure is not None:
                raise self.failure
            for link in self._counting:
                link.wake.set()
            await self._change()

    # for the renewal of leases on a thread

    def beat(self, copy: str) -> bytes | None:
        """What to send to a backup so that it renews its lease; None if that is not due. From any thread."""
        link = self._links.get(copy)
        if link is None or self.failure is not None or not link.counts:
            return None
        if link.renewed > self._outside.clock() - self.options.heartbeat_seconds:
            return None
        return messages.encode(self._heartbeat(link))

    def beaten(self, copy: str, sent_at: float, reply: bytes) -> None:
        """The backup's answer to a `beat` that was sent at `sent_at`, by the clock given. From any thread."""
        link, answer = self._links.get(copy), messages.decode_reply(reply)
        if answer.epoch > self.epoch:
            self._poison(self._superseded(answer.epoch))
            self._loop.call_soon_threadsafe(self._stopped)
        elif link is not None and answer.epoch == self.epoch:
            link.renew(answer, sent_at, self._outside.clock())
            self._loop.call_soon_threadsafe(self._changed)

    # membership

    @property
    def in_sync(self) -> list[str]:
        """The backups that nothing is released without."""
        return [link.name for link in self._counting]

    def attach(self, copy: str) -> None:
        """A copy of the store exists: bring it up to date, add it to those in sync, and keep it so. Again: no error."""
        if copy not in self._links and self.failure is None:
            self._open(copy, Standing.JOINING)

    def forget(self, copy: str) -> None:
        """A copy exists no more: go on without it, once the catalog has removed it."""
        link = self._links.get(copy)
        if link is not None:
            link.wanted = False
            link.wake.set()

    def receive(self, data: bytes) -> bytes:
        """Answer another primary's message. Raises Fenced if that one is newer: step down."""
        epoch = messages.epoch_of(data)
        if epoch > self.epoch:
            self.fence(self._superseded(epoch))
            raise self._superseded(epoch)
        return messages.encode(Reply(messages.VERSION, self.epoch, Head(), None, 0.0, eager=False))

    def fence(self, why: AutomataError) -> None:
        """This primary is one no more: poison its log, and answer nothing."""
        self._poison(why)
        self._stopped()

    async def stop(self) -> None:
        """Stop calling the backups. What they do not hold is never released, and nothing is answered any more."""
        self._poison(Fenced(f"this copy does not lead under epoch {self.epoch} any more"))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # inside, groups

    def _sealed(self, entry: Entry) -> None:
        self.recent.add(entry)
        lagging = [link.acked for link in self._links.values() if link.lags]
        self.recent.trim(min([entry.group, *lagging]))
        for link in self._links.values():
            link.wake.set()

    def _advance(self) -> None:
        """Release what all hold, and let the log go on if it waited for them."""
        group = min([self._flushed, *(link.acked for link in self._counting)])
        if self._enough() and self.failure is None and group > self.released and group >= self._opened_at:
            self.released = group
            for link in self._links.values():
                if link.eager:
                    link.wake.set()
            if self._settle is not None:
                self._settle(group)
        if self._was_full and not self.full:
            self._was_full = False
            if self._room is not None:
                self._room()
        self._changed()

    # inside, one backup

    def _open(self, name: str, standing: Standing) -> None:
        link = self._links[name] = Link(name, standing)
        self._start(self._serve(link), f"replicate to {name}")

    async def _serve(self, link: Link) -> None:
        while link.wanted and not self._over():
            await self._until_due(link)
            ship, sent_at = self._message(link), self._outside.clock()
            reply = await self._call(link, ship)
            if self._over():
                return
            if reply is None:
                await self._unanswered(link, sent_at)
            else:
                await self._answered(link, ship, reply, sent_at)
        if link.counts and not self._over():
            await self._leave(link)
        self._links.pop(link.name, None)
        self._advance()

    async def _until_due(self, link: Link) -> None:
        """Until there is something to say, or a heartbeat is due, or somebody wants to know at once."""
        if link.renewed < self._began or link.standing is Standing.AWAY or link.due(self.recent, self.released):
            return
        link.wake.clear()
        timer = self._loop.call_later(self.options.heartbeat_seconds, link.wake.set)
        try:
            await link.wake.wait()
        finally:
            timer.cancel()

    def _heartbeat(self, link: Link) -> Ship:
        """A message without groups. What it says of released groups is true of the primary's own chain alone."""
        heard = link.stamp if link.standing is Standing.COUNTED and link.acked >= 0 and self.leased() else 0.0
        return Ship(messages.VERSION, self.epoch, self.released if link.acked >= 0 else 0, heard, [], None, None)

    def _message(self, link: Link) -> Ship:
        """All that has gathered for this backup."""
        ship, options = self._heartbeat(link), self.options
        if link.judged is not None:
            ship.wipe = Wipe(link.judged, self.recent.head)
        elif link.acked >= 0:
            # a chunk is read at the newest group, which has to be in the same call: a busy primary is never at rest
            bytes_max = options.call_bytes_max if link.cursor is None else sys.maxsize
            ship.entries = self.recent.after(link.acked, bytes_max)
            if link.cursor is not None:
                groups_bytes = sum(len(entry.operations) for entry in ship.entries)
                ship.chunk = read_chunk(self.store.inner, link.cursor, self.recent.head.group, options, groups_bytes)
        return ship

    async def _call(self, link: Link, ship: Ship) -> Reply | None:
        """The backup's answer; None if there is none."""
        try:
            async with asyncio.timeout(self.options.ack_seconds_max / 2):
                data = await self._outside.ship(link.name, messages.encode(ship))
            reply = messages.decode_reply(data)
        except (OSError, AutomataError) as error:
            link.gone = not isinstance(error, TimeoutError)
            return None
        if reply.epoch > self.epoch:
            self.fence(self._superseded(reply.epoch))
        return reply if reply.epoch == self.epoch else None

    async def _unanswered(self, link: Link, sent_at: float) -> None:
        options = self.options
        seconds_max = min(options.ack_seconds_max, options.gone_seconds_max) if link.gone else options.ack_seconds_max
        if link.unanswered(sent_at, self._outside.clock(), seconds_max):
            if link.counts:
                await self._leave(link)
            link.standing, link.acked = Standing.AWAY, -1
            self._advance()
        away = link.standing is Standing.AWAY
        await asyncio.sleep(options.away_seconds if away else options.retry_seconds)

    async def _answered(self, link: Link, ship: Ship, reply: Reply, sent_at: float) -> None:
        link.answered()
        link.renew(reply, sent_at, self._outside.clock())
        if link.standing is Standing.AWAY:
            link.standing = Standing.JOINING
        fits = link.place(reply, self.recent)
        if not fits:
            if link.counts:
                await self._leave(link)
            return
        link.told = ship.committed
        if link.standing is Standing.JOINING and link.cursor is None and link.acked >= self.released:
            # it counts before the catalog is asked: from then on it may be promoted, whatever the answer
            link.standing = Standing.COUNTED
            self._count()
            link.adding = self._start(self._add(link), f"add {link.name}")
        self._advance()

    # inside, who counts

    def _enough(self) -> bool:
        return len(self._counting) + 1 >= self.options.min_in_sync

    def _count(self) -> None:
        self._counting = tuple(link for link in self._links.values() if link.counts)

    async def _add(self, link: Link) -> None:
        try:
            await self._insist(lambda: self._outside.members.add(link.name))
        except Fenced as error:
            self.fence(error)
        except AutomataError:
            link.wanted = False  # it is no copy of this store any more
        link.adding = None

    async def _leave(self, link: Link) -> None:
        """Go on without a backup: when it cannot be promoted any more, and cannot serve reads."""
        link.standing = Standing.LEAVING
        if link.adding is not None:
            await asyncio.wait([link.adding])
        try:
            await self._insist(lambda: self._outside.members.drop(link.name))
        except Fenced as error:
            self.fence(error)
            return
        await reached(self._outside.clock, max(self._began, link.heard_at) + self.options.lease_seconds)
        link.standing = Standing.JOINING
        self._count()
        self._advance()

    async def _insist(self, change: Callable[[], Awaitable[None]]) -> None:
        """Ask the catalog until it answers."""
        while not self._over():
            try:
                await change()
            except OSError:
                await asyncio.sleep(self.options.retry_seconds)
            else:
                return

    # inside, ends and changes

    def _over(self) -> bool:
        return self.failure is not None

    def _superseded(self, epoch: int) -> Fenced:
        return Fenced(f"epoch {self.epoch} was superseded by epoch {epoch}: another copy runs the steps now")

    def _poison(self, why: AutomataError) -> None:
        self.failure = self.failure or why
        self.store.failure = self.store.failure or why

    def _stopped(self) -> None:
        if self._fail is not None and self.failure is not None:
            self._fail(self.failure)
        for link in self._links.values():
            link.wake.set()
        self._changed()

    def _start(self, work: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
        task = self._loop.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:  # nothing is known any more of this backup: stop rather than hang
            self._loop.call_exception_handler({"message": f"{task.get_name()} failed", "exception": error})
            self.fence(OutcomeUnknown(f"replication failed ({error}): open the store again"))

    def _changed(self) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def _change(self) -> None:
        future = self._loop.create_future()
        self._waiting.append(future)
        await future
