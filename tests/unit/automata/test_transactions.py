"""Transactions: several objects change together or not at all, one after the other."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from automata import Ref, call, effect, gather, object_type, readonly, ref, send, sleep, transaction
from automata.app import App
from automata.errors import AutomataError, InvalidArgument, ReadOnlyError, StateError
from automata.options import Options
from darq.limits import Limits
from darq.memory import MemoryStore
from tests.memory_app import crashing, in_app, in_embedded_app, in_loop, memory_app, settled

GATES: dict[str, asyncio.Event] = {}
RUNS: list[str] = []


@pytest.fixture(autouse=True)
def _fresh() -> None:
    GATES.clear()
    RUNS.clear()


class Insufficient(Exception):
    pass


@object_type
class Purse:
    key: str
    cents: int = 0
    notes: list[str] = []

    async def deposit(self, cents: int) -> int:
        self.cents += cents
        return self.cents

    async def withdraw(self, cents: int) -> int:
        self.cents -= cents
        self.notes.append(f"-{cents}")
        if self.cents < 0:
            raise Insufficient(self.cents)
        return self.cents

    async def hold(self, gate: str) -> None:
        self.cents += 1
        await GATES[gate].wait()
        self.cents += 1

    async def pass_on(self, other: Ref[Purse], cents: int) -> int:
        """Changes itself, then another, who comes back to it, then itself again."""
        self.cents -= cents
        await other.take_from(self, cents)
        self.cents += 1000
        return self.cents

    async def take_from(self, giver: Ref[Purse], cents: int) -> None:
        self.cents += cents
        await giver.deposit(1)

    async def wait(self, gate: str) -> None:
        await GATES[gate].wait()

    async def note(self, text: str) -> None:
        self.cents += len(text)

    async def leave(self, how: str) -> None:
        self.cents = 666
        raise {"exit": SystemExit, "cancel": asyncio.CancelledError, "interrupted": GeneratorExit}[how](how)

    async def tell(self, other: Ref[Purse]) -> None:
        send(other.deposit(5))

    @readonly
    async def get(self) -> int:
        return self.cents

    @readonly
    async def lines(self) -> list[str]:
        return self.notes


async def move(source: Any, target: Any, cents: int) -> tuple[int, int]:
    RUNS.append("move")
    left = await source.withdraw(cents)
    return left, await target.deposit(cents)


@object_type
class Broker:
    key: str
    moves: int = 0

    async def transfer(self, source: Ref[Purse], target: Ref[Purse], cents: int) -> tuple[int, int]:
        result = await transaction(move, source, target, cents)
        self.moves += 1
        return result

    async def run(self, name: str, *, a: Ref[Purse], b: Ref[Purse]) -> Any:
        return await transaction(BODIES[name], self, a, b)

    async def try_run(self, name: str, *, a: Ref[Purse], b: Ref[Purse]) -> str:
        try:
            await transaction(BODIES[name], self, a, b)
        except AutomataError as error:
            return f"{type(error).__name__}: {error}"
        return "nothing"

    async def later(self, a: Ref[Purse], gate: str) -> int:
        await transaction(a.deposit, 1)  # type: ignore[arg-type]
        await ref(Purse, "gated").wait(gate)
        return self.moves

    async def leave(self, a: Ref[Purse], how: str) -> None:
        await transaction(a.leave, how)

    async def send_many(self, target: Ref[Purse], count: int) -> int:
        for _ in range(count):
            send(target.deposit(1))
        return await transaction(target.deposit, 1000)

    async def send_large(self, a: Ref[Purse], b: Ref[Purse], size: int) -> str:
        async def body() -> None:
            await a.deposit(100)
            await b.deposit(-100)
            send(a.note("x" * size))

        try:
            await transaction(body)
        except InvalidArgument as error:
            return str(error)
        return "sent"

    async def inner_fails(self, a: Ref[Purse], b: Ref[Purse]) -> None:
        async def inner() -> None:
            await a.deposit(100)
            raise LookupError("inner")

        async def outer() -> None:
            await b.deposit(1)
            try:
                await transaction(inner)
            except LookupError:
                await b.deposit(2)

        await transaction(outer)

    @readonly
    async def look(self, a: Ref[Purse]) -> int:
        return await transaction(move, a, a, 1)  # type: ignore[return-value]

    @readonly
    async def count(self) -> int:
        return self.moves


async def caught(bank: Any, a: Any, b: Any) -> str:
    await a.deposit(1)
    try:
        await b.withdraw(1000)
    except Insufficient as error:
        await b.deposit(3)
        return f"caught {error.args[0]}"
    return "nothing"


async def uncaught(bank: Any, a: Any, b: Any) -> None:
    await a.deposit(1)
    await b.withdraw(1000)


async def reentrant(bank: Any, a: Any, b: Any) -> int:
    got: int = await a.pass_on(b, 10)
    return got


async def sends(bank: Any, a: Any, b: Any) -> None:
    await a.tell(b)
    send(b.deposit(2))
    await b.deposit(100)


async def gathers(bank: Any, a: Any, b: Any) -> list[int]:
    return await gather(a.deposit(1), b.deposit(2), a.get())


async def nested(bank: Any, a: Any, b: Any) -> tuple[int, int]:
    await a.deposit(10)
    return await transaction(move, a, b, 5)


async def with_effect(bank: Any, a: Any, b: Any) -> None:
    await a.deposit(1)
    await effect(print)


async def with_sleep(bank: Any, a: Any, b: Any) -> None:
    await a.deposit(1)
    await sleep(1)


async def with_foreign(bank: Any, a: Any, b: Any) -> None:
    await a.deposit(1)
    await asyncio.sleep(0)


async def with_key(bank: Any, a: Any, b: Any) -> None:
    await call(a.deposit(1), idempotency_key="k")


async def changes_own_object(bank: Any, a: Any, b: Any) -> None:
    bank.moves += 1


def plain(bank: Any, a: Any, b: Any) -> int:
    return 1


async def swallows(bank: Any, a: Any, b: Any) -> None:
    try:
        await a.deposit(1)
    except BaseException as swallowed:  # noqa: BLE001 - what a careless body may do
        RUNS.append(type(swallowed).__name__)
    await b.deposit(1)


async def both_in_turn(bank: Any, a: Any, b: Any) -> None:
    await b.deposit(1)
    await a.deposit(1)


async def own_object(bank: Any, a: Any, b: Any) -> None:
    await a.deposit(1)
    await ref("Broker", bank.key).transfer(a, b, 1)  # type: ignore[attr-defined]


BODIES: dict[str, Any] = {
    body.__name__: body
    for body in (
        *(caught, uncaught, reentrant, sends, gathers, nested, with_effect, with_sleep, with_foreign, with_key),
        *(changes_own_object, own_object, plain, swallows, both_in_turn),
    )
}

A, B, BANK = ref(Purse, "a"), ref(Purse, "b"), ref(Broker, "bank")


async def both() -> tuple[int, int]:
    return await A.get(), await B.get()


@in_app
async def test_all_calls_happen_together(app: App) -> None:
    await A.deposit(100)
    assert await BANK.transfer(A, B, 30) == (70, 30)
    assert await both() == (70, 30)
    assert await A.lines() == ["-30"]
    assert await BANK.count() == 1


@in_app
async def test_an_error_undoes_all_of_it_and_reaches_the_caller(app: App) -> None:
    await A.deposit(10)
    with pytest.raises(Insufficient):
        await BANK.transfer(A, B, 30)
    with pytest.raises(Insufficient):
        await BANK.run("uncaught", a=A, b=B)
    assert await both() == (10, 0)
    assert await A.lines() == []
    assert await BANK.count() == 0
    assert [key async for key in app.objects(Purse)] == ["a"]


@in_app
async def test_an_error_that_is_caught_undoes_its_call_alone(app: App) -> None:
    assert await BANK.run("caught", a=A, b=B) == "caught -1000"
    assert await both() == (1, 3)


@in_app
async def test_calls_within_come_back_to_an_object_that_is_in_the_middle(app: App) -> None:
    await A.deposit(50)
    assert await BANK.run("reentrant", a=A, b=B) == 1041
    assert await both() == (1041, 10)


@in_app
async def test_messages_leave_with_the_transaction(app: App) -> None:
    await BANK.run("sends", a=A, b=B)
    await settled(B.get, 107)


@in_app
async def test_gather_and_transactions_within(app: App) -> None:
    assert await BANK.run("gathers", a=A, b=B) == [1, 2, 1]
    assert await BANK.run("nested", a=A, b=B) == (6, 7)
    assert await both() == (6, 7)


@in_app
async def test_the_object_around_it_can_take_part(app: App) -> None:
    await A.deposit(5)
    await BANK.run("own_object", a=A, b=B)
    assert (await both(), await BANK.count()) == ((5, 1), 1)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("with_effect", "StateError: a transaction must not await effect"),
        ("with_sleep", "StateError: a transaction must not await sleep"),
        ("with_foreign", "StateError: .*awaits what is no automaton, in a transaction"),
        ("with_key", "InvalidArgument: .*takes no idempotency key"),
        ("changes_own_object", "StateError: Broker.moves was changed outside of a method"),
    ],
)
@in_app
async def test_what_must_not_be_done_within(app: App, name: str, expected: str) -> None:

    assert re.match(expected, await BANK.try_run(name, a=A, b=B))
    assert await both() == (0, 0)


@in_app
async def test_it_is_refused_outside_of_methods_and_in_readonly_ones(app: App) -> None:
    with pytest.raises(StateError, match="inside a method"):
        await transaction(move, A, B, 1)
    with pytest.raises(ReadOnlyError, match="transaction"):
        await BANK.look(A)
    with pytest.raises(InvalidArgument, match="async function"):
        await BANK.run("plain", a=A, b=B)


@in_embedded_app  # across stores, what it has met is held meanwhile: tests/cluster/test_transactions.py
async def test_it_waits_for_an_object_that_is_held_and_runs_again(app: App) -> None:
    await gather(A.deposit(100), B.deposit(100))
    GATES["g"] = asyncio.Event()
    holding = asyncio.create_task(B.hold("g"))  # type: ignore[arg-type]
    await asyncio.sleep(0.001)
    moving = asyncio.create_task(BANK.transfer(A, B, 1))  # type: ignore[arg-type]
    await asyncio.sleep(0.001)
    assert not moving.done()
    assert await A.deposit(5) == 105
    GATES["g"].set()
    await holding
    assert await moving == (104, 103)
    assert RUNS == ["move", "move"]


@in_app
async def test_a_body_that_swallows_what_was_in_its_way_is_run_again_all_the_same(app: App) -> None:
    GATES["g"] = asyncio.Event()
    holding = asyncio.create_task(A.hold("g"))  # type: ignore[arg-type]
    await asyncio.sleep(0.001)
    moving = asyncio.create_task(BANK.run("swallows", a=A, b=B))  # type: ignore[arg-type]
    await asyncio.sleep(0.001)
    GATES["g"].set()
    await gather(A.get())
    await asyncio.gather(holding, moving)
    assert await both() == (3, 1)


@in_app
async def test_it_comes_behind_all_messages_that_its_object_has_sent_before(app: App) -> None:
    assert await BANK.send_many(A, 5000) == 6000


@in_loop
async def test_an_object_that_it_needs_stays_in_memory_while_it_waits_for_another() -> None:
    async with memory_app(options=Options(entities_max=4)):
        GATES.update(a=asyncio.Event(), b=asyncio.Event(), again=asyncio.Event())
        holding_a, holding_b = asyncio.create_task(_hold(A, "a")), asyncio.create_task(_hold(B, "b"))
        await asyncio.sleep(0.001)
        moving = asyncio.create_task(_run(BANK.run("both_in_turn", a=A, b=B)))
        await asyncio.sleep(0.001)
        GATES["b"].set()  # it needs b, and now waits for a first, which comes before it
        await holding_b
        for n in range(20):
            await ref(Purse, f"other-{n}").deposit(1)
        again = asyncio.create_task(_hold(B, "again"))
        await asyncio.sleep(0.001)
        GATES["a"].set()
        await holding_a
        await asyncio.sleep(0.001)
        assert not moving.done()
        GATES["again"].set()
        await asyncio.gather(again, moving)
        assert await both() == (3, 5)


async def _hold(purse: Any, gate: str) -> None:
    await purse.hold(gate)


async def _run(invocation: Any) -> Any:
    return await invocation


@in_app
async def test_a_message_that_is_too_large_by_a_byte_undoes_all_of_it(app: App) -> None:
    limit = Limits().message_bytes_max
    for size in (limit - 1, limit - 10):
        assert "4194304" in await BANK.send_large(A, B, size)
        assert await both() == (0, 0)
    assert await BANK.send_large(A, B, limit - 200) == "sent"


@in_app
async def test_an_inner_transaction_that_fails_undoes_the_outer_one_too(app: App) -> None:
    with pytest.raises(LookupError):
        await BANK.inner_fails(A, B)
    assert await both() == (0, 0)


@pytest.mark.parametrize("how", ["exit", "cancel", "interrupted"])
@in_app
async def test_whatever_is_raised_leaves_nothing_behind(app: App, how: str) -> None:
    with pytest.raises(RuntimeError, match="leave raised"):
        await BANK.leave(A, how)
    assert await A.deposit(1) == 1


@in_loop
async def test_it_waits_behind_messages_that_cannot_be_delivered_yet_without_spinning() -> None:
    async with memory_app(limits=Limits(deliveries_running_max=1)):
        GATES["g"] = asyncio.Event()
        await send(B.hold("g"))
        await settled(B.get, 0)
        sent = asyncio.create_task(_run(BANK.send_many(A, 3)))
        turns = 0
        while not sent.done() and turns < 2000:
            turns += 1
            await asyncio.sleep(0)
        GATES["g"].set()
        assert await sent == 1003


@in_app
async def test_many_crossing_transactions_keep_the_sum(app: App) -> None:
    accounts = [ref(Purse, f"n{i}") for i in range(6)]
    await gather(*(account.deposit(100) for account in accounts))
    pairs = [(accounts[i % 6], accounts[(i * 5 + 1) % 6]) for i in range(300)]
    banks = [ref(Broker, f"bank{i}") for i in range(20)]
    done = await asyncio.gather(
        *(banks[i % 20].transfer(a, b, i % 7) for i, (a, b) in enumerate(pairs) if a != b), return_exceptions=True
    )
    assert all(isinstance(result, (tuple, Insufficient)) for result in done)
    assert sum(await gather(*(account.get() for account in accounts))) == 600


@in_loop
async def test_after_a_crash_it_is_not_done_again() -> None:
    store = MemoryStore()
    GATES["g"] = asyncio.Event()
    async with crashing(store):
        running = asyncio.create_task(call(BANK.later(A, "g"), idempotency_key="k"))  # type: ignore[arg-type]
        await settled(A.get, 1)
    await asyncio.gather(running, return_exceptions=True)
    async with memory_app(store):
        GATES["g"].set()
        assert await call(BANK.later(A, "g"), idempotency_key="k") == 0
        assert await A.get() == 1
