"""Idempotency keys: the same outcome, never a second run."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from automata import Ref, call, object_type, readonly, ref
from automata.app import App
from automata.errors import CallTimeout, InvalidArgument, OutcomeUnknown, StateError
from automata.options import Options
from darq.limits import Limits
from darq.memory import MemoryStore
from tests.memory_app import crashing, in_app, in_loop, listed, memory_app, settled

GATES: dict[str, asyncio.Event] = {}


class Refused(Exception):
    pass


@object_type
class Shop:
    n: int = 0

    async def buy(self, count: int, note: str = "") -> int:
        self.n += count
        return self.n

    async def refuse(self, why: str) -> None:
        self.n += 1
        raise Refused(why, self.n)

    async def slow(self, gate: str) -> int:
        await GATES[gate].wait()
        self.n += 1
        return self.n

    async def two_parts(self, other: Ref[Shop], gate: str) -> int:
        self.n += 1
        await other.slow(gate)
        self.n += 10
        return self.n

    async def fail_later(self, other: Ref[Shop]) -> None:
        self.n += 1
        await other.buy(1)
        raise Refused("late")

    async def refuse_later(self, gate: str) -> None:
        await GATES[gate].wait()
        raise Refused("later")

    async def order(self, other: Ref[Shop], key: str) -> int:
        return await call(other.buy(1), idempotency_key=key)

    async def loop(self, other: Ref[Shop]) -> str:
        try:
            return await call(other.loop(ref(self)), idempotency_key="k")
        except StateError as error:
            return str(error)

    async def many(self, items: list[int]) -> dict[str, list[int]]:
        self.n += sum(items)
        return {"n": [self.n]}

    async def wrong(self) -> int:
        return "x"  # type: ignore[return-value]

    @readonly
    async def get(self) -> int:
        return self.n


A, B = ref(Shop, "a"), ref(Shop, "b")


@pytest.fixture(autouse=True)
def _fresh() -> None:
    GATES.clear()


@in_app
async def test_the_same_key_gives_the_same_result_and_no_second_run(app: App) -> None:
    assert await call(A.buy(2), idempotency_key="k") == 2
    await A.buy(5)
    assert await call(A.buy(2), idempotency_key="k") == 2
    assert await A.get() == 7
    assert await call(A.buy(2), idempotency_key="other") == 9


@in_app
async def test_a_key_belongs_to_its_object(app: App) -> None:
    assert await call(A.buy(2), idempotency_key="k") == 2
    assert await call(B.buy(3), idempotency_key="k") == 3


@in_app
async def test_the_result_is_the_callers_own_copy(app: App) -> None:
    first = await call(A.many([1, 2]), idempotency_key="k")
    first["n"].append(9)
    assert await call(A.many([1, 2]), idempotency_key="k") == {"n": [3]}


@pytest.mark.parametrize(
    "other", [lambda: A.buy(3), lambda: A.buy(2, "note"), lambda: A.refuse("x"), lambda: A.many([2])], ids=range(4)
)
@in_app
async def test_another_call_under_the_same_key_is_refused(app: App, other: Any) -> None:
    await call(A.buy(2), idempotency_key="k")
    with pytest.raises(InvalidArgument, match="'k'"):
        await call(other(), idempotency_key="k")
    assert await A.get() == 2


@in_app
async def test_the_same_arguments_written_otherwise_are_the_same_call(app: App) -> None:
    assert await call(A.buy(2), idempotency_key="k") == 2
    assert await call(A.buy(count=2, note=""), idempotency_key="k") == 2


@in_app
async def test_a_call_that_still_runs_is_joined(app: App) -> None:
    GATES["g"] = asyncio.Event()
    calls = [asyncio.create_task(call(A.slow("g"), idempotency_key="k")) for _ in range(3)]  # type: ignore[arg-type]
    await asyncio.sleep(0)
    with pytest.raises(InvalidArgument):
        await call(A.slow("other"), idempotency_key="k")
    GATES["g"].set()
    assert [await c for c in calls] == [1, 1, 1]


@in_app
async def test_a_call_that_waits_in_line_is_joined(app: App) -> None:
    GATES["g"] = asyncio.Event()
    ahead = asyncio.create_task(A.slow("g"))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    calls = [asyncio.create_task(call(A.buy(1), idempotency_key="k")) for _ in range(3)]  # type: ignore[arg-type]
    await asyncio.sleep(0)
    GATES["g"].set()
    assert await ahead == 1
    assert [await c for c in calls] == [2, 2, 2]


@in_app
async def test_one_who_gives_up_does_not_take_the_call_from_the_others(app: App) -> None:
    GATES["g"] = asyncio.Event()
    with pytest.raises(CallTimeout):
        await call(A.slow("g"), idempotency_key="k", timeout=0.01)
    waiting = asyncio.create_task(call(A.slow("g"), idempotency_key="k"))  # type: ignore[arg-type]
    leaving = asyncio.create_task(call(A.slow("g"), idempotency_key="k"))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.sleep(0)
    GATES["g"].set()
    assert await waiting == 1
    assert await call(A.slow("g"), idempotency_key="k") == 1


@in_app
async def test_a_failure_is_an_outcome_too(app: App) -> None:
    for _ in range(3):
        with pytest.raises(Refused) as caught:
            await call(A.refuse("no"), idempotency_key="k")
        assert caught.value.args == ("no", 1)
    assert await A.get() == 0


@in_app
async def test_arguments_that_do_not_fit_use_up_no_key(app: App) -> None:
    with pytest.raises(InvalidArgument):
        await call(A.buy("x"), idempotency_key="k")  # type: ignore[arg-type]
    assert await call(A.buy(1), idempotency_key="k") == 1


@in_loop
async def test_outcomes_are_known_in_the_next_life() -> None:
    store = MemoryStore()
    async with crashing(store):
        assert await call(A.buy(2), idempotency_key="k") == 2
        with pytest.raises(Refused):
            await call(A.refuse("no"), idempotency_key="e")
        with pytest.raises(Refused):
            await call(A.fail_later(B), idempotency_key="late")
    async with memory_app(store):
        assert await call(A.buy(2), idempotency_key="k") == 2
        with pytest.raises(Refused, match="no"):
            await call(A.refuse("no"), idempotency_key="e")
        with pytest.raises(Refused, match="late"):
            await call(A.fail_later(B), idempotency_key="late")
        assert (await A.get(), await B.get()) == (3, 1)


@in_loop
async def test_outcomes_are_forgotten_after_their_time() -> None:
    clock = [1_000_000.0]
    options = Options(clock=lambda: clock[0])
    async with memory_app(options=options, limits=Limits(request_seconds_kept=60)):
        assert await call(A.buy(2), idempotency_key="k") == 2
        clock[0] += 59
        assert await call(A.buy(2), idempotency_key="k") == 2
        clock[0] += 2
        assert await call(A.buy(2), idempotency_key="k") == 4


@in_loop
async def test_a_type_may_keep_outcomes_for_another_time() -> None:
    @object_type(keys_kept_seconds=5)
    class Forgetful:
        n: int = 0

        async def add(self) -> int:
            self.n += 1
            return self.n

    clock = [1_000_000.0]
    forgetful = ref(Forgetful, "f")
    async with memory_app(options=Options(clock=lambda: clock[0]), limits=Limits(request_seconds_kept=60)):
        assert await call(A.buy(2), idempotency_key="k") == 2
        assert await call(forgetful.add(), idempotency_key="k") == 1
        clock[0] += 4
        assert await call(forgetful.add(), idempotency_key="k") == 1
        clock[0] += 2
        assert await call(forgetful.add(), idempotency_key="k") == 2
        assert await call(A.buy(2), idempotency_key="k") == 2


@in_app
async def test_keys_work_between_objects(app: App) -> None:
    assert await A.order(B, "o1") == 1
    assert await A.order(B, "o1") == 1
    assert await call(B.buy(1), idempotency_key="o1") == 1
    assert await A.order(B, "o2") == 2


@in_app
async def test_a_readonly_method_takes_no_key(app: App) -> None:
    invocation = A.get()
    with pytest.raises(InvalidArgument, match="readonly"):
        call(invocation, idempotency_key="k")
    invocation.close()  # type: ignore[attr-defined]


@in_app
async def test_a_long_key_of_any_characters(app: App) -> None:
    for key in ("x" * 512, "\x00", "é\U0001f9c0", " ", "a/b"):
        before = await A.get()
        assert await call(A.buy(1), idempotency_key=key) == before + 1
        assert await call(A.buy(1), idempotency_key=key) == before + 1


@in_loop
async def test_a_method_cut_off_between_its_parts_goes_on_and_its_key_joins_it() -> None:
    store = MemoryStore()
    GATES["g"] = asyncio.Event()
    async with crashing(store):
        running = asyncio.create_task(call(A.two_parts(B, "g"), idempotency_key="k"))  # type: ignore[arg-type]
        other = asyncio.create_task(ref(Shop, "c").two_parts(B, "g"))  # type: ignore[arg-type]
        await settled(A.get, 1)
        await settled(ref(Shop, "c").get, 1)
    await asyncio.gather(running, other, return_exceptions=True)
    async with memory_app(store) as app:
        assert await listed(app.interrupted()) == []
        joined = asyncio.create_task(call(A.two_parts(B, "g"), idempotency_key="k"))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        with pytest.raises(InvalidArgument, match="another call"):
            await call(A.two_parts(A, "g"), idempotency_key="k")
        GATES["g"].set()
        assert await joined == 11
        await settled(ref(Shop, "c").get, 11)
        assert await B.get() == 2
    async with memory_app(store) as app:
        assert await call(A.two_parts(B, "g"), idempotency_key="k") == 11
        assert await A.get() == 11


@in_loop
async def test_a_method_cut_off_within_its_first_part_never_happened() -> None:
    store = MemoryStore()
    GATES["g"] = asyncio.Event()
    async with crashing(store):
        running = asyncio.create_task(call(A.slow("g"), idempotency_key="k"))  # type: ignore[arg-type]
        await asyncio.sleep(0.001)
    await asyncio.gather(running, return_exceptions=True)
    GATES["g"] = asyncio.Event()
    GATES["g"].set()
    async with memory_app(store) as app:
        assert await listed(app.interrupted()) == []
        assert await call(A.slow("g"), idempotency_key="k") == 1


@in_app
async def test_a_result_that_does_not_fit_is_an_outcome_like_any_other(app: App) -> None:
    for _ in range(2):
        with pytest.raises(InvalidArgument, match="result"):
            await call(A.wrong(), idempotency_key="k")


@in_loop
async def test_a_failure_that_cannot_be_recorded_is_told_to_nobody() -> None:
    """Else the next life, asked again under the key, might say something else."""
    store = MemoryStore()
    GATES["g"] = asyncio.Event()
    app = await memory_app(store).__aenter__()
    refused = asyncio.create_task(call(A.refuse_later("g"), idempotency_key="k"))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    store.fail_next_write = OSError("broken")
    with pytest.raises(OutcomeUnknown):
        await B.buy(1)
    GATES["g"].set()
    with pytest.raises(OutcomeUnknown):
        await refused
    await app.__aexit__(None, None, None)


@in_app
async def test_a_method_that_would_wait_for_itself_is_told_so(app: App) -> None:
    async with asyncio.timeout(5):
        assert "would wait for itself" in await call(A.loop(A), idempotency_key="k")
        assert "would wait for itself" in await call(B.loop(ref(Shop, "c")), idempotency_key="k")
