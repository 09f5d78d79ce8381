"""A cluster with everything that can happen to it, decided by a seed: whoever calls, dies, sleeps, or is not heard."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from automata import call
from automata.asking import decode_told
from automata.errors import CallTimeout, Overloaded
from darq.errors import OutcomeUnknown
from darq.limits import Limits
from darq.replication import Options as CopyOptions
from ssms.cluster_app import ClusterApp
from tests.cluster.in_memory import Cluster
from tests.cluster.network import Event
from tests.cluster.processes import Process, ProcessLoop
from tests.simulation.cells import Cell
from tests.simulation.elector import Decisions, Elector
from tests.simulation.history import History, Op, faults, unsettled

KEYS = [f"c{n}" for n in range(10)]
HOT_KEYS = KEYS[:2]
METHODS = ("add", "add", "pay", "pay_and_wait", "tour", "later", "read", "read", "read", "read_there")
READERS = 2
READS_PER_SECOND = 8.0
SILENT_SECONDS = (0.7, 1.5)
"""After how long a copy is taken for dead: sooner than the leases that it holds are over, or later."""
SMALL_CALLS = CopyOptions(call_bytes_max=400, chunk_bytes=2000, chunk_rows=20)
"""Copies that lag catch up in many steps."""
HEALED_SECONDS = 200.0
"""How long all may take to settle, in virtual time, once nothing goes wrong any more."""


@dataclass(frozen=True)
class Plan:
    """How big a world is. seconds: how long things go wrong in it."""

    stores: int
    replicas: int
    callers: int = 5
    calls: int = 12
    seconds: float = 10.0

    @staticmethod
    def of(seed: int) -> Plan:
        """The plan of a seed."""
        return Plan(2 + seed % 2, 1 + (seed // 2) % 3)


class World:
    """One run."""

    def __init__(self, seed: int, plan: Plan) -> None:
        self.history = History()
        self.wrong: list[str] = []
        self._seed = seed
        self._plan = plan
        self.cluster = Cluster(plan.stores, plan.replicas, seed, Limits(inline_flush_seconds_max=-1.0))
        self._tasks: list[asyncio.Task[None]] = []
        self._leaders: dict[tuple[str, int], Process] = {}
        self._left: object = "callers"
        self._calm = False
        draw = self._draw("world")
        self._silent_seconds = draw.choice(SILENT_SECONDS)
        self.cluster.copying = draw.choice((SMALL_CALLS, self.cluster.copying))

    async def run(self) -> list[str]:
        """Let it all happen, and give what is wrong at the end."""
        loop, cluster = asyncio.get_running_loop(), self.cluster
        if isinstance(loop, ProcessLoop):
            loop.disk_seconds_max = 0.004
        cluster.network.answered = self._answered
        await cluster.start()
        decisions = Decisions(cluster.catalog.placement)
        for place in decisions.placement.stores:
            decisions.leaders[place.identity] = [cluster.network.processes[place.primary]]
        self._spawn(self._coordinate(decisions))
        for name in cluster.disks:
            self._spawn(self._keep(name))
        try:
            async with cluster.connect() as app:
                await self._live(app)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await cluster.stop()
        return self.wrong

    async def _live(self, app: ClusterApp) -> None:
        async with AsyncExitStack() as stack:
            apps = [
                await stack.enter_async_context(self.cluster.connect()) for _ in range(self._plan.callers + READERS)
            ]
            await self._suffer(app, [asyncio.ensure_future(self._call(n, one)) for n, one in enumerate(apps)])

    async def _suffer(self, app: ClusterApp, callers: list[asyncio.Future[None]]) -> None:
        chaos = [asyncio.ensure_future(work) for work in (self._strike(), self._storm(), self._split())]
        await asyncio.sleep(self._plan.seconds)
        self._calm = True
        for one in chaos:
            one.cancel()
        await asyncio.gather(*chaos, return_exceptions=True)
        network = self.cluster.network
        network.lost = network.doubled = network.silent = 0.0
        network.cut.clear()
        network.watch = _pass_by
        for name in self.cluster.running():
            self.cluster.wake(name)
        try:
            async with asyncio.timeout(HEALED_SECONDS):
                await asyncio.gather(*callers)
                await self._settle(app)
        except TimeoutError:
            self.wrong.append(f"not settled: {self._left}")
        for one in callers:
            one.cancel()
        await asyncio.gather(*callers, return_exceptions=True)

    async def _settle(self, app: ClusterApp) -> None:
        while True:
            cells = {key: await app.inspect(app.ref(Cell, key)) for key in KEYS}
            self._left = unsettled(self.history, cells)
            if not self._left:
                break
            await self._forgive(app)
            await asyncio.sleep(0.25)
        await asyncio.sleep(2)  # nothing more may come
        cells = {key: await app.inspect(app.ref(Cell, key)) for key in KEYS}
        self.wrong += faults(self.history, cells)
        letters = [letter async for letter in app.dead_letters()] + [letter async for letter in app.interrupted()]
        self.wrong += [f"{letter.ref!r} {letter.method} is a letter: {letter.error}" for letter in letters]

    async def _forgive(self, app: ClusterApp) -> None:
        """Messages that several lives have died of are letters by now. The deaths were not their fault: try again."""
        for letter in [letter async for letter in app.dead_letters()]:
            if "the process died" in letter.error:
                await app.retry(letter.id)

    # those who call

    async def _call(self, n: int, app: ClusterApp) -> None:
        """One client. Some read for as long as things go wrong."""
        draw, plan = self._draw(f"caller {n}"), self._plan
        reads, made = n >= plan.callers, 0
        while (reads and not self._calm) or made < plan.calls:
            await asyncio.sleep(draw.expovariate(READS_PER_SECOND if reads else plan.calls / plan.seconds))
            method, cell = "read" if reads else draw.choice(METHODS), draw.choice(draw.choice((HOT_KEYS, KEYS)))
            op = self.history.begin(method, cell, _arguments(method, cell, draw), asyncio.get_running_loop().time())
            await self._make(app, op, draw)
            made += 1

    async def _make(self, app: ClusterApp, op: Op, draw: random.Random) -> None:
        """Make one call: plainly, or with a timeout, or asked again under a key until it is answered."""
        way = draw.choice(("plain", "timeout", "key")) if op.writes else "plain"
        while True:
            named = (op.name, *op.arguments) if op.writes else op.arguments
            invocation = getattr(app.ref(Cell, op.cell), op.method)(*named)
            if way == "key":
                invocation = call(invocation, idempotency_key=op.name, timeout=0.2 + draw.random())
            elif way == "timeout":
                invocation = call(invocation, timeout=draw.random())
            try:
                version = await invocation
            except (CallTimeout, OutcomeUnknown, Overloaded):
                if way != "key":
                    return
                await asyncio.sleep(draw.random() * 0.2)
            else:
                self.history.end(op, version, asyncio.get_running_loop().time())
                return

    # what goes wrong

    async def _strike(self) -> None:
        """Kill and pause processes."""
        draw = self._draw("strike")
        while True:
            await asyncio.sleep(draw.expovariate(1.2))
            names = [*self.cluster.disks, "coordinator"]
            name = draw.choice(names)
            process = self.cluster.network.processes.get(name)
            if process is None:
                continue
            deed = draw.random()
            if deed < 0.2 or name == "coordinator":
                self._kill(name, process)
            elif deed < 0.6:
                self._kill_at_step(name, process, draw.randrange(1, 60))
            else:
                process.pause()
                asyncio.get_running_loop().call_later(draw.random() * 4, process.wake)

    def _kill_at_step(self, name: str, process: Process, steps: int) -> None:
        """Kill a process at one of its next steps: a write, a flush, a call, an answer."""
        left = steps

        def watch(event: Event) -> None:
            nonlocal left
            if event.who == name:
                left -= 1
                if left == 0:
                    self.cluster.end(name, process)

        self.cluster.network.watch = watch

    async def _split(self) -> None:
        """Cut a copy off from others, which clients may still reach; one way or both ways."""
        draw, cut = self._draw("split"), self.cluster.network.cut
        while True:
            await asyncio.sleep(draw.expovariate(0.7))
            others, seconds = [*self.cluster.disks, "coordinator"], draw.random() * 6
            leaders = [name for name in self.cluster.running() if self.cluster.server(name)._leading is not None]
            if leaders and draw.random() < 0.5:  # it may answer clients when another leads
                name, far, ways = draw.choice(leaders), others, ("from", "to")
                seconds = 4.0 + draw.random() * 4  # another leads after 3 to 5
            else:
                name = draw.choice([*self.cluster.disks])
                others += ["client"] if draw.random() < 0.3 else []
                far = draw.choice((others, draw.sample(others, len(others) // 2)))
                ways = draw.choice((("from",), ("to",), ("from", "to"), ("from", "to")))
            for other in far:
                cut |= {(name, other) if way == "from" else (other, name) for way in ways}
            await asyncio.sleep(seconds)
            cut.clear()

    async def _storm(self) -> None:
        """Let the network be bad for a while, again and again."""
        draw, network = self._draw("storm"), self.cluster.network
        while True:
            network.lost, network.doubled = draw.choice((0.0, 0.0, 0.05, 0.25)), draw.choice((0.0, 0.1, 0.3))
            network.silent, network.delay_seconds = draw.choice((0.0, 0.2)), draw.choice((0.001, 0.02))
            await asyncio.sleep(draw.expovariate(1.0))

    # those who bring back what has ended

    async def _keep(self, name: str) -> None:
        draw = self._draw(f"keep {name}")
        while True:
            process = self.cluster.network.processes[name]
            await asyncio.wait([process.over])
            await asyncio.sleep(draw.random())
            await self.cluster.begin(name)

    async def _coordinate(self, decisions: Decisions) -> None:
        """Lives of the coordinator."""
        draw, network = self._draw("coordinate"), self.cluster.network
        while True:
            elector, process = Elector(self.cluster, decisions, self._silent_seconds), Process("coordinator")
            network.servers["coordinator"] = elector
            network.processes["coordinator"] = process
            life = network.keep(process.spawn(elector.watch()))
            await asyncio.wait([process.over, life], return_when=asyncio.FIRST_COMPLETED)
            if life.done():
                life.result()
            await asyncio.sleep(draw.random())

    def _kill(self, name: str, process: Process) -> None:
        if name == "coordinator":
            process.kill()
            self.cluster.buried.append(process)
        else:
            self.cluster.end(name, process)

    def _answered(self, process: Process, what: str, answer: Any) -> None:
        """Of one store, one process answers under one epoch."""
        if what not in ("submit", "collect"):
            return
        told = decode_told(answer)
        if told.told:
            store = process.name.partition(".")[0]
            first = self._leaders.setdefault((store, told.epoch), process)
            if first is not process:
                self.wrong.append(f"{first.name} and {process.name} have both answered in epoch {told.epoch}")

    def _spawn(self, work: Any) -> None:
        self._tasks.append(asyncio.ensure_future(work))

    def _draw(self, whose: str) -> random.Random:
        return random.Random(f"{self._seed} {whose}")


def _pass_by(event: Event) -> None:
    """Nothing goes wrong any more."""


def _arguments(method: str, cell: str, draw: random.Random) -> tuple[Any, ...]:
    """What a call is given, but for its name."""
    other = draw.choice([key for key in KEYS if key != cell])
    if method == "add":
        return (draw.randrange(100),)
    if method in ("pay", "pay_and_wait"):
        return (other, draw.randrange(100))
    if method == "tour":
        return ([draw.choice(KEYS) for _ in range(draw.randrange(3))],)
    if method == "later":
        return (other, draw.random() * 2)
    return (other,) if method == "read_there" else ()
