"""Code that differs from a journal is noticed, stops the method, and says where: it is never guessed what it meant."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from automata import List, Set, call, effect, gather, logger, now, object_type, random, readonly, ref, send, sleep
from automata.app import App
from automata.errors import Interrupted
from darq.memory import MemoryStore
from tests.memory_app import crashing, in_loop, listed, memory_app, settled
from tests.unit.automata.gates import Gatekeeper, close_gates, gate, journals, rows

CODE = ["as it was"]


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    CODE[0] = "as it was"
    close_gates()
    yield
    close_gates()


class Early(Exception):
    pass


def is_now(code: str) -> bool:
    """Whether the code was changed so."""
    return CODE[0] == code


@object_type
class Bell:
    key: str
    rung: int = 0

    async def ring(self) -> int:
        self.rung += 1
        return self.rung

    async def hum(self) -> int:
        return -1

    async def strike(self, times: int, note: str = "", labels: frozenset[str] = frozenset()) -> None:
        self.rung += times

    @readonly
    async def count(self) -> int:
        return self.rung


@object_type
class Script:
    key: str
    one: int = 1
    two: int = 2
    log: List[str]
    names: Set[str]

    async def run(self) -> str:
        try:
            return await self.parts()
        except Early:
            raise
        except Exception as error:  # noqa: BLE001 - what it must not be able to swallow
            return f"swallowed {type(error).__name__}"

    async def parts(self) -> str:
        self.log.append("begin")
        await ref(Bell, "b").ring()
        if is_now("ends earlier"):
            return "early"
        if is_now("raises earlier"):
            raise Early
        if is_now("reads another field"):
            assert self.two
        if is_now("reads a collection"):
            assert list(self.names)
        if is_now("awaits outside"):
            await asyncio.sleep(0)
        if is_now("writes something else"):
            self.two = 5
        if is_now("sends"):
            send(ref(Bell, "c").ring())
        drawn = self.draw()
        self.one += 1
        await self.second_await()
        await ref(Gatekeeper, "g").wait()
        self.log.append("end")
        return f"done {len(drawn)}"

    def draw(self) -> list[float]:
        drawn = [random(), now()] if is_now("draws in another order") else [now(), random()]
        if is_now("draws more"):
            drawn.append(now())
        return drawn

    async def second_await(self) -> None:
        if is_now("calls another method"):
            await ref(Bell, "b").hum()
        elif is_now("calls another object"):
            await ref(Bell, "z").ring()
        elif is_now("gathers"):
            await gather(ref(Bell, "b").ring())
        elif is_now("sleeps"):
            await sleep(0)
        elif is_now("has an effect"):
            await effect(len, "")
        else:
            await ref(Bell, "b").ring()

    async def pay(self, what: str) -> None:
        cents = 200 if is_now("other arguments") else 100
        labels = {str(n) for n in (range(50, 0, -1) if is_now("other arguments") else range(51))}
        if what == "call":
            await ref(Bell, "b").strike(cents)
        elif what == "gather":
            await gather(ref(Bell, "b").strike(1), ref(Bell, "c").strike(7, f"{cents}"))
        elif what == "effect":
            await effect(float, cents)
        elif what == "named":
            await effect(dict, a=1, b=cents)
        else:
            await ref(Bell, "b").strike(1, labels=frozenset(labels))
        await ref(Gatekeeper, "g").wait()

    async def ask(self, other: str) -> str:
        try:
            return await ref(Script, other).run()
        except Interrupted as error:
            return f"gave up: {error}"

    async def talk(self) -> None:
        logger.warning("first part")
        await ref(Bell, "b").ring()
        logger.warning("second part")
        await ref(Gatekeeper, "g").wait()
        logger.warning("third part")

    @readonly
    async def told(self) -> list[str]:
        return list(self.log)


CHANGES = {
    "ends earlier": "part 2 of 3 .*ends, where it had awaited call.Bell/b ring",
    "raises earlier": "part 2 of 3 .*raises Early, where it had awaited",
    "reads another field": "part 2 of 3 .*reads 'two', which it had not read",
    "reads a collection": "part 2 of 3 .*reads 'names', which it had not read",
    "awaits outside": "part 2 of 3 .*awaits what is no automaton",
    "writes something else": "part 2 of 3 .*has changed or sent something else",
    "sends": "part 2 of 3 .*has changed or sent something else",
    "draws in another order": r"part 2 of 3 .*asks for random\(\) as number 1 .* had asked for now\(\)",
    "draws more": r"part 2 of 3 .*asks for now\(\) as number 3 .* nothing more",
    "calls another method": "part 2 of 3 .*awaits call.Bell/b hum., where it had awaited call.Bell/b ring",
    "calls another object": "part 2 of 3 .*awaits call.Bell/z ring., where",
    "gathers": "part 2 of 3 .*awaits gather.*, where it had awaited call",
    "sleeps": "part 2 of 3 .*, where it had",
    "has an effect": r"part 2 of 3 .*awaits effect\(len\), where it had awaited call",
}


@asynccontextmanager
async def resumed(store: MemoryStore, code: str, first: str = "run") -> AsyncIterator[App]:
    """An app in which a Script that has waited at the gate is resumed with changed code."""
    async with crashing(store) as app:
        method: Any = ref(Script, "s").run() if first == "run" else ref(Script, "a").ask("s")
        started = asyncio.ensure_future(call(method, idempotency_key="k"))
        await settled(lambda: _parts(app), 3)
        await app._engine.host.committer.settle()  # type: ignore[union-attr]
    await asyncio.gather(started, return_exceptions=True)
    close_gates()
    CODE[0] = code
    async with memory_app(store) as app:
        yield app


async def _parts(app: App) -> int:
    return max((len(journal.parts) for journal in journals(app)), default=0)


async def stopped(app: App) -> Any:
    """The letter about the one method that waits for a person."""

    async def count() -> int:
        return len(await listed(app.interrupted()))

    await settled(count, 1)
    [letter] = await listed(app.interrupted())
    return letter


def again() -> Any:
    """The call under its key once more."""
    return call(ref(Script, "s").run(), idempotency_key="k")


@pytest.mark.parametrize("code", sorted(CHANGES))
@in_loop
async def test_a_method_that_does_something_else_stops_and_says_where(code: str) -> None:
    store = MemoryStore()
    async with resumed(store, code) as app:
        letter = await stopped(app)
        assert (letter.ref, letter.method) == (ref(Script, "s"), "run")
        assert "Script/s run" in letter.error
        assert re.search(CHANGES[code], letter.error), letter.error
        with pytest.raises(Interrupted, match="not run a second time"):
            await again()
        assert await ref(Bell, "b").count() == 2
        assert await ref(Script, "s").told() == ["begin"]
    async with memory_app(store) as app:  # and it waits in the next life as well
        assert (await stopped(app)).error == letter.error
        with pytest.raises(Interrupted):
            await again()


@in_loop
async def test_retry_resumes_once_the_code_is_mended() -> None:
    async with resumed(MemoryStore(), "ends earlier") as app:
        letter = await stopped(app)
        await app.retry(letter.id)
        letter = await stopped(app)  # not mended yet
        CODE[0] = "as it was"
        await app.retry(letter.id)
        assert await listed(app.interrupted()) == []
        gate("g").set()
        assert await again() == "done 2"
        assert await ref(Script, "s").told() == ["begin", "end"]
        assert await ref(Bell, "b").count() == 2


@pytest.mark.parametrize("code", ["calls another method", "ends earlier"])
@in_loop
async def test_restart_runs_the_method_anew(code: str) -> None:
    store = MemoryStore()
    async with resumed(store, code) as app:
        letter = await stopped(app)
        await app.restart(letter.id)
        gate("g").set()
        assert await again() == ("early" if code == "ends earlier" else "done 2")
        assert (await ref(Script, "s").told())[:2] == ["begin", "begin"]
        assert await listed(app.interrupted()) == []
    assert rows(store.reopen()) == 0


@in_loop
async def test_a_restarted_method_survives_a_crash_in_its_second_run() -> None:
    store = MemoryStore()
    async with resumed(store, "calls another method") as app:
        letter = await stopped(app)
    async with crashing(store) as app:
        await app.restart(letter.id)
        await settled(lambda: _parts(app), 3)
        await app._engine.host.committer.settle()  # type: ignore[union-attr]
    async with memory_app(store) as app:
        gate("g").set()
        assert await again() == "done 2"
        assert await ref(Script, "s").told() == ["begin", "begin", "end"]
        assert await ref(Bell, "b").count() == 3  # twice in the first run, once in the second
    assert rows(store.reopen()) == 0


@in_loop
async def test_discard_gives_the_method_up_and_its_key_says_so() -> None:
    store = MemoryStore()
    async with resumed(store, "ends earlier") as app:
        await app.discard((await stopped(app)).id)
        assert await listed(app.interrupted()) == []
        with pytest.raises(Interrupted):
            await again()
    assert rows(store.reopen()) == 0
    async with memory_app(store):
        with pytest.raises(Interrupted):
            await again()
        assert await ref(Script, "s").told() == ["begin"]


@in_loop
async def test_who_waits_for_a_discarded_method_is_told() -> None:
    store = MemoryStore()
    async with resumed(store, "ends earlier", "ask") as app:
        letter = await stopped(app)
        waiting = asyncio.ensure_future(call(ref(Script, "a").ask("s"), idempotency_key="k"))
        await app.discard(letter.id)
        assert (await waiting).startswith("gave up: Script/s run stopped after 3 committed parts")
    assert rows(store.reopen()) == 0


@in_loop
async def test_who_waits_for_a_mended_method_gets_its_result() -> None:
    async with resumed(MemoryStore(), "ends earlier", "ask") as app:
        letter = await stopped(app)
        waiting = asyncio.ensure_future(call(ref(Script, "a").ask("s"), idempotency_key="k"))
        CODE[0] = "as it was"
        await app.retry(letter.id)
        gate("g").set()
        assert await waiting == "done 2"


@in_loop
async def test_who_waits_for_a_restarted_method_gets_the_result_of_its_second_run() -> None:
    store = MemoryStore()
    async with resumed(store, "ends earlier", "ask") as app:
        letter = await stopped(app)
        waiting = asyncio.ensure_future(call(ref(Script, "a").ask("s"), idempotency_key="k"))
        await app.restart(letter.id)
        assert await waiting == "early"
    assert rows(store.reopen()) == 0


@in_loop
async def test_the_logger_does_not_repeat_itself(caplog: pytest.LogCaptureFixture) -> None:
    store = MemoryStore()
    async with crashing(store) as app:
        started = asyncio.ensure_future(call(ref(Script, "s").talk(), idempotency_key="k"))
        await settled(lambda: _parts(app), 2)
        await app._engine.host.committer.settle()  # type: ignore[union-attr]
    await asyncio.gather(started, return_exceptions=True)
    close_gates()
    async with memory_app(store):
        gate("g").set()
        await call(ref(Script, "s").talk(), idempotency_key="k")
    assert [r.getMessage() for r in caplog.records if r.name == "automata"] == [
        "Script/s: first part",
        "Script/s: second part",
        "Script/s: third part",
    ]


ARGUMENTS = {
    "call": r"awaits call\(Bell/b strike\) with another value of argument 1 of Bell/b strike",
    "gather": r"awaits gather\(Bell/b strike, Bell/c strike\) with another value of argument 2 of Bell/c strike",
    "effect": r"awaits effect\(float\) with another value of argument 1 of float",
    "named": r"awaits effect\(dict\) with another value of argument 2 of dict",
    "a set": "",
}


@pytest.mark.parametrize("what", sorted(ARGUMENTS))
@in_loop
async def test_other_arguments_are_noticed_if_they_are_plain(what: str) -> None:
    store = MemoryStore()
    async with crashing(store) as app:
        started = asyncio.ensure_future(call(ref(Script, "s").pay(what), idempotency_key="k"))
        await settled(lambda: _parts(app), 2)
        await app._engine.host.committer.settle()  # type: ignore[union-attr]
    await asyncio.gather(started, return_exceptions=True)
    close_gates()
    CODE[0] = "other arguments"
    async with memory_app(store) as app:
        if ARGUMENTS[what]:
            letter = await stopped(app)
            assert re.search(ARGUMENTS[what], letter.error), letter.error
            CODE[0] = "as it was"
            await app.retry(letter.id)
        gate("g").set()
        await call(ref(Script, "s").pay(what), idempotency_key="k")
