"""Where batches of other processes enter a host: each ask once, told when it is durable, refused when it is old."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from automata import asking, call, clients, object_type, readonly, ref
from automata.asking import AGAIN, CALL, MOVED, POST, READ, Ask, Batch, Told, client_of
from automata.journal import ANYTHING
from automata.outcomes import decode_outcome
from automata.partitions import partition_of
from automata.request_ids import of_client
from automata.testing.loop import run_virtually
from ssms.server import Server
from tests.cluster.in_memory import Cluster, cluster

QUESTIONS = itertools.count(1)
CLIENT = b"c" * 16


@object_type(name="Received")
class Counter:
    key: str
    value: int = 0

    async def add(self, amount: int) -> int:
        self.value += amount
        return self.value

    async def wait(self) -> int:
        self.value += 1
        return await ref(Counter, "gate").hold()

    async def hold(self) -> int:
        await asyncio.sleep(5)
        return 7

    @readonly
    async def get(self) -> int:
        return self.value


class Client:
    """Asks one server, batch by batch."""

    def __init__(self, running: Cluster, name: bytes = CLIENT) -> None:
        self.running = running
        self.name = name
        self.number = 0

    @property
    def server(self) -> Server:
        return self.running.network.servers["s0.n0"]

    @property
    def epoch(self) -> int:
        return self.running.catalog.placement.stores[0].epoch

    def ask(self, sequence: int, amount: int, kind: int = CALL, key: str = "a") -> tuple[int, Ask]:
        method = Counter.__automaton__.method("get" if kind == READ else "add")  # type: ignore[attr-defined]
        arguments = method.encode_arguments(() if kind == READ else (amount,))
        request = b"" if kind == READ else of_client(self.name, sequence)
        return sequence, Ask(kind, partition_of("Received", key), method.name, arguments, request)

    async def submit(
        self,
        *asks: tuple[int, Ask],
        forget: Sequence[bytes] = (),
        number: int = 0,
        epoch: int = 0,
        client: bytes = b"",
    ) -> Told:
        self.number += 1
        batch = Batch(client or self.name, epoch or self.epoch, number or self.number, forget, asks)
        return asking.decode_told(await self.server.submit(asking.encode(batch)))

    async def value(self) -> object:
        told = await self.submit(self.ask(0, 0, READ))
        return outcome(told.told[0][1])


def outcome(data: bytes) -> object:
    return decode_outcome(data, ANYTHING, 0).take()


def with_client(test: Callable[[Client], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    async def scenario() -> None:
        async with cluster(stores=1) as running:
            await test(Client(running))

    def run() -> None:
        run_virtually(scenario())

    run.__name__ = test.__name__
    return run


@with_client
async def test_a_batch_is_answered_when_what_it_did_is_durable(client: Client) -> None:
    told = await client.submit(client.ask(1, 2), client.ask(2, 3), client.ask(3, 0, READ))
    assert [(tag, outcome(data)) for tag, data in told.told] == [(1, 2), (2, 5), (3, 5)]
    log = client.server._leading.engine.log  # type: ignore[union-attr]
    assert not log.group.dirty
    assert log.gate.durable == log.group.number - 1


@with_client
async def test_answers_to_one_client_are_told_to_no_other(client: Client) -> None:
    other = Client(client.running, b"d" * 16)
    submitted = [asker.submit(asker.ask(n, 1), asker.ask(n + 1, 1)) for asker, n in ((client, 1), (other, 3))]
    told = await asyncio.gather(*submitted)
    assert [(one.pending, [tag for tag, _ in one.told]) for one in told] == [(0, [1, 2]), (0, [3, 4])]


@with_client
async def test_asked_again_under_its_request_id_it_is_told_again_and_not_done_again(client: Client) -> None:
    await client.submit(client.ask(1, 2))
    told = await client.submit(client.ask(1, 2))
    assert outcome(told.told[0][1]) == 2
    assert await client.value() == 2


@with_client
async def test_also_by_the_next_life_of_the_host(client: Client) -> None:
    await client.submit(client.ask(1, 2))
    await client.running.kill("s0.n0")
    await client.running.begin("s0.n0")
    await client.running.lead("s0.n0", [], old_is_dead=True)
    told = await client.submit(client.ask(1, 2))
    assert outcome(told.told[0][1]) == 2
    assert await client.value() == 2


@with_client
async def test_a_batch_that_is_not_newer_than_the_last_is_not_looked_at(client: Client) -> None:
    ask = client.ask(1, 2)
    await client.submit(ask)
    await client.submit(forget=[ask[1].request])  # from now on, only its number tells that the first batch is old
    told = await client.submit(ask, number=1)
    assert told.epoch != client.epoch
    assert not told.told
    assert await client.value() == 2


@with_client
async def test_a_batch_of_a_host_that_was_superseded_is_not_looked_at_whenever_it_comes(client: Client) -> None:
    old, new, other = client_of(b"s" * 16, 4), client_of(b"s" * 16, 5), client_of(b"t" * 16, 1)
    ask = client.ask(1, 2)
    await client.submit(ask, client=new)
    await client.submit(forget=[ask[1].request], client=new)
    assert not (await client.submit(ask, client=old)).told
    await asyncio.sleep(2 * clients.IDLE_SECONDS)  # both are forgotten, but for what tells them apart
    await client.submit(client.ask(2, 0), client=other)
    assert not (await client.submit(ask, client=old)).told
    assert not (await client.submit(ask, number=1, client=new)).told
    assert await client.value() == 2


@with_client
async def test_a_batch_that_was_asked_again_meanwhile_is_old_however_long_its_client_was_silent(client: Client) -> None:
    ask = client.ask(1, 2)
    await client.submit(ask)
    await client.submit(forget=[ask[1].request])
    await asyncio.sleep(2 * clients.IDLE_SECONDS)
    await client.submit(client.ask(2, 0), number=1, client=b"d" * 16)
    assert not (await client.submit(ask, number=1)).told
    assert await client.value() == 2


@with_client
async def test_a_host_is_heard_until_another_leads_its_store(client: Client) -> None:
    old, new = client_of(b"s" * 16, 4), client_of(b"s" * 16, 5)
    assert (await client.submit(client.ask(1, 2), client=old)).told
    assert (await client.submit(client.ask(2, 3), client=old)).told
    assert (await client.submit(client.ask(3, 4), client=new)).told
    assert not (await client.submit(client.ask(4, 5), client=old)).told
    assert await client.value() == 9


@with_client
async def test_a_batch_that_was_asked_again_meanwhile_takes_no_answers(client: Client) -> None:
    ask = client.ask(1, 2)
    given_up, again = await asyncio.gather(client.submit(ask), client.submit(ask))
    assert not given_up.told
    assert [outcome(data) for _, data in again.told] == [2, 2]


@with_client
async def test_a_batch_for_another_epoch_is_not_looked_at(client: Client) -> None:
    told = await client.submit(client.ask(1, 2), epoch=client.epoch + 1)
    assert told.epoch == client.epoch
    assert not told.told
    assert await client.value() == 0


@with_client
async def test_what_takes_longer_is_told_to_whoever_collects(client: Client) -> None:
    method = Counter.__automaton__.method("wait")  # type: ignore[attr-defined]
    slow = Ask(CALL, partition_of("Received", "b"), "wait", method.encode_arguments(()), of_client(CLIENT, 1))
    told = await client.submit((1, slow), client.ask(2, 1))
    assert [(tag, outcome(data)) for tag, data in told.told] == [(2, 1)]
    assert told.pending == 1
    collected = asking.decode_told(await client.server.collect(CLIENT, client.epoch, next(QUESTIONS)))
    assert [(tag, outcome(data)) for tag, data in collected.told] == [(1, 7)]
    assert collected.pending == 0


@with_client
async def test_whoever_collects_is_told_after_a_while_that_there_is_nothing(client: Client) -> None:
    method = Counter.__automaton__.method("wait")  # type: ignore[attr-defined]
    for n in range(4):  # each holds the gate for five seconds
        slow = Ask(CALL, partition_of("Received", f"b{n}"), "wait", method.encode_arguments(()), of_client(CLIENT, n))
        await client.submit((n, slow))
    begun = asyncio.get_running_loop().time()
    while asking.decode_told(await client.server.collect(CLIENT, client.epoch, next(QUESTIONS))).pending:
        assert asyncio.get_running_loop().time() - begun < 60


@with_client
async def test_a_joined_call_is_told_to_both_and_done_once(client: Client) -> None:
    method = Counter.__automaton__.method("wait")  # type: ignore[attr-defined]
    slow = Ask(CALL, partition_of("Received", "b"), "wait", method.encode_arguments(()), of_client(CLIENT, 1))
    await client.submit((1, slow))
    await client.submit((2, slow))
    found: list[tuple[int, bytes]] = []
    while len(found) < 2:
        found += asking.decode_told(await client.server.collect(CLIENT, client.epoch, next(QUESTIONS))).told
    assert sorted((tag, outcome(data)) for tag, data in found) == [(1, 7), (2, 7)]
    told = await client.submit(client.ask(3, 0, key="b"))
    assert outcome(told.told[0][1]) == 1


@with_client
async def test_a_message_is_stored_before_it_is_acknowledged_and_is_one_however_often_it_comes(client: Client) -> None:
    post = client.ask(1, 5, POST)
    [(_, first)] = (await client.submit(post)).told
    await client.running.kill("s0.n0")
    await client.running.begin("s0.n0")
    await client.running.lead("s0.n0", [], old_is_dead=True)
    [(_, again)] = (await client.submit(post)).told
    assert outcome(first) == outcome(again)
    while await client.value() != 5:  # noqa: ASYNC110 - the host delivers it
        await asyncio.sleep(0.01)
    await asyncio.sleep(1)
    assert await client.value() == 5


@with_client
async def test_unknown_types_methods_and_arguments_are_refused_one_by_one(client: Client) -> None:
    good = client.ask(1, 2)
    bad_type = (2, Ask(CALL, partition_of("Nobody", "a"), "add", good[1].arguments, of_client(CLIENT, 2)))
    bad_method = (3, Ask(CALL, good[1].partition, "nothing", good[1].arguments, of_client(CLIENT, 3)))
    bad_arguments = (4, Ask(CALL, good[1].partition, "add", b"\xc1", of_client(CLIENT, 4)))
    told = dict((await client.submit(bad_type, bad_method, bad_arguments, good)).told)
    assert outcome(told[1]) == 2
    assert 2 not in told, "it is refused when the coordinator was asked for types"
    told |= dict(asking.decode_told(await client.server.collect(CLIENT, client.epoch, next(QUESTIONS))).told)
    names = [type(decode_outcome(told[tag], ANYTHING, 0).error).__name__ for tag in (2, 3)]
    assert names == ["UnknownType", "UnknownMethod"]
    assert decode_outcome(told[4], ANYTHING, 0).error is not None
    assert await client.value() == 2


def test_an_object_of_another_store_is_elsewhere() -> None:
    async def scenario() -> None:
        async with cluster(stores=2) as running:
            client = Client(running)
            placement = running.catalog.placement
            keys = [f"k{n}" for n in range(20)]
            elsewhere = next(k for k in keys if placement.owner(partition_of("Received", k)) is placement.stores[1])
            told = await client.submit(client.ask(1, 1, key=elsewhere))
            while not told.told:
                told = asking.decode_told(await client.server.collect(CLIENT, client.epoch, next(QUESTIONS)))
            assert told.told[0][1] == MOVED + placement.stores[1].identity

    run_virtually(scenario())


@with_client
async def test_a_host_whose_log_has_failed_says_that_it_cannot_tell(client: Client) -> None:
    running = client.running
    running.disks["s0.n0"].fail_next_flush = OSError("the disk is gone")
    told = await client.submit(*(client.ask(n, 2) for n in range(1, 4)), client.ask(4, 0, READ))
    assert told.told == [(n, AGAIN) for n in range(1, 5)]
    assert told.pending == 0


def test_a_users_key_and_a_clients_number_are_never_mistaken() -> None:
    async def scenario() -> None:
        async with cluster(stores=1) as running, running.connect():
            for key in ("\x00", "\x01x", "\x02"):
                assert await call(ref(Counter, "a").add(1), idempotency_key=key) == 1
                assert await call(ref(Counter, "a").add(1), idempotency_key=key) == 1
                assert await call(ref(Counter, "b").add(1), idempotency_key=key) == 1
                await ref(Counter, "a").add(-1)
                await ref(Counter, "b").add(-1)

    run_virtually(scenario())
