"""Two processes that each could believe to lead one store: only the newer one is ever heard."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest

from automata.asking import CALL, LOOK, READ, Ask, Batch, decode_batch, decode_told, encode
from automata.methods import Method
from automata.partitions import partition_of
from automata.request_ids import NESTED
from darq.answers import Answers
from darq.errors import AutomataError, Fenced
from ssms.peers import Unreachable
from tests.cluster.in_memory import Cluster, cluster
from tests.cluster.processes import PROCESS, virtually
from tests.cluster.purses import Purse, key_in_each
from tests.memory_app import settled

OLD, NEW = "s0.n0", "s0.n1"
ASKED: dict[int, tuple[Any, ...]] = {READ: ("look",), CALL: ("add", 1), LOOK: ("exists",)}


class Client:
    """Asks one copy directly, whoever leads: as one does whose placement is old."""

    def __init__(self, running: Cluster, name: str) -> None:
        self._running = running
        self._name = name
        self._number = 0
        self._questions = itertools.count(1)
        self._id = name.encode().ljust(16)

    async def ask(self, kind: int, name: str, *args: object) -> list[bytes]:
        """The outcomes that come within 10 seconds; none where the copy gives none."""
        self._number += 1
        made = Purse.__automaton__  # type: ignore[attr-defined]
        arguments = request = b""
        if kind != LOOK:
            method: Method = made.method(name)
            arguments = method.encode_arguments(method.pack(args, {}))
        if kind == CALL:
            request = b"\x00" + self._id + self._number.to_bytes(8, "big")
        ask = Ask(kind, partition_of(made.name, "a"), name, arguments, request)
        epoch = self._epoch()
        batch = encode(Batch(self._id, epoch, self._number, (), [(self._number, ask)]))
        try:
            async with asyncio.timeout(10):
                told = decode_told(await self._running.network.serve(self._name, "submit", (batch,)))
                outcomes = list(told.told)
                while not outcomes and told.epoch == epoch:
                    told = decode_told(
                        await self._running.network.serve(
                            self._name, "collect", (self._id, epoch, next(self._questions))
                        )
                    )
                    outcomes = list(told.told)
        except (TimeoutError, Unreachable, AutomataError):
            return []
        return [outcome for _, outcome in outcomes if outcome[:1] in b"\x00\x01"]

    def _epoch(self) -> int:
        leading = self._running.server(self._name)._leading if self._name in self._running.running() else None
        return 0 if leading is None else leading.epoch


def isolate(running: Cluster, name: str) -> None:
    """Nothing passes between a copy and the others; clients reach it."""
    for other in [*running.disks, "coordinator"]:
        running.network.cut |= {(name, other), (other, name)}


@pytest.mark.parametrize("kind", ASKED)
@virtually
async def test_a_primary_that_was_cut_off_answers_nothing_after_its_successor_has(kind: int) -> None:
    async with cluster(stores=1, replicas=2) as running:
        old, new = Client(running, OLD), Client(running, NEW)
        assert await old.ask(CALL, "add", 1)
        isolate(running, OLD)
        await running.lead(NEW, [])
        assert await new.ask(CALL, "add", 1)
        assert await old.ask(kind, *ASKED[kind]) == []
        assert await new.ask(READ, "look") == [b"\x00\x02"]


@pytest.mark.parametrize("kind", ASKED)
@virtually
async def test_a_paused_primary_that_wakes_answers_nothing_that_was_asked_meanwhile(kind: int) -> None:
    async with cluster(stores=1, replicas=2) as running:
        old, new = Client(running, OLD), Client(running, NEW)
        assert await old.ask(CALL, "add", 1)
        running.pause(OLD)
        asked = asyncio.create_task(old.ask(kind, *ASKED[kind]))
        await running.lead(NEW, [])
        assert await new.ask(CALL, "add", 1)
        running.wake(OLD)
        assert await asked == []
        assert await new.ask(READ, "look") == [b"\x00\x02"]


@virtually
async def test_a_primary_that_is_not_cut_off_long_enough_answers_again() -> None:
    async with cluster(stores=1, replicas=2) as running:
        client = Client(running, OLD)
        assert await client.ask(CALL, "add", 1)
        running.pause(OLD)
        await asyncio.sleep(3)
        running.wake(OLD)
        assert await client.ask(READ, "look") == [b"\x00\x01"]


@pytest.mark.parametrize("newer_first", [False, True])
@virtually
async def test_of_two_that_are_told_to_lead_the_newer_one_leads(newer_first: bool) -> None:
    """Whoever comes first: the coordinator may have changed its mind while its word was on the way."""
    async with cluster(stores=1, replicas=3) as running:
        client = Client(running, OLD)
        assert await client.ask(CALL, "add", 1)
        first, second = NEW, "s0.n2"
        await running.kill(OLD)
        place = running.catalog.placement.stores[0]
        running.catalog.set_store(place, epoch=place.epoch + 2, primary="", backups=(first, second))
        words = [(first, place.epoch + 1, (second,)), (second, place.epoch + 2, (first,))]
        for name in (first, second):
            await running.network.serve(name, "place", (running.catalog.placement.encode(),))
        told = [
            asyncio.create_task(running.network.serve(name, "lead", (epoch, others, True)))
            for name, epoch, others in (reversed(words) if newer_first else words)
        ]
        await asyncio.wait(told, timeout=20)
        server = running.server(second)
        assert server._leading is not None
        assert server._leading.epoch == place.epoch + 2
        assert await Client(running, second).ask(READ, "look") == [b"\x00\x01"]
        if first in running.running():
            assert await Client(running, first).ask(READ, "look") == []
            assert await Client(running, first).ask(CALL, "add", 1) == []


@virtually
async def test_a_copy_that_is_about_to_lead_follows_nobody_older_and_begins_anew_for_who_is_newer() -> None:
    async with cluster(stores=1, replicas=3) as running:
        running.pause(OLD)
        leading = asyncio.create_task(running.lead(NEW, []))
        await asyncio.sleep(0.5)  # it waits until no lease holds that it has granted
        assert not leading.done()
        epoch = running.catalog.placement.stores[0].epoch
        for older in (epoch - 1, epoch):
            with pytest.raises(Fenced):
                await running.network.serve(NEW, "follow", (older, "s0.n2"))
        assert NEW in running.running()
        with pytest.raises(Unreachable):
            await running.network.serve(NEW, "follow", (epoch + 1, "s0.n2"))
        assert NEW not in running.running()
        with pytest.raises(Unreachable):
            await leading


class Delayed:
    """The first batch with a nested call that a copy sends to another: it is on its way until it is let come."""

    def __init__(self, running: Cluster, sender: str, to: str) -> None:
        self.batch: tuple[str, str, tuple[Any, ...]] | None = None
        self._sender = sender
        self._to = to
        self._serve = running.network.serve
        running.network.serve = self.serve  # type: ignore[method-assign]

    async def serve(self, name: str, what: str, args: tuple[Any, ...]) -> Any:
        """Carry a call, unless it is this one."""
        process = PROCESS.get()
        sent = process is not None and process.name == self._sender and name == self._to and what == "submit"
        if sent and self.batch is None and any(a.request[:1] == NESTED for _, a in decode_batch(args[0]).asks):
            self.batch = name, what, args
            await asyncio.get_running_loop().create_future()
        return await self._serve(name, what, args)

    @property
    def request(self) -> bytes:
        """The id of the call."""
        assert self.batch is not None
        return decode_batch(self.batch[2][0]).asks[0][1].request

    async def come(self) -> None:
        """It has come to whom it was sent."""
        assert self.batch is not None
        await self._serve(*self.batch)


@virtually
async def test_a_nested_call_of_a_primary_that_was_superseded_does_nothing_when_it_comes_late() -> None:
    """Its successor has asked for the same, has got the answer, and has let it be forgotten."""
    async with cluster(stores=2, replicas=2) as running, running.connect() as app, asyncio.timeout(60):
        caller, callee = key_in_each(running.catalog.placement)
        delayed = Delayed(running, OLD, "s1.n1")
        paying = asyncio.create_task(app.ref(Purse, caller).pay_and_wait(callee, 1))
        while delayed.batch is None:  # noqa: ASYNC110 - it is sent
            await asyncio.sleep(0.01)
        await running.kill(OLD)
        await running.lead(NEW, [], old_is_dead=True)
        assert await paying == 1
        assert await app.ref(Purse, caller).pay_and_wait(callee, 1) == 2  # with it goes what may be forgotten
        answers = answers_of(running, "s1.n1")
        while answers.find(delayed.request) is not None:  # noqa: ASYNC110 - its asker has said that it has it
            await asyncio.sleep(0.01)
        await delayed.come()
        await settled(app.ref(Purse, callee).look, 2)
        assert answers.find(delayed.request) is None


@pytest.mark.parametrize("led_anew", [False, True])
@virtually
async def test_nor_does_it_where_its_object_has_left_and_come_back(led_anew: bool) -> None:
    """Where the delayed call goes nobody has heard of the successor: it has asked where the object was meanwhile."""
    async with cluster(stores=3, replicas=2) as running, running.connect() as app, asyncio.timeout(60):
        caller, _, callee = key_in_each(running.catalog.placement)
        partition, at = partition_of("ClusterPurse", callee), running.catalog.placement.stores
        await app.ref(Purse, callee).add(1)
        await running.network.serve("s2.n2", "give", (partition, at[1].identity))
        delayed = Delayed(running, OLD, "s1.n1")
        paying = asyncio.create_task(app.ref(Purse, caller).pay_and_wait(callee, 1))
        while delayed.batch is None:  # noqa: ASYNC110 - it is sent
            await asyncio.sleep(0.01)
        await running.network.serve("s2.n2", "give", (partition, at[2].identity))
        await running.kill(OLD)
        await running.lead(NEW, [], old_is_dead=True)
        assert await paying == 2
        assert await app.ref(Purse, caller).pay_and_wait(callee, 1) == 3
        home = "s2.n2"
        while answers_of(running, home).find(delayed.request) is not None:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)
        if led_anew:
            await running.kill(home)
            home = "s2.n0"
            await running.lead(home, [], old_is_dead=True)
        await running.network.serve(home, "give", (partition, at[1].identity))
        await settled(app.ref(Purse, callee).look, 3)
        await delayed.come()
        await asyncio.sleep(1)
        assert await app.ref(Purse, callee).look() == 3


def answers_of(running: Cluster, name: str) -> Answers:
    """The outcomes that a copy keeps which leads."""
    leading = running.server(name)._leading
    assert leading is not None
    return leading.engine.log.answers
