"""Methods that await other objects: A calls B, resumes, and ends, all in one flush; and transactions over two objects.

A transaction over two objects is held against two plain calls to them, one after the other: of a client, which needs no
method around them, and of a method like the one that the transaction is in.
A method without `await` pays for the journals of others: the hook that saves them with each group, beside one look at a
class attribute a step. It is held against the same engine without that hook.
"""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import ssms
from automata import Ref, object_type, ref, transaction
from automata.app import App
from benchmarks.calls import compare
from benchmarks.floors import CALLERS, COUNTERS, calls_per_second
from benchmarks.results import Result, absolute, against_floor, print_json, told

KEYS = [f"pair-{n}" for n in range(COUNTERS)]


@object_type(name="benchmarks.Purse")
class Purse:
    """Counts what it gives and takes, alone or with another."""

    cents: int = 0
    moves: int = 0

    async def add(self, cents: int) -> int:
        """Take some; say how much there is."""
        self.cents += cents
        return self.cents

    async def pass_on(self, other: Ref["Purse"]) -> int:
        """A-B-A: a commit point between two changes."""
        self.cents -= 1
        there = await other.add(1)
        self.moves += 1
        return there


async def move(source: Purse, target: Purse) -> int:
    """The body of the transaction."""
    await source.add(-1)
    return await target.add(1)


@object_type(name="benchmarks.Mover")
class Mover:
    """Moves between two others as one."""

    async def move(self, source: Ref[Purse], target: Ref[Purse]) -> int:
        """One transaction over two objects."""
        return await transaction(move, source, target)

    async def pair(self, source: Ref[Purse], target: Ref[Purse]) -> int:
        """The same as two calls, each by itself."""
        await source.add(-1)
        return await target.add(1)


def other(counter: int) -> Purse:
    """The neighbour."""
    return ref(Purse, KEYS[(counter + 1) % COUNTERS])


async def a_b_a(counter: int) -> None:
    """One call that calls another."""
    await ref(Purse, KEYS[counter]).pass_on(other(counter))


async def two_calls(counter: int) -> None:
    """Two plain calls of a client."""
    await ref(Purse, KEYS[counter]).add(-1)
    await other(counter).add(1)


async def transact(counter: int) -> None:
    """One transaction over two objects."""
    await ref(Mover, KEYS[counter]).move(ref(Purse, KEYS[counter]), other(counter))


async def call_both(counter: int) -> None:
    """The two calls from a method."""
    await ref(Mover, KEYS[counter]).pair(ref(Purse, KEYS[counter]), other(counter))


async def add(counter: int) -> None:
    """One plain call."""
    await ref(Purse, KEYS[counter]).add(1)


async def without_journals(app: App, measured: Callable[[], Awaitable[float]]) -> float:
    """Measure while no journal could be saved."""
    engine = app._engine  # noqa: SLF001 - a part of it is taken out, which nobody else may
    assert engine is not None
    hooks = engine.log.stagers
    engine.log.stagers = []
    try:
        return await measured()
    finally:
        engine.log.stagers = hooks


async def _measure(folder: Path, seconds: float, rounds: int) -> list[Result]:
    def rate(call: Callable[[int], Awaitable[None]]) -> Callable[[], Awaitable[float]]:
        return lambda: calls_per_second(call, CALLERS, seconds)

    async with ssms.open(folder / "store") as app:
        nested, pairs = await compare(rate(a_b_a), rate(two_calls), rounds)
        transactions = await compare(rate(transact), rate(two_calls), rounds)
        in_methods = await compare(rate(transact), rate(call_both), rounds)
        plain = await compare(rate(add), lambda: without_journals(app, rate(add)), rounds)
        before = (await app.stats())["groups_durable"]
        await a_b_a(0)
        groups = (await app.stats())["groups_durable"] - before
    return [
        absolute(f"A-B-A, {CALLERS} callers", "calls/s", nested, 10_000, 20_000),
        absolute("A-B-A, flushes of one call", "flushes", groups, 1, 0.9),
        told(f"two plain calls, {CALLERS} callers", "pairs/s", pairs),
        against_floor(f"add(1), {CALLERS} callers, with the hook of journals", "calls/s", plain, 0.95, 0.98),
        against_floor("transaction over two objects, against two calls of a client", "1/s", transactions, 0.5, 0.8),
        against_floor("the same, against the two calls from a method", "1/s", in_methods, 0.5, 0.8),
    ]


def measure(quick: bool) -> list[Result]:
    """Rates of methods that await, beside plain calls."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        return asyncio.run(_measure(Path(folder), *((0.05, 2) if quick else (0.5, 5))))


if __name__ == "__main__":
    print_json(measure)
