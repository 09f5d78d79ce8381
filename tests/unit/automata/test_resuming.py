"""What earlier lives have left goes on: after a kill, behind deaths, without its type, while the app closes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from automata import (
    List,
    Retry,
    call,
    effect,
    full_disk,
    gather,
    object_type,
    readonly,
    ref,
    resuming,
    send,
    sleep,
    suspects,
    unresolved,
)
from automata.app import App
from automata.errors import DeclarationError, Interrupted, StateError
from automata.options import Options
from automata.suspects import DEATHS_MAX
from automata.types import REGISTRY, AutomatonType
from darq import keys
from darq.errors import StoreClosed
from darq.limits import Limits
from darq.memory import MemoryStore
from tests.memory_app import crash, crashing, in_loop, listed, memory_app, settled, slow_disk
from tests.unit.automata.gates import Gatekeeper, close_gates, gate, journals, rows

TRIES = Retry().tries
SOON = Options(closing_seconds_max=0.01, closing_effect_seconds_max=0.01)
FAILS: list[Exception] = []
STARTS: list[str] = []


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    close_gates()
    FAILS.clear()
    STARTS.clear()
    yield
    close_gates()


@object_type(retry=Retry(first_seconds=0.0005))
class Ward:
    key: str
    log: List[str]
    hits: int = 0

    async def hit(self) -> int:
        self.hits += 1
        return self.hits

    async def go(self) -> int:
        self.log.append("first")
        mine = await ref(Ward, "other").hit()
        STARTS.append(self.key)
        self.log.append("second")
        await ref(Gatekeeper, "g").wait()
        self.log.append("third")
        if FAILS:
            raise FAILS[-1]
        return mine

    async def tidy(self) -> str:
        self.log.append("begin")
        try:
            await ref(Gatekeeper, "g").wait()
        finally:
            self.log.append("tidied")
            await ref(Ward, "other").hit()
        return "end"

    async def turn_into_error(self) -> str:
        try:
            await ref(Gatekeeper, "g").wait()
        except BaseException as error:
            raise ValueError("interrupted") from error
        return "end"

    async def swallow(self) -> str:
        try:
            await ref(Gatekeeper, "g").wait()
        except asyncio.CancelledError:
            return "swallowed"
        return "end"

    async def swallow_outside(self) -> str:
        await ref(Ward, "other").hit()
        try:
            await gate("g").wait()
        except asyncio.CancelledError:
            self.log.append("swallowed")
        return "end"

    async def ask(self, other: str) -> str:
        return await ref(Ward, other).tidy()

    async def join(self, other: str) -> str:
        return await call(ref(Ward, other).tidy(), idempotency_key="k")

    async def in_effect(self) -> str:
        await effect(gate("g").wait)
        return "end"

    @readonly
    async def told(self) -> list[str]:
        return list(self.log)

    @readonly
    async def count(self) -> int:
        return self.hits


async def waiting(app: App, parts: int = 2) -> None:
    """Wait until a method has committed so many parts, durably."""

    async def most() -> int:
        return max((len(journal.parts) for journal in journals(app)), default=0)

    await settled(most, parts)
    assert app._engine is not None
    await app._engine.host.committer.settle()


async def letters(app: App) -> list[tuple[str, str]]:
    return [(letter.ref.key, letter.error) for letter in await listed(app.interrupted())]


# closing


CLOSINGS = {
    "go": ("go", 2, 1),
    "tidy": ("tidy", 1, "end"),
    "an error instead": ("turn_into_error", 1, "end"),
    "swallowed": ("swallow", 1, "end"),
    "swallowed outside": ("swallow_outside", 1, "end"),
    "in an effect": ("in_effect", 1, "end"),
}


@pytest.mark.parametrize("limits", [Limits(), slow_disk()], ids=["fast", "slow"])
@pytest.mark.parametrize("name", sorted(CLOSINGS))
@in_loop
async def test_a_method_that_closing_has_cut_off_resumes_whatever_its_code_makes_of_it(name: str, limits: Any) -> None:
    method, parts, result = CLOSINGS[name]
    store = MemoryStore()
    async with memory_app(store, limits, SOON) as app:
        started = asyncio.ensure_future(call(getattr(ref(Ward, "w"), method)(), idempotency_key="k"))
        await waiting(app, parts)
    with pytest.raises(StoreClosed):
        await started
    close_gates()
    async with memory_app(store, limits) as app:
        assert await letters(app) == []
        again = asyncio.ensure_future(call(getattr(ref(Ward, "w"), method)(), idempotency_key="k"))
        gate("g").set()
        assert await again == result
        assert await ref(Ward, "other").count() <= 1
        told = await ref(Ward, "w").told()
        assert told == {"go": ["first", "second", "third"], "tidy": ["begin", "tidied"]}.get(name, [])
    assert rows(store.reopen()) == 0


@in_loop
async def test_methods_that_await_each_other_are_cut_off_and_resume_together() -> None:
    store = MemoryStore()
    async with memory_app(store, options=SOON) as app:
        started = asyncio.ensure_future(call(ref(Ward, "a").ask("b"), idempotency_key="k"))
        await waiting(app, 1)
    await asyncio.gather(started, return_exceptions=True)
    close_gates()
    async with memory_app(store):
        gate("g").set()
        assert await call(ref(Ward, "a").ask("b"), idempotency_key="k") == "end"
        assert await ref(Ward, "b").told() == ["begin", "tidied"]


@in_loop
async def test_a_key_that_is_refused_while_the_app_closes_is_no_outcome_for_a_method() -> None:
    store = MemoryStore()
    async with crashing(store) as app:
        started = [asyncio.ensure_future(call(ref(Ward, k).tidy(), idempotency_key="k")) for k in "ab"]
        await waiting(app, 1)
    await asyncio.gather(*started, return_exceptions=True)
    async with memory_app(store, options=SOON):  # it closes before anything is resumed
        joined = asyncio.ensure_future(call(ref(Ward, "a").tidy(), idempotency_key="k"))
        await asyncio.sleep(0)
    with pytest.raises(StoreClosed):
        await joined
    close_gates()
    async with memory_app(store):
        gate("g").set()
        assert await call(ref(Ward, "a").tidy(), idempotency_key="k") == "end"
        assert await ref(Ward, "a").told() == ["begin", "tidied"]


@in_loop
async def test_what_joins_a_method_that_is_not_resumed_before_closing_keeps_no_refusal() -> None:
    store = MemoryStore()
    async with crashing(store) as app:
        started = asyncio.ensure_future(call(ref(Ward, "b").tidy(), idempotency_key="k"))
        await waiting(app, 1)
    await asyncio.gather(started, return_exceptions=True)
    async with memory_app(store, slow_disk(), SOON):
        joined = asyncio.ensure_future(call(ref(Ward, "a").join("b"), idempotency_key="k"))
        for _ in range(2):
            await asyncio.sleep(0)
    with pytest.raises(StoreClosed):
        await joined
    close_gates()
    async with memory_app(store):
        gate("g").set()
        assert await call(ref(Ward, "a").join("b"), idempotency_key="k") == "end"
        assert await ref(Ward, "b").told() == ["begin", "tidied"]


# one-way messages


@in_loop
async def test_a_later_part_that_raises_is_retried_from_there_and_becomes_a_dead_letter() -> None:
    store = MemoryStore()
    FAILS.append(ValueError("boom"))
    gate("g").set()
    async with memory_app(store) as app:
        await send(ref(Ward, "w").go())

        async def dead() -> int:
            return len(await listed(app.dead_letters()))

        await settled(dead, 1)
        [letter] = await listed(app.dead_letters())
        assert letter.error == "ValueError: boom"
        assert "in go" in letter.traceback
        assert STARTS == ["w"] * TRIES
        assert await ref(Ward, "w").told() == ["first", "second"]
        assert await ref(Ward, "other").count() == 1
        assert await letters(app) == []
    async with memory_app(store) as app:
        [letter] = await listed(app.dead_letters())
        FAILS.clear()
        await app.retry(letter.id)
        await settled(ref(Ward, "w").told, ["first", "second", "third"])
        assert await listed(app.dead_letters()) == []
        with pytest.raises(StateError):
            await app.retry(letter.id)
    assert rows(store.reopen()) == 0


@in_loop
async def test_a_dead_letter_can_be_discarded_and_leaves_what_its_parts_did() -> None:
    store = MemoryStore()
    FAILS.append(ValueError("boom"))
    gate("g").set()
    async with memory_app(store) as app:
        await send(ref(Ward, "w").go())

        async def dead() -> list[str]:
            return [letter.id for letter in await listed(app.dead_letters())]

        async def any_dead() -> bool:
            return bool(await dead())

        await settled(any_dead, True)
        await app.discard((await dead())[0])
        assert await dead() == []
        assert await ref(Ward, "w").told() == ["first", "second"]
    assert rows(store.reopen()) == 0


@in_loop
async def test_a_full_disk_is_no_failed_try_and_what_it_refused_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(full_disk, "PAUSE_SECONDS", 0.0005)
    store = MemoryStore()
    limits = Limits(free_check_seconds=0.0)
    async with memory_app(store, limits) as app:
        await send(ref(Spender, "s").go())
        await waiting(app, 1)
        free, store.free = store.free, 0
        gate("g").set()

        async def tried() -> bool:
            return len(STARTS) > 2 * TRIES

        await settled(tried, True)
        assert await listed(app.dead_letters()) == []
        [journal] = journals(app)
        assert journal.row.attempts == 0
        store.free = free
        await settled(ref(Ward, "other").count, 1)
        await settled(ref(Spender, "s").done, True)
    assert rows(store.reopen()) == 0


@object_type
class Spender:
    key: str
    finished: bool = False

    async def go(self) -> None:
        STARTS.append(self.key)
        await ref(Gatekeeper, "g").wait()
        await ref(Ward, "other").hit()
        self.finished = True

    @readonly
    async def done(self) -> bool:
        return self.finished


# types that are gone


@in_loop
async def test_a_method_whose_type_is_gone_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    made: Any = Ward.__automaton__  # type: ignore[attr-defined]
    async with crashing(store) as app:
        started = asyncio.ensure_future(call(ref(Ward, "w").go(), idempotency_key="k"))
        await waiting(app)
    await asyncio.gather(started, return_exceptions=True)
    close_gates()
    with monkeypatch.context() as patch:
        patch.setattr(REGISTRY, "_types", {n: t for n, t in REGISTRY._types.items() if n != "Ward"})
        patch.setattr(REGISTRY, "newest", {n: t for n, t in REGISTRY.newest.items() if n != "Ward"})
        async with memory_app(store) as app:

            async def why() -> str:
                return "".join(error for _, error in await letters(app)).partition(":")[0]

            await settled(why, "UnknownType")
            REGISTRY.add(made)
            await settled(why, "")
            gate("g").set()
            assert await call(ref(Ward, "w").go(), idempotency_key="k") == 1
            assert await ref(Ward, "w").told() == ["first", "second", "third"]


@in_loop
async def test_a_type_defined_while_the_mark_is_not_durable_resumes_its_methods_once() -> None:
    store = MemoryStore()
    async with crashing(store) as app:
        started = asyncio.ensure_future(call(ref(Ward, "w").go(), idempotency_key="k"))
        await waiting(app)
    await asyncio.gather(started, return_exceptions=True)
    close_gates()
    STARTS.clear()
    async with memory_app(store) as app:
        engine = app._engine
        assert engine is not None
        [journal] = journals(app)
        journal.row.trouble = resuming.Trouble.UNDEFINED
        engine.resuming.type_defined("Ward")
        gate("g").set()
        assert await call(ref(Ward, "w").go(), idempotency_key="k") == 1
        assert STARTS == ["w"]


@in_loop
async def test_a_type_that_cannot_be_resolved_yet_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unresolved, "UNRESOLVED_PAUSE_SECONDS", 0.0005)
    store = MemoryStore()
    async with memory_app(store, options=SOON) as app:
        started = asyncio.ensure_future(call(ref(Ward, "w").go(), idempotency_key="k"))
        await waiting(app)
    await asyncio.gather(started, return_exceptions=True)
    close_gates()
    gate("g").set()
    resolve, looks = AutomatonType.resolve, [0]

    def not_yet(self: AutomatonType) -> Any:
        looks[0] += self.name == "Ward"
        if self.name == "Ward" and 1 < looks[0] < 10:  # it is resolved once when the app opens
            raise DeclarationError("a name is not there yet")
        return resolve(self)

    monkeypatch.setattr(AutomatonType, "resolve", not_yet)
    async with memory_app(store) as app:
        assert [journal.row.trouble for journal in journals(app)] == [resuming.Trouble.UNDEFINED]

        async def left() -> int:
            return len(journals(app))

        await settled(left, 0)
        assert await listed(app.interrupted()) == []


# nobody waits


@in_loop
async def test_a_call_that_raises_after_a_crash_is_a_dead_letter_and_goes_on_where_it_raised(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = MemoryStore()
    async with crashing(store) as app:
        started = asyncio.ensure_future(_tried(ref(Ward, "w").go()))
        await waiting(app)
    await asyncio.gather(started, return_exceptions=True)
    close_gates()
    gate("g").set()
    FAILS.append(ValueError("half done"))
    async with memory_app(store) as app:

        async def dead() -> list[str]:
            return [letter.error for letter in await listed(app.dead_letters())]

        await settled(dead, ["ValueError: half done"])
        assert "Ward/w go, whose caller is gone" in caplog.text
        assert await ref(Ward, "w").told() == ["first", "second"]
        FAILS.clear()
        [letter] = await listed(app.dead_letters())
        await app.retry(letter.id)
        await settled(ref(Ward, "w").told, ["first", "second", "third"])
    assert rows(store.reopen()) == 0


async def _tried(made: Any) -> Any:
    return await made


@object_type(keys_kept_seconds=30 * 86400.0)
class Archive:
    key: str

    async def keep(self) -> None:
        await ref(Gatekeeper, "g").wait()


@in_loop
async def test_the_key_of_a_method_that_was_given_up_is_kept_as_long_as_its_type_says() -> None:
    store = MemoryStore()
    async with memory_app(store, options=SOON) as app:
        started = asyncio.ensure_future(call(ref(Archive, "a").keep(), idempotency_key="k"))
        await waiting(app, 1)
        [journal] = journals(app)
        journal.row.trouble = resuming.Trouble.MISMATCH
        await app.discard(str(journal.number))
        assert app._engine is not None
        log = app._engine.log
        soon_over_ms = int((log.clock() + 29 * 86400) * 1000)
        assert log.requests.find(journal.row.partition, b"k", soon_over_ms, log.group) is not None
    await asyncio.gather(started, return_exceptions=True)


# deaths


@in_loop
async def test_what_merely_waits_has_survived(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suspects, "_SURVIVED_SECONDS", 3600.0)
    store = MemoryStore()
    async with crashing(store) as app:
        for n in range(20):
            await send(ref(Sleeper, str(n)).nap(3600.0))
        await settled(lambda: _count(app), 20)
        assert app._engine is not None
        await app._engine.host.committer.settle()
    async with memory_app(store) as app:

        async def deaths() -> set[int]:
            return {journal.row.deaths for journal in journals(app)}

        await settled(deaths, {1})
        await settled(deaths, {0})


async def _count(app: App) -> int:
    return len(journals(app))


@object_type
class Sleeper:
    key: str

    async def nap(self, seconds: float) -> None:
        await sleep(seconds)


@in_loop
async def test_a_method_that_kills_the_process_is_parked_and_innocents_are_not() -> None:
    store = MemoryStore()
    async with crashing(store) as app:
        started = [asyncio.ensure_future(call(ref(Ward, k).go(), idempotency_key="k")) for k in ("a", "killer", "z")]
        await waiting(app)
    await asyncio.gather(*started, return_exceptions=True)
    for _ in range(10):
        close_gates()
        app = await memory_app(store).__aenter__()
        STARTS.clear()

        async def killed_or_parked(app: App = app) -> bool:
            return "killer" in STARTS or bool(await letters(app))

        await settled(killed_or_parked, True)
        parked = await letters(app)
        await crash(app, store)
        if parked:
            break
    assert [key for key, _ in parked] == ["killer"]
    assert f"died {DEATHS_MAX} times" in parked[0][1]
    close_gates()
    async with memory_app(store) as app:
        gate("g").set()
        for key in "az":
            await call(ref(Ward, key).go(), idempotency_key="k")
            assert await ref(Ward, key).told() == ["first", "second", "third"]
        with pytest.raises(Interrupted, match="died"):
            await call(ref(Ward, "killer").go(), idempotency_key="k")
        [letter] = await listed(app.interrupted())
        await app.retry(letter.id)
        await call(ref(Ward, "killer").go(), idempotency_key="k")
    assert rows(store.reopen()) == 0


@in_loop
async def test_what_survives_being_resumed_is_no_suspect() -> None:
    store = MemoryStore()
    async with crashing(store) as app:
        started = asyncio.ensure_future(call(ref(Ward, "w").go(), idempotency_key="k"))
        await waiting(app)
    await asyncio.gather(started, return_exceptions=True)
    for _ in range(DEATHS_MAX + 2):
        close_gates()
        async with crashing(store) as app:

            async def deaths(app: App = app) -> list[int]:
                return [journal.row.deaths for journal in journals(app)]

            await settled(deaths, [1])
            await settled(deaths, [0])
            assert app._engine is not None
            await app._engine.host.committer.settle()
    close_gates()
    async with memory_app(store):
        gate("g").set()
        assert await call(ref(Ward, "w").go(), idempotency_key="k") == 1


@in_loop
async def test_an_answer_that_comes_before_its_method_is_resumed_is_kept() -> None:
    """A suspect is resumed late; what it has called may end before, in several groups."""
    store = MemoryStore()
    async with crashing(store) as app:
        started = asyncio.ensure_future(call(ref(Asker, "a").both(), idempotency_key="k"))
        await waiting(app, 1)
        [asker] = [journal for journal in journals(app) if journal.row.method == "both"]
        asker.row.deaths = 1
        app._engine.host.open_invocations.changed(asker)  # type: ignore[union-attr]
        await ref(Ward, "x").hit()
    await asyncio.gather(started, return_exceptions=True)
    close_gates()
    async with crashing(store) as app:
        for name in ("one", "two"):
            gate(name).set()
            await settled(ref(Asker, name).finished, True)
            await app._engine.host.committer.settle()  # type: ignore[union-attr]
    async with memory_app(store):
        assert await call(ref(Asker, "a").both(), idempotency_key="k") == ["one 1", "two 1"]


@object_type
class Asker:
    key: str
    runs: int = 0
    ended: bool = False

    async def both(self) -> list[str]:
        return [*await _gathered(["one", "two"])]

    async def slowly(self) -> str:
        self.runs += 1
        await ref(Gatekeeper, self.key).wait()
        self.ended = True
        return f"{self.key} {self.runs}"

    @readonly
    async def finished(self) -> bool:
        return self.ended


async def _gathered(names: list[str]) -> list[str]:
    return await gather(*(ref(Asker, name).slowly() for name in names))


@in_loop
async def test_a_row_without_a_journal_is_not_run_again() -> None:
    """Nobody knows what its parts have done."""
    store = MemoryStore()
    async with crashing(store) as app:
        started = asyncio.ensure_future(call(ref(Ward, "w").go(), idempotency_key="k"))
        await waiting(app)
    await asyncio.gather(started, return_exceptions=True)
    for key, _ in store.scan(keys.JOURNAL, keys.after(keys.JOURNAL), keys.ALL):
        batch = store.batch()
        batch.delete(key)
        store.write(batch)
    store.flush()
    async with memory_app(store) as app:

        async def count() -> int:
            return len(await letters(app))

        await settled(count, 1)
        assert STARTS == ["w"]
