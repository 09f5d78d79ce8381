"""Deaths at chosen moments of a protocol between stores, and what has to hold when all has settled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from automata import asking
from automata.span import is_about
from darq import keys
from darq.codec import decode_message
from tests.cluster.in_memory import Cluster

ASKED = {"part": asking.PART, "prepare": asking.PREPARE, "abort": asking.ABORT, "decision": asking.DECISION}
SLOW_SECONDS = 5.0
"""Longer than it takes until a store asks what became of a transaction."""
STEPS = ["part", "prepare", "commit", "done"]


def steps_in(what: str, args: tuple[Any, ...]) -> Iterator[str]:
    """The steps of transactions that a call between processes carries."""
    if what == "submit":
        kinds = {ask.kind for _, ask in asking.decode_batch(args[0]).asks}
        yield from (name for name, kind in ASKED.items() if kind in kinds)
    if what == "deliver":
        for data in args[3]:
            partition, payload = decode_message(data)
            if is_about(partition):
                yield "commit" if b"commit" in payload else "done"


@dataclass
class Death:
    """When the nth call that carries a step comes to a store's process: it, or all others that lead, die.

    after: once the call was served, before its answer is heard.
    """

    step: str
    nth: int
    after: bool
    sender: bool
    happened: bool = False


class Interrupted:
    """A cluster in which deaths happen. Who has died comes back, and leads again or follows."""

    def __init__(self, cluster: Cluster, deaths: list[Death]) -> None:
        self.deaths = deaths
        self.seen = dict.fromkeys([*ASKED, "commit", "done"], 0)
        self._cluster = cluster
        self._reviving: set[asyncio.Task[None]] = set()
        self._serve: Callable[..., Any] = cluster.network.serve
        cluster.network.serve = self.serve  # type: ignore[method-assign]

    async def serve(self, name: str, what: str, args: tuple[Any, ...]) -> Any:
        """Serve a call, if nobody dies of it."""
        due = []
        for step in set(steps_in(what, args)):
            self.seen[step] += 1
            due += [d for d in self.deaths if not d.happened and d.step == step and d.nth <= self.seen[step]]
        for death in due:
            death.happened = True
        await self._die(name, [death for death in due if not death.after])
        answer = await self._serve(name, what, args)
        await self._die(name, [death for death in due if death.after])
        return answer

    async def settled(self) -> None:
        """Wait until all that has died is back."""
        while self._reviving:
            await asyncio.wait(self._reviving)

    async def _die(self, name: str, deaths: list[Death]) -> None:
        for death in deaths:
            leaders = [place.primary for place in self._cluster.catalog.placement.stores]
            victims = [leader for leader in leaders if leader != name] if death.sender else [name]
            for victim in victims:
                if victim in self._cluster.network.servers:
                    await self.kill(victim)

    async def kill(self, name: str) -> None:
        """A process dies, and another one leads its store a little later. The caller may die of it, too."""
        task = asyncio.get_running_loop().create_task(self._kill(name))
        self._reviving.add(task)
        task.add_done_callback(self._revived)
        while name in self._cluster.network.servers:  # noqa: ASYNC110 - the cluster takes it out first
            await asyncio.sleep(0)

    def _revived(self, task: asyncio.Task[None]) -> None:
        self._reviving.discard(task)
        if not task.cancelled():
            task.result()

    async def _kill(self, name: str) -> None:
        await self._cluster.kill(name)
        await asyncio.sleep(0.05)
        cluster = self._cluster
        place = cluster.catalog.placement.stores[int(name[1 : name.index(".")])]
        await cluster.begin(name)
        backups = [backup for backup in place.backups if backup in cluster.network.servers]
        if not backups:
            await cluster.lead(name, [], old_is_dead=True)
            return
        await cluster.lead(backups[0], [], old_is_dead=True)
        place = cluster.catalog.placement.stores[int(name[1 : name.index(".")])]
        await cluster.network.servers[name].follow(place.epoch, backups[0])


class Slow:
    """A cluster in which calls that carry a step come seconds late, to all processes or to one."""

    def __init__(self, cluster: Cluster, step: str, to: str = "") -> None:
        self.happened = False
        self._step = step
        self._to = to
        self._serve: Callable[..., Any] = cluster.network.serve
        cluster.network.serve = self.serve  # type: ignore[method-assign]

    async def serve(self, name: str, what: str, args: tuple[Any, ...]) -> Any:
        """Serve a call, if need be a little later."""
        if self._to in ("", name) and (what == self._step or self._step in steps_in(what, args)):
            self.happened = True
            await asyncio.sleep(SLOW_SECONDS)
        return await self._serve(name, what, args)


async def nothing_left(cluster: Cluster) -> None:
    """Wait until no transaction has left anything: no row, nothing that is held or waited for."""
    left: list[str] = ["not looked yet"]
    async with asyncio.timeout(60):
        while left:
            left = [what for name in cluster.disks for what in _left(cluster, name)]
            await asyncio.sleep(0.05)


def _left(cluster: Cluster, name: str) -> Iterator[str]:
    server = cluster.network.servers.get(name)
    leading = None if server is None else server._leading
    if leading is None:
        return
    log, host = leading.engine.log, leading.engine.host
    for kind in (keys.PREPARED, keys.DECIDED):
        rows = dict(log.store.scan(kind, keys.after(kind), keys.ALL))
        rows.update((key, data) for key, data in log.group.rows.items() if key[:1] == kind)
        yield from (f"{name} {key.hex()}" for key, data in rows.items() if data is not None)
    yield from (f"{name} {partition!r} is prepared" for partition in host.prepared)
    yield from (f"{name} {entity.address} is held" for entity in host.entities.all() if not entity.idle)
    doors = leading.engine.doors
    assert doors is not None, "it is one of several"
    participant = doors.reception.participant
    yield from (f"{name} has branch {branch.hex()}" for branch in participant._branches)
