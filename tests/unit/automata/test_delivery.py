"""Messages: exactly once, in order per pair, retried with backoff, then dead letters; never lost while they wait."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from automata import List, Ref, Retry, object_type, readonly, ref, send
from automata.app import App
from automata.errors import InvalidArgument, NotPublic, StateError
from automata.types import REGISTRY
from darq.codec import Cause
from darq.limits import Limits
from darq.memory import MemoryStore
from tests.memory_app import crashing, in_app, in_loop, listed, memory_app, settled

FAILURES: dict[str, int] = {}
BLOCKED: list[bool] = []


@pytest.fixture(autouse=True)
def _fresh() -> None:
    FAILURES.clear()
    BLOCKED.clear()


FAILING: set[str] = set()
"""What shall go wrong, and is mended later."""


@object_type(retry=Retry(first_seconds=0.0005))
class Box:
    key: str
    got: List[str]
    tries: int = 0

    async def put(self, text: str) -> None:
        self.got.append(text)

    async def _put_privately(self, text: str) -> None:
        self.got.append(text)

    async def put_slowly(self, text: str) -> None:
        await asyncio.sleep(0)
        self.got.append(text)

    async def fail_some_times(self, text: str) -> None:
        self.got.append("never " + text)
        FAILURES[text] = FAILURES.get(text, 3) - 1
        if FAILURES[text] >= 0:
            raise LookupError(f"not yet {text}")
        self.got.pop()
        self.got.append(text)

    async def fail_after_a_part(self, other: Ref[Box]) -> None:
        self.got.append("first part")
        await other.put("called")
        self.got.append("second part")
        if FAILING:
            raise LookupError("too late")

    async def poison(self) -> None:
        self.tries += 1
        send(ref(Box, "victim").put("from poison"))
        raise LookupError("always")

    async def send_numbers(self, other: Ref[Box], count: int, name: str = "") -> None:
        for n in range(count):
            send(other.put(f"{name}{n}"))

    async def send_and_fail(self, other: Ref[Box]) -> None:
        send(other.put("x"))
        raise LookupError

    async def send_mixed(self, other: Ref[Box], count: int) -> None:
        for n in range(count):
            send(other.put(str(n)) if n % 2 else other.put_slowly(str(n)))

    async def send_privately(self, other: Ref[Box]) -> None:
        send(other._put_privately("private"))

    async def send_to_self(self, count: int) -> None:
        self.got.append(str(count))
        if count:
            send(ref(self).send_to_self(count - 1))

    async def relay(self, hops: list[Ref[Box]], text: str) -> None:
        self.got.append(text)
        if hops:
            send(hops[0].relay(hops[1:], text))

    async def send_and_forget(self, other: Ref[Box]) -> str:
        sent = send(other.put("awaited"))
        await sent  # adds nothing inside a method
        return "ok"

    @readonly
    async def all(self) -> list[str]:
        return list(self.got)

    @readonly
    async def tries_now(self) -> int:
        return self.tries


A, B, C = ref(Box, "a"), ref(Box, "b"), ref(Box, "c")


@in_app
async def test_messages_of_one_sender_to_one_receiver_keep_their_order(app: App) -> None:
    await A.send_numbers(B, 300)
    await settled(B.all, [str(n) for n in range(300)])
    await A.send_mixed(C, 100)
    await settled(C.all, [str(n) for n in range(100)])


@in_app
async def test_messages_of_a_client_keep_their_order(app: App) -> None:
    for n in range(100):
        send(B.put(str(n)))
    await settled(B.all, [str(n) for n in range(100)])


@in_app
async def test_two_senders_mix_but_each_keeps_its_order(app: App) -> None:
    await asyncio.gather(A.send_numbers(B, 50, "a"), C.send_numbers(B, 50, "c"))
    await settled(lambda: _count(B), 100)
    got = await B.all()
    for name in "ac":
        assert [text for text in got if text[0] == name] == [f"{name}{n}" for n in range(50)]


async def _count(box: Box) -> int:
    return len(await box.all())


@in_app
async def test_a_step_that_fails_sends_nothing(app: App) -> None:
    with pytest.raises(LookupError):
        await A.send_and_fail(B)
    await A.send_numbers(B, 1)
    await settled(B.all, ["0"])


@in_app
async def test_private_methods_take_messages_of_objects(app: App) -> None:
    await A.send_privately(B)
    await settled(B.all, ["private"])
    with pytest.raises(NotPublic):
        send(B._put_privately("no"))


@in_app
async def test_chains_and_cycles_of_messages_run_to_their_end(app: App) -> None:
    await A.send_to_self(50)
    await settled(A.all, [str(n) for n in range(50, -1, -1)])
    await B.relay([C, B, C, B], "x")
    await settled(B.all, ["x"] * 3)
    await settled(C.all, ["x"] * 2)


@in_app
async def test_awaiting_a_message_in_a_method_adds_nothing(app: App) -> None:
    assert await A.send_and_forget(B) == "ok"
    await settled(B.all, ["awaited"])


@in_app
async def test_a_message_that_raises_is_tried_again_from_scratch(app: App) -> None:
    send(B.fail_some_times("x"))
    await settled(B.all, ["x"])
    assert await listed(app.dead_letters()) == []


@in_app
async def test_one_that_is_tried_again_stops_no_other(app: App) -> None:
    send(B.fail_some_times("x"))
    send(B.put("y"))
    await settled(lambda: _count(B), 2)
    assert sorted(await B.all()) == ["x", "y"]


async def poisoned(app: App) -> Any:
    send(B.poison())
    await settled(lambda: _letters(app), 1)
    [letter] = await listed(app.dead_letters())
    return letter


async def _letters(app: App) -> int:
    return len(await listed(app.dead_letters()))


@in_app
async def test_one_that_always_raises_becomes_a_dead_letter(app: App) -> None:
    letter = await poisoned(app)
    assert (letter.ref, letter.method, letter.error) == (B, "poison", "LookupError: always")
    assert "in poison" in letter.traceback
    assert await B.tries_now() == 0
    assert await ref(Box, "victim").all() == []


@in_app
async def test_a_dead_letter_can_be_retried_and_discarded(app: App) -> None:
    send(B.fail_some_times("x"))
    FAILURES["x"] = 100
    await settled(lambda: _letters(app), 1)
    [letter] = await listed(app.dead_letters())
    FAILURES["x"] = 0
    await app.retry(letter.id)
    await settled(B.all, ["x"])
    assert await listed(app.dead_letters()) == []
    with pytest.raises(StateError, match="no dead letter"):
        await app.retry(letter.id)
    letter = await poisoned(app)
    await app.discard(letter.id)
    assert await listed(app.dead_letters()) == []
    with pytest.raises(StateError):
        await app.discard(letter.id)
    for wrong in ("", "x", "-1", "99999999999999999999999"):
        with pytest.raises(StateError):
            await app.retry(wrong)
        with pytest.raises(StateError):
            await app.discard(wrong)


@in_app
async def test_a_retried_letter_that_raises_again_is_a_letter_again(app: App) -> None:
    letter = await poisoned(app)
    await app.retry(letter.id)
    await settled(lambda: _letters(app), 1)
    [again] = await listed(app.dead_letters())
    assert again.error == letter.error


@in_loop
async def test_dead_letters_and_retries_outlive_the_process() -> None:
    store = MemoryStore()
    async with crashing(store) as app:
        dead = await poisoned(app)
        FAILURES["late"] = 10**6
        await send(C.fail_some_times("late"))
    FAILURES["late"] = 0
    async with memory_app(store) as app:
        assert (await listed(app.dead_letters()))[0].id == dead.id
        await settled(C.all, ["late"])
        await app.discard(dead.id)
    async with memory_app(store) as app:
        assert await listed(app.dead_letters()) == []
        assert await C.all() == ["late"]


@pytest.mark.parametrize("window", [20_000, 4])
@in_loop
async def test_stored_messages_go_on_when_the_app_opens_again(window: int) -> None:
    store = MemoryStore()
    limits = Limits(inbox_window_messages_max=window)
    async with crashing(store, limits):
        app_text = [str(n) for n in range(50)]
        for text in app_text:
            await send(B.put_slowly(text))
    for _ in range(2):
        async with memory_app(store, limits):
            await settled(B.all, app_text)


def undefine(name: str) -> dict[tuple[str, str], Any]:
    del REGISTRY.newest[name]
    return REGISTRY._types.pop(name)


@in_loop
async def test_messages_for_a_type_no_longer_defined_wait_and_are_delivered_once_it_is_back() -> None:
    store = MemoryStore()

    @object_type
    class Gone:
        n: int = 0

        async def put(self, n: int) -> None:
            if BLOCKED:
                await asyncio.Event().wait()
            self.n += n

    @object_type
    class Sender:
        async def go(self, key: str) -> None:
            send(ref("Gone", key).put(1))  # type: ignore[attr-defined]

    BLOCKED.append(True)
    async with crashing(store):
        for _ in range(10):
            await send(ref(Gone, "g").put(1))
            await ref(Sender, "s").go("g")
    BLOCKED.clear()
    definition = undefine("Gone")
    for _ in range(2):
        async with memory_app(store) as app:
            await settled(lambda: _waiting_for_their_type(app), 20)
            await A.put("others go on")
            assert await listed(app.dead_letters()) == []
    async with memory_app(store) as app:
        REGISTRY.add(next(iter(definition.values())))  # as importing its module does
        await settled(lambda: _n(app), 20)
    async with memory_app(store) as app:
        assert await _n(app) == 20


async def _waiting_for_their_type(app: App) -> int:
    assert app._engine is not None
    return len(list(app._engine.delivery.parking.rows(Cause.UNKNOWN_TYPE)))


async def _n(app: App) -> int:
    return int((await app.inspect(app.ref("Gone", "g")))["n"])


@in_loop
async def test_a_message_for_a_method_that_is_gone_becomes_a_letter_and_the_next_is_delivered() -> None:
    store = MemoryStore()

    def define(with_method: bool) -> Any:
        @object_type
        class Shrinking:
            n: int = 0

            if with_method:

                async def old(self) -> None:
                    await asyncio.sleep(1000)

            async def new(self, by: int, extra: int = 5) -> None:
                self.n += by + extra

            @readonly
            async def get(self) -> int:
                return self.n

        return Shrinking

    async with crashing(store):
        old = define(True)
        await send(ref(old, "s").old())
        await send(ref(old, "s").new(1))
    new = define(False)
    async with memory_app(store) as app:
        await settled(ref(new, "s").get, 6)
        await settled(lambda: _letters(app), 1)
        [letter] = await listed(app.dead_letters())
        assert letter.method == "old"
        assert "UnknownMethod" in letter.error


@in_app
async def test_arguments_of_messages_are_checked_when_sent(app: App) -> None:
    for wrong in (lambda: B.put(5), B.put, lambda: B.put("a", "b")):  # type: ignore[arg-type, call-arg]
        with pytest.raises(InvalidArgument):
            send(wrong())


@in_app
async def test_a_message_may_go_to_an_object_that_does_not_exist_yet(app: App) -> None:
    assert not await app.exists(C)
    await send(C.put("first"))
    await settled(C.all, ["first"])
    assert await app.exists(C)


@in_app
async def test_a_message_that_fails_after_a_committed_part_is_a_letter_whose_retry_runs_the_failed_part_alone(
    app: App,
) -> None:
    FAILING.add("late")
    await send(ref(Box, "a").fail_after_a_part(ref(Box, "b")))

    async def letters() -> list[tuple[str, str]]:
        return [(letter.method, letter.error) for letter in await listed(app.dead_letters())]

    await settled(letters, [("fail_after_a_part", "LookupError: too late")])
    assert (await app.inspect(ref(Box, "a")))["got"] == ["first part"]
    [letter] = await listed(app.dead_letters())
    assert "too late" in letter.traceback
    await app.retry(letter.id)
    await settled(letters, [("fail_after_a_part", "LookupError: too late")])
    FAILING.clear()
    [letter] = await listed(app.dead_letters())
    await app.retry(letter.id)
    await settled(letters, [])
    assert (await app.inspect(ref(Box, "a")))["got"] == ["first part", "second part"]
    assert (await app.inspect(ref(Box, "b")))["got"] == ["called"]
