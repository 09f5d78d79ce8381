"""A method that awaits other objects commits at each await, and resumes exactly there after a crash."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel

from automata import (
    List,
    Map,
    Ref,
    call,
    effect,
    gather,
    now,
    object_type,
    random,
    readonly,
    ref,
    send,
    sleep,
    testing,
    uuid4,
)
from automata.errors import CallTimeout, InvalidArgument, RemoteError, StateError, UnjournaledAwait
from automata.options import Options
from automata.testing import VirtualApp, crash_everywhere
from darq.limits import Limits
from darq.memory import MemoryStore
from tests.memory_app import crashing, in_app, in_embedded_app, in_loop, listed, memory_app, settled, slow_disk
from tests.unit.automata.gates import Gatekeeper, close_gates, gate, journals, rows

DONE: list[str] = []


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    close_gates()
    DONE.clear()
    yield
    close_gates()


class Line(BaseModel):
    text: str = ""
    tags: list[str] = []


class Broken(Exception):
    def __init__(self, part: str, code: int) -> None:
        super().__init__(part)
        self.code = code


def done(what: str) -> str:
    DONE.append(what)
    return what


async def done_later(what: str) -> str:
    await asyncio.sleep(0)
    return done(what)


@object_type
class Tally:
    key: str
    count: int = 0
    notes: List[str]

    async def add(self, note: str = "") -> int:
        self.count += 1
        self.notes.append(note)
        return self.count

    async def refuse(self, text: str) -> None:
        self.count += 1
        raise Broken(text, 7)

    async def echo(self, value):  # type: ignore[no-untyped-def]
        self.count += 1
        return value

    async def line(self) -> Line:
        self.count += 1
        return Line(text="a", tags=["b"])

    async def raise_local(self) -> None:
        class Unknown(Exception):
            pass

        raise Unknown("who")

    @readonly
    async def seen(self) -> list[str]:
        return list(self.notes)

    @readonly
    async def total(self) -> int:
        return self.count


@object_type
class Walker:
    key: str
    n: int = 0
    log: List[str]
    table: Map[str, int]

    async def set(self, n: int) -> None:
        self.n = n

    async def put(self, key: str) -> None:
        self.table[key] = 1

    @readonly
    async def told(self) -> list[str]:
        return list(self.log)

    async def walk(self, steps: int) -> int:
        for step in range(steps):
            self.n += 1
            self.log.append(f"{step}")
            send(ref(Tally, "sent").add(f"{step}"))
            await ref(Tally, "called").add(f"{step}")
        self.log.append("end")
        return self.n

    async def read_then_wait(self) -> list[int]:
        before = self.n
        await ref(Gatekeeper, "g").wait()
        return [before, self.n]

    async def draw(self) -> list[str]:
        drawn = [repr(now()), str(uuid4()), repr(random())]
        self.log.extend(drawn)
        await ref(Gatekeeper, "g").wait()
        return drawn

    async def collect(self) -> list[str]:
        tally, got = ref(Tally, "t"), []
        for value in VALUES:
            echo = await tally.echo(value)
            got.append(repr(echo))
        got.append(repr(await tally.line()))
        for failing in (tally.refuse("no"), tally.raise_local()):
            try:
                await failing
            except Exception as error:  # noqa: BLE001 - whatever it is, it must repeat
                got.append(f"{type(error).__name__} {error.args} {vars(error).get('code')}")
        await ref(Gatekeeper, "g").wait()
        self.log.extend(got)
        return got

    async def each(self) -> list[str]:
        seen = []
        for key in self.table:
            seen.append(key)
            await ref(Gatekeeper, key).wait()
        return seen

    async def nap(self, seconds: float) -> list[float]:
        begun = now()
        await sleep(seconds)
        return [begun, now()]

    async def order(self, slow: bool) -> str:
        token = str(uuid4())
        self.log.append(token)
        await effect(done_later if slow else done, token)
        await ref(Tally, "t").add(token)
        await effect(done, f"{token} end")
        return token

    async def change_between(self) -> None:
        self.log.append("x")
        lines = Line(text="mine")
        got = await ref(Tally, "t").echo([1])
        got.append(2)
        lines.tags.append("y")
        await ref(Gatekeeper, "g").wait()
        self.log.append(repr(got))


VALUES: list[Any] = [
    None,
    True,
    2**80,
    -1.5,
    "é\x00",
    b"\xff",
    Decimal("1.50"),
    datetime(2030, 1, 2, 3, tzinfo=UTC),
    uuid.UUID(int=5),
    [1, {"a": [None]}],
    (1, "two"),
]


# each part once


async def walking(app: VirtualApp) -> None:
    assert await ref(Walker, "w").walk(4) == 4
    await asyncio.sleep(1)
    assert await ref(Walker, "w").told() == ["0", "1", "2", "3", "end"]
    assert await ref(Tally, "called").seen() == ["0", "1", "2", "3"]
    assert await ref(Tally, "sent").seen() == ["0", "1", "2", "3"]


def test_each_part_happens_once_wherever_the_process_dies() -> None:
    assert crash_everywhere(walking).boundaries > 8
    crash_everywhere(walking, limits=Limits(group_steps_max=2, inline_flush_seconds_max=1e9))


def test_each_part_happens_once_on_a_slow_disk() -> None:
    crash_everywhere(walking, limits=Limits(group_steps_max=1, inline_flush_seconds_max=-1.0))


async def chatting(app: VirtualApp) -> None:
    assert await ref(Caller, "a").chat(["b", "c"]) == "a(b(c))"
    for key in "abc":
        assert await ref(Caller, key).told() == [f"{key} begins", f"{key} ends"]


@object_type
class Caller:
    key: str
    log: List[str]

    @readonly
    async def told(self) -> list[str]:
        return list(self.log)

    async def chat(self, others: list[str]) -> str:
        self.log.append(f"{self.key} begins")
        inner = f"({await ref(Caller, others[0]).chat(others[1:])})" if others else ""
        await ref(Tally, "chat").add(self.key)
        self.log.append(f"{self.key} ends")
        return self.key + inner

    async def wait_behind(self, others: list[str]) -> str:
        self.log.append(f"{self.key} begins")
        if others:
            inner = await ref(Caller, others[0]).wait_behind(others[1:])
        else:
            inner = str(await ref(Gatekeeper, "g").wait())
        self.log.append(f"{self.key} ends")
        return f"{self.key}({inner})"

    async def ping(self, other: str, depth: int) -> int:
        self.log.append(f"{depth}")
        if not depth:
            return await ref(Gatekeeper, "g").wait()
        return 1 + await ref(Caller, other).ping(self.key, depth - 1)

    async def many(self, count: int) -> int:
        waits = [ref(Gatekeeper, f"g{n % 3}").wait() for n in range(count)]
        return sum(await gather(*waits))

    async def each_once(self, count: int) -> list[int]:
        calls = [ref(Caller, f"m{n}").one(n) for n in range(count)]
        return await gather(*calls)

    async def one(self, n: int) -> int:
        self.log.append("begun")
        if n % 3 == 1:
            await ref(Gatekeeper, f"{n}").wait()
        if n % 3 == 2:
            await ref(Tally, "n").total()
        self.log.append("ended")
        return n

    async def keyed(self) -> list[int]:
        tally = ref(Tally, "t")
        first = await call(tally.add("k"), idempotency_key="k")
        second = await call(tally.add("k"), idempotency_key="k")
        await ref(Gatekeeper, "g").wait()
        return [first, second, await call(tally.add("k"), idempotency_key="k")]

    async def keyed_wait(self, other: str) -> str:
        return await call(ref(Caller, other).wait_behind([]), idempotency_key="k")

    async def gather_errors(self) -> str:
        tally = ref(Tally, "t")
        try:
            await gather(tally.add(), tally.refuse("first"), tally.refuse("second"), tally.add())
        except Broken as error:
            caught = f"{error.args[0]} {error.code}"
        await ref(Gatekeeper, "g").wait()
        return caught


def test_nested_calls_happen_once_wherever_the_process_dies() -> None:
    crash_everywhere(chatting)
    crash_everywhere(chatting, limits=Limits(group_steps_max=3, inline_flush_seconds_max=1e9))


async def through_a_crash(first: Any, opens: tuple[str, ...] = ("g",), **limits: Any) -> tuple[MemoryStore, Any]:
    """Start `first()` under a key, crash once it waits, let it go on in a next life, and give its result."""
    store = MemoryStore()
    async with crashing(store, Limits(**limits)) as app:
        started = asyncio.ensure_future(call(first(), idempotency_key="the call"))
        await _durable(app)
    await asyncio.gather(started, return_exceptions=True)
    close_gates()
    async with memory_app(store):
        again = asyncio.ensure_future(call(first(), idempotency_key="the call"))
        for name in opens:
            gate(name).set()
        return store, await again


async def _durable(app: Any) -> None:
    """Wait until methods wait at gates, and all before that is durable."""
    for _ in range(12):
        await asyncio.sleep(0)
    await app._engine.host.committer.settle()
    assert journals(app)


# what a resumed method sees


@in_loop
async def test_reads_before_the_await_come_from_the_journal_and_later_ones_from_the_object() -> None:
    store = MemoryStore()
    async with crashing(store) as app:
        await ref(Walker, "w").set(1)
        started = asyncio.ensure_future(call(ref(Walker, "w").read_then_wait(), idempotency_key="k"))
        await _durable(app)
        await ref(Walker, "w").set(5)
    await asyncio.gather(started, return_exceptions=True)
    close_gates()
    async with memory_app(store):
        gate("g").set()
        assert await call(ref(Walker, "w").read_then_wait(), idempotency_key="k") == [1, 5]


@in_loop
async def test_time_and_chance_repeat() -> None:
    store, drawn = await through_a_crash(lambda: ref(Walker, "w").draw())
    async with memory_app(store):
        assert await ref(Walker, "w").told() == drawn


@in_loop
async def test_awaited_results_of_all_kinds_and_exceptions_repeat_as_delivered() -> None:
    gate("g").set()
    async with memory_app():
        undisturbed = await ref(Walker, "w").collect()
    assert undisturbed[-2:] == ["Broken ('no',) 7", undisturbed[-1]]
    assert undisturbed[-1].startswith(RemoteError.__name__)
    close_gates()
    store, resumed = await through_a_crash(lambda: ref(Walker, "w").collect())
    assert resumed == undisturbed
    async with memory_app(store):
        assert await ref(Tally, "t").total() == len(VALUES) + 1  # `refuse` was rolled back


@in_loop
async def test_an_iteration_goes_on_behind_its_last_key() -> None:
    store = MemoryStore()
    async with crashing(store) as app:
        for key in "bdf":
            await ref(Walker, "w").put(key)
        gate("b").set()
        started = asyncio.ensure_future(call(ref(Walker, "w").each(), idempotency_key="k"))
        await _durable(app)
        for key in "aceg":
            await ref(Walker, "w").put(key)
    await asyncio.gather(started, return_exceptions=True)
    close_gates()
    async with memory_app(store):
        for key in "abcdefg":
            gate(key).set()
        assert await call(ref(Walker, "w").each(), idempotency_key="k") == ["b", "d", "e", "f", "g"]


@in_loop
async def test_a_result_that_the_method_has_changed_is_as_it_came_when_run_again() -> None:
    store, _ = await through_a_crash(lambda: ref(Walker, "w").change_between())
    async with memory_app(store):
        assert await ref(Walker, "w").told() == ["x", "[1, 2]"]


def test_a_sleep_keeps_its_due_time_across_a_crash() -> None:
    async def scenario(app: VirtualApp) -> list[float]:
        sleeping = asyncio.ensure_future(ref(Walker, "w").nap(100))
        await asyncio.sleep(60)
        await app.crash()
        return await sleeping

    begun, ended = testing.run(scenario)
    assert ended - begun == pytest.approx(100, abs=0.5)


# effects


@pytest.mark.parametrize("slow", [False, True])
def test_effects_go_out_with_durable_tokens_and_never_again_once_recorded(slow: bool) -> None:
    async def ordering(app: VirtualApp) -> None:
        DONE.clear()
        token = await ref(Walker, "w").order(slow)
        assert await ref(Walker, "w").told() == [token]
        assert set(DONE) == {token, f"{token} end"}
        assert sorted(DONE) == DONE  # none is repeated behind a later one
        assert await ref(Tally, "t").seen() == [token]

    if slow:
        crash_everywhere(ordering)
        crash_everywhere(ordering, limits=slow_disk())
    else:  # a thread does not know virtual time
        asyncio.run(_ordering_once())


async def _ordering_once() -> None:
    async with memory_app():
        token = await ref(Walker, "w").order(False)
        assert [token, f"{token} end"] == DONE


@in_loop
async def test_an_effect_that_was_cut_off_runs_again_with_the_same_token() -> None:
    store = MemoryStore()
    async with crashing(store) as app:
        started = asyncio.ensure_future(call(ref(Outsider, "o").pay(), idempotency_key="k"))
        await settled(lambda: _value(len(DONE)), 1)
        assert rows(store) > 0
        assert app is not None
    await asyncio.gather(started, return_exceptions=True)
    close_gates()
    async with memory_app(store):
        gate("pay").set()
        token = await call(ref(Outsider, "o").pay(), idempotency_key="k")
        assert [token, token] == DONE


async def _value(value: object) -> object:
    return value


async def pay(token: str) -> None:
    DONE.append(token)
    await gate("pay").wait()


def raise_broken() -> None:
    DONE.append("raised")
    raise Broken("outside", 9)


async def raise_cancelled() -> None:
    raise asyncio.CancelledError


@object_type
class Outsider:
    key: str
    token: str = ""

    async def pay(self) -> str:
        token = str(uuid4())
        await effect(pay, token)
        return token

    async def outcome(self, name: str) -> str:
        try:
            given = repr(await effect(EFFECTS[name]))
        except Exception as error:  # noqa: BLE001 - whatever it is, it must repeat
            given = f"{type(error).__name__} {error.args[0]}"
        await ref(Gatekeeper, "g").wait()
        return given

    async def recorded_then_slow(self) -> None:
        await effect(done, "once")
        await gate("slow").wait()


EFFECTS: dict[str, Any] = {
    "raises": raise_broken,
    "unencodable": lambda: DONE.append("ran") or object(),
    "no unicode": lambda: "\ud800",
    "cancelled": raise_cancelled,
    "value": lambda: {"a": [1, 2.5]},
}


@pytest.mark.parametrize("name", sorted(EFFECTS))
@in_loop
async def test_what_an_effect_gave_is_kept_whatever_it_is(name: str) -> None:
    gate("g").set()
    async with memory_app():
        undisturbed = await ref(Outsider, "o").outcome(name)
    close_gates()
    DONE.clear()
    _, resumed = await through_a_crash_of_effects(name)
    assert resumed == undisturbed
    assert len(DONE) <= 1
    expected = {"raises": "Broken outside", "value": "{'a': [1, 2.5]}", "cancelled": "RuntimeError"}
    assert undisturbed.startswith(expected.get(name, "InvalidArgument"))


async def through_a_crash_of_effects(name: str) -> tuple[MemoryStore, Any]:
    store = MemoryStore()
    async with crashing(store) as app:
        started = asyncio.ensure_future(call(ref(Outsider, "o").outcome(name), idempotency_key="k"))
        await settled(lambda: _value([len(j.parts) for j in journals(app)]), [2])
        await _durable(app)
    await asyncio.gather(started, return_exceptions=True)
    close_gates()
    async with memory_app(store):
        gate("g").set()
        return store, await call(ref(Outsider, "o").outcome(name), idempotency_key="k")


@in_loop
async def test_an_effect_is_recorded_though_its_method_goes_on_with_something_slow() -> None:
    store = MemoryStore()
    async with crashing(store) as app:
        started = asyncio.ensure_future(call(ref(Outsider, "o").recorded_then_slow(), idempotency_key="k"))
        await settled(lambda: _value([len(j.answers) for j in journals(app)]), [1])
        await app._engine.host.committer.settle()  # type: ignore[union-attr]
    await asyncio.gather(started, return_exceptions=True)
    close_gates()
    async with memory_app(store):
        gate("slow").set()
        await call(ref(Outsider, "o").recorded_then_slow(), idempotency_key="k")
        assert DONE == ["once"]


@in_embedded_app
async def test_readonly_methods_keep_no_journal_and_have_no_effects(app: Any) -> None:
    @object_type
    class Onlooker:
        key: str

        @readonly
        async def look(self) -> int:
            first = await ref(Tally, "t").total()
            assert not journals(app)
            return first

        @readonly
        async def act(self) -> None:
            await effect(done, "never")

        @readonly
        async def nap(self) -> None:
            await sleep(1)

    assert await ref(Onlooker, "o").look() == 0
    for refused in (ref(Onlooker, "o").act(), ref(Onlooker, "o").nap()):
        with pytest.raises(Exception, match="readonly"):
            await refused
    assert DONE == []


# nested calls


@in_loop
async def test_a_chain_of_unfinished_methods_resumes_and_attaches() -> None:
    store, result = await through_a_crash(lambda: ref(Caller, "a").wait_behind(["b", "c"]))
    assert result == "a(b(c(1)))"
    async with memory_app(store):
        for key in "abc":
            assert await ref(Caller, key).told() == [f"{key} begins", f"{key} ends"]
        assert rows(store) == 0


@in_loop
async def test_a_cycle_of_unfinished_methods_resumes() -> None:
    store, result = await through_a_crash(lambda: ref(Caller, "a").ping("b", 5))
    assert result == 6
    async with memory_app(store):
        assert await ref(Caller, "a").told() == ["5", "3", "1"]
        assert await ref(Caller, "b").told() == ["4", "2", "0"]


@in_loop
async def test_a_gather_of_done_open_and_unbegun_calls_makes_each_once() -> None:
    opens = tuple(str(n) for n in range(300))
    for half in range(0, 300, 2):
        gate(str(half)).set()
    store, result = await through_a_crash(lambda: ref(Caller, "a").each_once(300), opens, group_steps_max=7)
    assert result == list(range(300))
    async with memory_app(store):
        for n in range(300):
            assert await ref(Caller, f"m{n}").told() == ["begun", "ended"]


@in_loop
async def test_calls_that_queue_for_one_object_at_the_crash_are_made_once() -> None:
    store, result = await through_a_crash(lambda: ref(Caller, "a").many(9), ("g0", "g1", "g2"))
    assert result == 3 * (1 + 2 + 3)
    async with memory_app(store):
        assert rows(store) == 0


@in_loop
async def test_a_key_inside_a_method_works_as_outside() -> None:
    store, result = await through_a_crash(lambda: ref(Caller, "a").keyed())
    assert result == [1, 1, 1]
    async with memory_app(store):
        assert await ref(Tally, "t").total() == 1


@in_loop
async def test_a_keyed_call_joins_the_unfinished_method_of_its_key() -> None:
    store = MemoryStore()
    async with crashing(store) as app:
        outside = asyncio.ensure_future(call(ref(Caller, "b").wait_behind([]), idempotency_key="k"))
        await asyncio.sleep(0)
        inside = asyncio.ensure_future(call(ref(Caller, "a").keyed_wait("b"), idempotency_key="k"))
        await _durable(app)
    await asyncio.gather(outside, inside, return_exceptions=True)
    close_gates()
    async with memory_app(store):
        gate("g").set()
        assert await call(ref(Caller, "a").keyed_wait("b"), idempotency_key="k") == "b(1)"
        assert await ref(Caller, "b").told() == ["b begins", "b ends"]


@in_loop
async def test_the_first_error_of_a_gather_repeats() -> None:
    _, result = await through_a_crash(lambda: ref(Caller, "a").gather_errors())
    assert result == "first 7"


# giving up


@object_type
class Impatient:
    key: str
    log: List[str]

    @readonly
    async def told(self) -> list[str]:
        return list(self.log)

    async def hurry(self, how: str, behind: str) -> list[str]:
        try:
            if how == "timeout":
                async with asyncio.timeout(0.02):
                    await ref(Gatekeeper, "late").wait()
            elif how == "gather":
                async with asyncio.timeout(0.02):
                    await gather(ref(Tally, "t").add(), ref(Gatekeeper, "late").wait())
            elif how == "sleep":
                async with asyncio.timeout(0.02):
                    await sleep(3600)
            elif how == "effect":
                async with asyncio.timeout(0.02):
                    await effect(pay, "x")
            else:
                await call(ref(Gatekeeper, "late").wait(), timeout=0.02)
        except (TimeoutError, CallTimeout) as error:
            self.log.append(type(error).__name__)
        await ref(Gatekeeper, behind).wait()
        self.log.append("end")
        return list(self.log)


@pytest.mark.parametrize("how", ["timeout", "gather", "sleep", "effect", "call"])
@in_loop
async def test_an_await_that_was_given_up_is_given_up_again(how: str) -> None:
    store = MemoryStore()
    async with crashing(store) as app:
        started = asyncio.ensure_future(call(ref(Impatient, "i").hurry(how, "g"), idempotency_key="k"))
        await settled(lambda: _value([len(j.parts) for j in journals(app)]), [2])
        await _durable(app)
        gate("late").set()  # the late reply comes, and counts for nothing
        await settled(ref(Tally, "x").total, 0)
        await app._engine.host.committer.settle()  # type: ignore[union-attr]
    await asyncio.gather(started, return_exceptions=True)
    close_gates()
    async with memory_app(store):
        gate("g").set()
        gate("late").set()
        told = await call(ref(Impatient, "i").hurry(how, "g"), idempotency_key="k")
        assert told == ["CallTimeout" if how == "call" else "TimeoutError", "end"]
        assert await ref(Impatient, "i").told() == told
        assert rows(store) == 0


@in_loop
async def test_a_resumed_call_keeps_its_timeout() -> None:
    store = MemoryStore()
    async with crashing(store) as app:
        started = asyncio.ensure_future(call(ref(Patient, "p").wait_for("q", 0.05), idempotency_key="k"))
        await _durable(app)
    await asyncio.gather(started, return_exceptions=True)
    close_gates()
    async with memory_app(store):
        assert await call(ref(Patient, "p").wait_for("q", 0.05), idempotency_key="k") == "CallTimeout"
        gate("g").set()
        await settled(ref(Caller, "q").told, ["q begins", "q ends"])


@object_type
class Patient:
    key: str

    async def wait_for(self, other: str, seconds: float) -> str:
        try:
            return await call(ref(Caller, other).wait_behind([]), timeout=seconds)
        except CallTimeout as error:
            return type(error).__name__


@in_embedded_app
async def test_a_method_goes_on_when_its_client_gives_up(app: Any) -> None:
    started = asyncio.ensure_future(ref(Caller, "a").wait_behind(["b"]))
    await _durable(app)
    started.cancel()
    await asyncio.gather(started, return_exceptions=True)
    gate("g").set()
    await settled(ref(Caller, "a").told, ["a begins", "a ends"])


# on disk


@in_loop
async def test_a_method_that_suspends_and_ends_within_a_group_leaves_nothing_on_disk() -> None:
    store = MemoryStore()
    written: list[bytes] = []
    async with memory_app(store) as app:
        app._engine.log.stagers.append(lambda group: written.extend(group.rows))  # type: ignore[union-attr]
        assert await ref(Walker, "w").walk(3) == 3
    assert written
    assert not [key for key in written if key[:1] in (b"\x50", b"\x51")]


@in_loop
async def test_all_rows_are_gone_when_the_method_has_ended() -> None:
    for first in (lambda: ref(Caller, "a").wait_behind(["b", "c"]), lambda: ref(Walker, "w").draw()):
        store, _ = await through_a_crash(first)
        assert rows(store.reopen()) == 0
        close_gates()


@in_loop
async def test_a_journal_has_a_bound() -> None:
    async with memory_app(limits=Limits(journal_bytes_max=10_000)) as app:
        with pytest.raises(InvalidArgument, match=r"journal of .* bytes.*send\(every="):
            await ref(Walker, "w").walk(1000)
        told = await ref(Walker, "w").told()
        assert 10 < len(told) < 1000
        assert await ref(Walker, "v").walk(10) == 10
        assert not journals(app)


@in_loop
async def test_a_journal_has_a_bound_for_one_part_too() -> None:
    @object_type
    class Reader:
        key: str
        text: str = ""

        async def keep(self, text: str) -> None:
            self.text = text

        async def first(self) -> int:
            size = len(self.text)
            await ref(Tally, "t").add()
            return size

        async def second(self) -> int:
            await ref(Tally, "t").add()
            return await self.first()

    async with memory_app(limits=Limits(journal_bytes_max=10_000)) as app:
        reader = ref(Reader, "r")
        await reader.keep("x" * 9_000)
        assert (await reader.first(), await reader.second()) == (9_000, 9_000)
        await reader.keep("x" * 20_000)
        with pytest.raises(InvalidArgument, match=r"journal of 20... bytes after 0 awaits"):
            await reader.first()
        with pytest.raises(InvalidArgument, match=r"journal of 20... bytes after 1 awaits"):
            await reader.second()
        assert await ref(Tally, "t").total() == 4
        assert not journals(app)


@in_embedded_app
async def test_a_result_that_cannot_be_written_down_is_an_error_and_not_the_end_of_the_store(app: Any) -> None:
    @object_type
    class Odd:
        key: str

        async def text(self) -> str:
            return "\ud800"

        async def ask(self) -> str:
            try:
                await ref(Odd, "b").text()
            except InvalidArgument as error:
                return str(error)
            return "none"

    assert "cannot be kept" in await ref(Odd, "a").ask()
    started = asyncio.ensure_future(ref(Caller, "a").wait_behind([]))
    await _durable(app)
    gate("g").set()
    assert await started == "a(1)"


@in_app
async def test_a_foreign_await_before_a_commit_point_is_refused(app: Any) -> None:
    @object_type
    class Hasty:
        key: str

        async def go(self) -> None:
            await asyncio.sleep(0)
            await effect(done, "never")

    with pytest.raises(UnjournaledAwait):
        await ref(Hasty, "h").go()
    assert not DONE


@in_app
async def test_values_read_before_an_await_must_not_be_changed_after_it(app: Any) -> None:
    @object_type
    class Holder:
        key: str
        tags: list[str] = []

        async def go(self) -> None:
            tags = self.tags
            await ref(Tally, "t").add()
            tags.append("lost")
            await ref(Tally, "t").add()

    with pytest.raises(StateError, match="read it again"):
        await ref(Holder, "h").go()
    assert await ref(Tally, "t").total() == 1
    assert await listed(app.interrupted()) == []


# order


@object_type
class Teller:
    key: str

    async def tell(self, other: Ref[Tally]) -> None:
        send(other.add("message"))
        await ref(Tally, "between").add()
        await other.add("call")


def test_a_resumed_call_does_not_overtake_the_messages_of_its_object() -> None:
    async def telling(app: VirtualApp) -> None:
        await ref(Teller, "t").tell(ref(Tally, "o"))
        assert await ref(Tally, "o").seen() == ["message", "call"]

    crash_everywhere(telling)


class DiesBehindOneGroup(MemoryStore):
    """A store whose first life, once it is open, writes one group."""

    died = False

    def flush(self) -> None:
        super().flush()
        if not self.died and rows(self):
            self.died = True
            self.fail_next_write = OSError("the process is dead")


@in_loop
async def test_a_method_that_resumes_at_once_does_not_overtake_what_it_had_sent() -> None:
    store = DiesBehindOneGroup()
    async with crashing(store, Limits(group_steps_max=1)):
        started = asyncio.ensure_future(ref(Teller, "t").tell(ref(Tally, "o")))
        await asyncio.gather(started, return_exceptions=True)
    assert store.died
    async with memory_app(store, options=Options(closing_seconds_max=0.0)):
        pass  # closed properly, before anything went on: the next life resumes before it delivers
    async with memory_app(store):
        await settled(ref(Tally, "o").seen, ["message", "call"])


@in_loop
async def test_objects_of_suspended_methods_stay_in_memory() -> None:
    async with memory_app(options=Options(entities_max=2)) as app:
        waiting = [asyncio.ensure_future(ref(Caller, f"e{n}").wait_behind([])) for n in range(8)]
        await _durable(app)
        for n in range(20):
            await ref(Tally, f"{n}").add()
        gate("g").set()
        assert sorted(await asyncio.gather(*waiting)) == sorted(f"e{n}({n + 1})" for n in range(8))
        for n in range(20):
            await ref(Tally, f"{n}").add()
        assert len(app._engine.host.entities) <= 4  # type: ignore[union-attr]
