"""send(delay=, at=, every=) and cancel, as users meet them: each message rings once, with its step or not at all."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta

import pytest

from automata import List, Retry, alarms, call, cancel, delete, full_disk, object_type, readonly, ref, send, transaction
from automata.app import App
from automata.errors import InvalidArgument, ReadOnlyError, StateError
from automata.options import Options
from automata.testing import crash_everywhere
from automata.types import Registry
from darq import keys
from darq.limits import Limits
from darq.memory import MemoryStore
from tests.clock import MONDAY, Clock
from tests.memory_app import crashing, in_app, listed, memory_app, settled, until

HOUR = 3600.0


@object_type(retry=Retry(first_seconds=0.0005))
class Bell:
    got: List[str]
    armed: str = ""
    failing: bool = False

    async def ring(self, word: str) -> None:
        if self.failing:
            raise ValueError("broken")
        self.got.append(word)

    async def arm(self, word: str, seconds: float) -> str:
        self.armed = await send(ref(self).ring(word), delay=seconds)
        return self.armed

    async def arm_often(self, word: str, seconds: float) -> str:
        return await send(ref(self).ring(word), every=seconds)

    async def arm_directly(self, word: str, seconds: float) -> None:
        send(ref(self).ring(word), delay=seconds)

    async def arm_and_fail(self, word: str) -> None:
        send(ref(self).ring(word), delay=0.0)
        raise ValueError("rolled back")

    async def arm_and_disarm(self, word: str, often: bool) -> list[bool]:
        message = await send(ref(self).ring(word), **({"every": 1.0} if often else {"delay": 1.0}))  # type: ignore[arg-type]
        return [await cancel(message), await cancel(message)]

    async def disarm(self, message: str) -> bool:
        return await cancel(message)

    async def disarm_twice(self, message: str) -> list[bool]:
        return [await cancel(message), await cancel(message)]

    async def disarm_and_fail(self, message: str) -> None:
        await cancel(message)
        raise ValueError("rolled back")

    async def disarm_and_fail_at_once(self, message: str) -> None:
        cancel(message)
        send(ref(self).ring("of a method that failed"), delay=1.0)
        raise ValueError("only this method is rolled back")

    async def disarm_slowly(self, message: str, fail: bool) -> bool:
        answer = await cancel(message)
        GATE.reached.set()
        await GATE.opened.wait()
        if fail:
            raise ValueError("rolled back")
        return answer

    async def disarm_then_call(self, message: str) -> None:
        await cancel(message)
        await ref(Bell, "other").ring("in between")
        raise ValueError("only the second part is rolled back")

    async def end(self) -> None:
        delete()

    async def set_failing(self, failing: bool) -> None:
        self.failing = failing

    @readonly
    async def words(self) -> list[str]:
        return list(self.got)

    @readonly
    async def arm_readonly(self) -> None:
        send(ref(self).ring("x"), delay=1.0)

    @readonly
    async def disarm_readonly(self) -> None:
        cancel("0123abcd-1-1")


class Gate:
    """Where a slow method waits for its test."""

    reached: asyncio.Event
    opened: asyncio.Event

    def reset(self) -> None:
        self.reached, self.opened = asyncio.Event(), asyncio.Event()


GATE = Gate()


def bell(key: str = "b") -> Bell:
    return ref(Bell, key)


def rows(store: MemoryStore) -> int:
    return len(store.reopen().scan(keys.TIMER, keys.after(keys.SCHEDULE), keys.ALL))


async def heard(*words: str, key: str = "b") -> None:
    """Exactly these have rung, and nothing else is about to."""
    await settled(bell(key).words, list(words))
    for _ in range(5):
        await asyncio.sleep(0)
    assert await bell(key).words() == list(words)


@in_app
async def test_a_delayed_message_rings_by_itself(app: App) -> None:
    await send(bell().ring("now"), delay=0)
    await bell().arm("soon", 0.005)
    await settled(bell().words, ["now", "soon"])


def test_it_rings_when_it_is_due_and_not_before() -> None:
    async def scenario() -> None:
        clock = Clock()
        async with memory_app(options=clock.options) as app:
            await send(bell().ring("client"), delay=HOUR)
            await bell().arm("method", 2 * HOUR)
            await bell().arm_directly("direct", 3 * HOUR)
            clock.advance(HOUR - 0.001, app)
            await heard()
            clock.advance(0.001, app)
            await heard("client")
            clock.advance(HOUR, app)
            await heard("client", "method")
            clock.advance(100 * HOUR, app)
            await heard("client", "method", "direct")

    asyncio.run(scenario())


def test_a_time_with_a_zone_and_one_that_is_over() -> None:
    async def scenario() -> None:
        clock = Clock()
        async with memory_app(options=clock.options) as app:
            await send(bell().ring("noon"), at=datetime.fromtimestamp(MONDAY, UTC) + timedelta(hours=12))
            await send(bell().ring("long ago"), at=datetime(1950, 1, 1, tzinfo=UTC))
            await heard("long ago")
            clock.advance(12 * HOUR, app)
            await heard("long ago", "noon")

    asyncio.run(scenario())


@in_app
async def test_options_that_make_no_sense_are_refused_and_send_nothing(app: App) -> None:
    for options in ({"delay": -1}, {"at": datetime(2030, 1, 1)}, {"every": "often"}, {"delay": 1e300}):  # noqa: DTZ001
        with pytest.raises(InvalidArgument):
            send(bell().ring("x"), **options)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument):
        send(bell().ring("x"), delay=1, at=datetime.now(UTC))
    with pytest.raises(InvalidArgument, match="call"):
        send(call(bell().ring("x"), timeout=1), delay=1)
    assert (await app.stats())["timers_next_due_ms"] == 0


@in_app
async def test_a_step_that_fails_sets_no_timer(app: App) -> None:
    with pytest.raises(ValueError, match="rolled back"):
        await bell().arm_and_fail("x")
    await heard()
    assert (await app.stats())["timers_next_due_ms"] == 0


@in_app
async def test_readonly_methods_neither_set_nor_cancel(app: App) -> None:
    with pytest.raises(ReadOnlyError, match="must not send"):
        await bell().arm_readonly()
    with pytest.raises(ReadOnlyError, match="must not cancel"):
        await bell().disarm_readonly()


def test_timers_survive_restarts_and_crashes_and_ring_once() -> None:
    async def scenario() -> None:
        clock, store = Clock(), MemoryStore()
        async with memory_app(store, options=clock.options):
            await send(bell().ring("a"), delay=HOUR)
            await send(bell().ring("b"), delay=2 * HOUR)
        clock.now += HOUR
        async with memory_app(store, options=clock.options):
            await heard("a")
        clock.now += HOUR
        async with crashing(store, options=clock.options):
            await heard("a", "b")
            await send(bell().ring("c"), delay=HOUR)
        clock.now += 10 * HOUR
        for _ in range(2):
            async with memory_app(store, options=clock.options):
                await heard("a", "b", "c")
        assert rows(store) == 0

    asyncio.run(scenario())


def test_a_message_that_raises_is_retried_and_ends_as_a_dead_letter() -> None:

    async def scenario() -> None:
        async with memory_app() as app:
            await bell().set_failing(True)
            await send(bell().ring("x"), delay=0.001)

            async def letters() -> list[str]:
                return [letter.method for letter in await listed(app.dead_letters())]

            await settled(letters, ["ring"])
            await bell().set_failing(False)
            [letter] = await listed(app.dead_letters())
            await app.retry(letter.id)
            await heard("x")

    asyncio.run(scenario())


def test_deleting_an_object_leaves_its_timers_to_the_new_life() -> None:
    async def scenario() -> None:
        clock = Clock()
        async with memory_app(options=clock.options) as app:
            await send(bell().ring("x"), delay=HOUR)
            await bell().end()
            clock.advance(HOUR, app)
            await heard("x")

    asyncio.run(scenario())


# what repeats


def test_a_period_rings_again_and_again_and_what_was_missed_rings_once() -> None:
    async def scenario() -> None:
        clock, store = Clock(), MemoryStore()
        async with memory_app(store, options=clock.options) as app:
            await send(bell().ring("tick"), every=HOUR)
            await bell().arm_often("tock", 2 * HOUR)
            clock.advance(HOUR, app)
            await heard("tick")
            clock.advance(HOUR, app)
            await settled(_sorted, ["tick", "tick", "tock"])
        clock.now += 10.5 * HOUR
        async with memory_app(store, options=clock.options) as app:
            await settled(_sorted, ["tick"] * 3 + ["tock"] * 2)
            clock.advance(1_799, app)
            await settled(_sorted, ["tick"] * 3 + ["tock"] * 2)
            clock.advance(1, app)  # anchored: 13 hours after it began, not one after it rang late
            await settled(_sorted, ["tick"] * 4 + ["tock"] * 2)

    asyncio.run(scenario())


async def _sorted() -> list[str]:
    return sorted(await bell().words())


def test_cron_expressions_go_by_utc() -> None:
    async def scenario() -> None:
        clock = Clock()
        async with memory_app(options=clock.options) as app:
            await send(bell().ring("nine"), every="0 9 * * *")
            await send(bell().ring("first"), every="0 9 * * *", delay=HOUR)
            clock.advance(HOUR, app)
            await heard("first")
            clock.advance(8 * HOUR, app)
            await settled(_sorted, ["first", "first", "nine"])
            clock.advance(24 * HOUR, app)
            await settled(_sorted, ["first"] * 3 + ["nine"] * 2)

    asyncio.run(scenario())


def test_a_crash_between_two_ticks_loses_none_and_doubles_none() -> None:
    async def scenario() -> None:
        clock, store = Clock(), MemoryStore()
        async with crashing(store, options=clock.options):
            await send(bell().ring("tick"), every=HOUR)
        for n in range(1, 4):
            clock.now += HOUR
            async with crashing(store, options=clock.options):
                await heard(*["tick"] * n)
        assert rows(store) == 2

    asyncio.run(scenario())


def test_what_repeats_rings_on_in_real_time() -> None:
    async def scenario() -> None:
        async with memory_app():
            message = await send(bell().ring("tick"), every=0.01)

            async def often() -> bool:
                return len(await bell().words()) >= 3

            await until(often)
            assert await cancel(message)

    asyncio.run(scenario())


# cancelling


def test_a_cancelled_message_never_rings_and_is_cancelled_once() -> None:
    async def scenario() -> None:
        clock, store = Clock(), MemoryStore()
        async with memory_app(store, options=clock.options) as app:
            in_client = await send(bell().ring("client"), delay=HOUR)
            in_method = await bell().arm("method", HOUR)
            kept = await bell().arm("kept", HOUR)
            assert await cancel(in_client)
            assert not await cancel(in_client)
            assert await bell().disarm(in_method)
            assert not await bell().disarm(in_method)
            clock.advance(HOUR, app)
            await heard("kept")
            assert not await cancel(kept)
            assert not await bell().disarm(kept)
        assert rows(store) == 0

    asyncio.run(scenario())


@in_app
async def test_what_send_gave_can_be_given_itself(app: App) -> None:
    message = send(bell().ring("x"), delay=60)
    assert await cancel(message)
    assert (await app.stats())["timers_ringing"] == 0


@in_app
async def test_a_message_without_a_delay_is_on_its_way_at_once(app: App) -> None:
    assert not await cancel(await send(bell().ring("x")))
    assert not await cancel("")
    await heard("x")


@in_app
async def test_what_is_no_id_is_refused(app: App) -> None:
    for wrong in ("x", "1-2", "0123abcd-", "0123ABCD-1-1", None, 5, "0123abcd-1-1-1"):
        with pytest.raises(InvalidArgument, match=r"cancel\(\) takes"):
            await cancel(wrong)  # type: ignore[arg-type]


@in_app
async def test_an_id_of_another_store_cancels_nothing_here(app: App) -> None:
    message = await send(bell().ring("x"), every=60)
    store, number = message.split("-")
    other = f"{int(store, 16) ^ 1:08x}-{number}"
    assert not await cancel(other)
    assert await cancel(message)


def test_of_several_apps_the_one_that_keeps_the_message_cancels_it() -> None:
    async def scenario() -> None:
        async with memory_app() as one, memory_app() as two:
            first = await send(one.ref(Bell, "b").ring("x"), delay=60)
            second = await send(two.ref(Bell, "b").ring("x"), delay=60)
            assert await cancel(first)
            assert await cancel(second)
            assert not await cancel(await send(one.ref(Bell, "b").ring("x")))
            with pytest.raises(StateError, match="apps are open"):
                cancel("0123abcd-1-1")

    asyncio.run(scenario())


@pytest.mark.parametrize("often", [False, True])
def test_a_step_that_cancels_what_it_has_sent_sends_nothing(often: bool) -> None:
    async def scenario() -> None:
        store = MemoryStore()
        async with memory_app(store):
            assert await bell().arm_and_disarm("x", often) == [True, False]
        assert rows(store) == 0

    asyncio.run(scenario())


@in_app
async def test_within_one_step_the_second_cancelling_is_too_late(app: App) -> None:
    assert await bell().disarm_twice(await bell().arm("x", 60.0)) == [True, False]


def test_a_step_that_fails_cancels_nothing() -> None:
    async def scenario() -> None:
        clock = Clock()
        async with memory_app(options=clock.options) as app:
            message = await send(bell().ring("x"), delay=HOUR)
            with pytest.raises(ValueError, match="rolled back"):
                await bell().disarm_and_fail(message)
            clock.advance(HOUR, app)
            await heard("x")

    asyncio.run(scenario())


@pytest.mark.parametrize("fail", [False, True])
def test_a_timer_does_not_ring_while_a_method_that_cancels_it_goes_on(fail: bool) -> None:
    async def scenario() -> None:
        clock = Clock()
        GATE.reset()
        async with memory_app(options=clock.options) as app:
            message = await send(bell("other").ring("x"), delay=HOUR)
            running = asyncio.ensure_future(bell().disarm_slowly(message, fail))
            await GATE.reached.wait()
            clock.advance(2 * HOUR, app)
            await heard(key="other")
            assert not await cancel(message)
            GATE.opened.set()
            if fail:
                with pytest.raises(ValueError, match="rolled back"):
                    await running
                await heard("x", key="other")
            else:
                assert await running
                await heard(key="other")

    asyncio.run(scenario())


def test_a_crash_amid_a_method_that_cancels_undoes_the_cancelling() -> None:
    async def scenario() -> None:
        clock, store = Clock(), MemoryStore()
        GATE.reset()
        async with crashing(store, options=clock.options) as app:
            message = await send(bell("other").ring("x"), delay=HOUR)
            running = asyncio.ensure_future(bell().disarm_slowly(message, False))
            await GATE.reached.wait()
            clock.advance(HOUR, app)
            await bell("third").ring("a group whose head is written meanwhile")
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        async with memory_app(store, options=clock.options):
            await heard("x", key="other")

    asyncio.run(scenario())


def test_a_part_that_has_committed_has_cancelled() -> None:
    async def scenario() -> None:
        clock, store = Clock(), MemoryStore()
        async with memory_app(store, options=clock.options) as app:
            message = await send(bell().ring("x"), delay=HOUR)
            with pytest.raises(ValueError, match="second part"):
                await bell().disarm_then_call(message)
            clock.advance(HOUR, app)
            await heard()
        assert rows(store) == 0

    asyncio.run(scenario())


def test_what_repeats_is_cancelled_by_the_same_id_at_any_time() -> None:
    async def scenario() -> None:
        clock, store = Clock(), MemoryStore()
        async with memory_app(store, options=clock.options) as app:
            message = await send(bell().ring("tick"), every=HOUR)
            clock.advance(HOUR, app)
            clock.advance(HOUR, app)
            await heard("tick", "tick")
        async with memory_app(store, options=clock.options) as app:
            assert await cancel(message)
            assert not await bell().disarm(message)
            clock.advance(5 * HOUR, app)
            await heard("tick", "tick")
        assert rows(store) == 0

    asyncio.run(scenario())


def test_a_tick_that_is_on_its_way_is_still_delivered() -> None:
    async def scenario() -> None:
        clock = Clock()
        async with memory_app(options=clock.options) as app:
            message = await send(bell().ring("tick"), every=HOUR)
            clock.advance(HOUR, app)
            assert await cancel(message)
            clock.advance(HOUR, app)
            await heard("tick")

    asyncio.run(scenario())


def test_a_cancelling_is_durable_when_it_was_awaited_and_a_timer_when_it_was() -> None:
    async def scenario() -> None:
        clock, store = Clock(), MemoryStore()
        async with crashing(store, options=clock.options):
            gone = await send(bell().ring("gone"), delay=HOUR)
            await send(bell().ring("kept"), delay=HOUR)
            assert await cancel(gone)
            send(bell().ring("lost"), delay=HOUR)
        clock.now += HOUR
        async with memory_app(store, options=clock.options):
            await heard("kept")

    asyncio.run(scenario())


def test_from_another_thread_and_loop() -> None:
    async def scenario() -> None:
        clock = Clock()
        async with memory_app(options=clock.options) as app:
            answers: list[bool] = []

            def elsewhere() -> None:
                async def work() -> None:
                    message = await send(bell().ring("x"), delay=HOUR)
                    await send(bell().ring("y"), delay=HOUR)
                    answers.extend([await cancel(message), await cancel(message)])

                asyncio.run(work())

            await asyncio.to_thread(elsewhere)
            assert answers == [True, False]
            clock.advance(HOUR, app)
            await heard("y")

    asyncio.run(scenario())


def test_synchronous_code_and_closing_wait_for_what_was_not_awaited() -> None:
    store, clock = MemoryStore(), Clock()
    with memory_app(store, options=clock.options):
        message = send(bell().ring("x"), delay=HOUR)
        send(bell().ring("y"), delay=HOUR)
        cancel(message)
    clock.now += HOUR
    with memory_app(store, options=clock.options) as app:
        app.run(heard("y"))


# how they are handed over


def test_more_than_a_page_and_more_than_the_window_all_ring() -> None:
    async def scenario() -> None:
        clock, store = Clock(), MemoryStore()
        count = 2 * alarms.PAGE_TIMERS + 10
        async with memory_app(store, options=clock.options):
            for n in range(count):
                send(bell(str(n % 7)).ring(str(n)), delay=HOUR + n / 1000)
        clock.now += 2 * HOUR
        limits = Limits(inbox_window_messages_max=20)
        async with memory_app(store, limits, options=clock.options) as app:

            async def got() -> int:
                return sum([len(await bell(str(n)).words()) for n in range(7)])

            await settled(got, count)
            assert (await app.stats())["timers_ringing"] == 0
        assert rows(store) == 0

    asyncio.run(scenario())


def test_while_the_window_is_full_nothing_rings_and_afterwards_all_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(full_disk, "PAUSE_SECONDS", 0.001)

    async def scenario() -> None:
        clock = Clock()
        limits = Limits(inbox_window_messages_max=4, deliveries_running_max=1)
        GATE.reset()
        async with memory_app(limits=limits, options=clock.options) as app:
            await send(bell().ring("timer"), delay=HOUR)
            await send(bell("slow").disarm_slowly("", False))
            await GATE.reached.wait()
            for n in range(4):
                await send(bell("full").ring(str(n)))
            clock.advance(HOUR, app)
            assert (await app.stats())["timers_ringing"] == 0
            GATE.opened.set()
            await heard("timer")

    asyncio.run(scenario())


def test_a_full_disk_makes_timers_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(full_disk, "PAUSE_SECONDS", 0.001)

    async def scenario() -> None:
        clock, store = Clock(), MemoryStore()
        async with memory_app(store, options=clock.options) as app:
            await send(bell().ring("tick"), every=HOUR)
            store.free = 0
            clock.advance(HOUR, app)
            await asyncio.sleep(0.005)
            await heard()
            store.free = 1 << 40
            clock.now += 1  # what is known of the disk is a moment old
            await heard("tick")

    asyncio.run(scenario())


def test_timers_ring_while_other_messages_never_end() -> None:
    async def scenario() -> None:
        async with memory_app():
            await ref(Echo, "a").start()
            await send(bell().ring("x"), delay=0.001)
            await heard("x")
            await ref(Echo, "a").stop()

    asyncio.run(scenario())


@object_type
class Echo:
    running: bool = False

    async def start(self) -> None:
        self.running = True
        send(ref(self).again())

    async def stop(self) -> None:
        self.running = False

    async def again(self) -> None:
        if self.running:
            send(ref(self).again())


def test_the_loop_is_armed_for_an_hour_at_most_and_for_the_first_alone() -> None:
    async def scenario() -> None:
        clock = Clock()
        async with memory_app(options=clock.options) as app:
            assert app._engine is not None
            armed = app._engine.delivery.alarms
            assert armed._armed is None
            loop = asyncio.get_running_loop()
            await send(bell().ring("far"), delay=1000 * HOUR)
            assert armed._armed is not None
            assert armed._armed.when() - loop.time() <= HOUR
            far = armed._armed
            await send(bell().ring("near"), delay=60)
            assert far.cancelled()
            assert armed._armed.when() - loop.time() <= 60
            near = armed._armed
            await send(bell().ring("between"), delay=600)
            assert armed._armed is near

    asyncio.run(scenario())


def test_what_counts_is_the_clock_also_when_it_was_set_back() -> None:
    async def scenario() -> None:
        clock, store = Clock(), MemoryStore()
        async with memory_app(store, options=clock.options) as app:
            await send(bell().ring("a"), delay=HOUR)
            clock.advance(HOUR, app)
            await heard("a")
            clock.now -= 10 * HOUR
            await send(bell().ring("b"), delay=HOUR)
            clock.advance(HOUR - 1, app)
            await heard("a")
        clock.now += 1
        async with memory_app(store, options=clock.options):
            await heard("a", "b")

    asyncio.run(scenario())


def test_a_closed_app_arms_nothing() -> None:
    async def scenario() -> None:
        app = memory_app()
        async with app:
            assert app._engine is not None
            engine = app._engine
            await send(bell().ring("x"), delay=HOUR)
        assert engine.delivery.alarms._armed is None

    asyncio.run(scenario())


# methods that resume


@object_type
class Planner:
    """Sets and cancels timers before a commit point, and says after it what it was told."""

    old: str = ""
    new: str = ""
    often: str = ""
    answers: list[bool] = []

    async def prepare(self) -> None:
        self.old = await send(bell().ring("old"), delay=HOUR)

    async def plan(self) -> None:
        new = await send(bell().ring("new"), delay=HOUR)
        often = await send(bell().ring("often"), every=HOUR)
        answers = [await cancel(self.old), await cancel(self.old), await cancel("")]
        await ref(Waiter, "w").wait()
        self.new, self.often, self.answers = new, often, answers

    @readonly
    async def told(self) -> tuple[str, str, list[bool]]:
        return self.new, self.often, self.answers


@object_type
class Waiter:
    waited: int = 0

    async def wait(self) -> None:
        GATE.reached.set()
        await GATE.opened.wait()
        self.waited += 1


def test_a_method_that_resumes_is_told_the_same_ids_and_answers_again() -> None:
    async def scenario() -> None:
        clock, store = Clock(), MemoryStore()
        planner = ref(Planner, "p")
        GATE.reset()
        async with crashing(store, options=clock.options):
            await planner.prepare()
            running = asyncio.ensure_future(planner.plan())
            await GATE.reached.wait()
            await bell("third").ring("the group of the first part is durable")
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        GATE.opened.set()
        clock.now += 60
        async with memory_app(store, options=clock.options) as app:

            async def is_done() -> bool:
                return bool((await planner.told())[0])

            await until(is_done)
            new, often, answers = await planner.told()
            assert answers == [True, False, False]
            clock.advance(HOUR - 60, app)
            await settled(_sorted, ["new", "often"])
            assert not await cancel(new)
            assert await cancel(often)
        assert rows(store) == 0

    asyncio.run(scenario())


# types that are not defined


def test_a_timer_of_a_type_that_is_not_defined_waits_for_it() -> None:
    async def scenario() -> None:
        clock, store = Clock(), MemoryStore()
        async with memory_app(store, options=clock.options):
            await send(bell().ring("x"), delay=HOUR)
        clock.now += HOUR
        registry = Registry()
        async with memory_app(store, options=Options(clock=clock, registry=registry)):

            async def parked() -> int:
                return len(store.scan(keys.PARKED, keys.after(keys.PARKED), 9))

            await settled(parked, 1)
            registry.add(Bell.__automaton__)  # type: ignore[attr-defined]
            await settled(parked, 0)
            await heard("x")
        assert rows(store) == 0

    asyncio.run(scenario())


# in transactions


@object_type
class Ledger:
    """Does it all in transactions."""

    async def in_a_transaction(self, old: str, fail: bool) -> list[bool]:
        return await transaction(self._body, old, fail)

    async def _body(self, old: str, fail: bool) -> list[bool]:
        message = send(bell().ring("of the body"), delay=HOUR).id
        gone = await bell("other").arm("set and cancelled", HOUR)
        await bell("other").arm("kept", HOUR)
        answers = [await bell().disarm(old), await bell("other").disarm(gone), await cancel(gone), await cancel(old)]
        with contextlib.suppress(ValueError):
            await bell().disarm_and_fail_at_once(message)
        if fail:
            raise KeyError("all of it is undone")
        return answers


@pytest.mark.parametrize("fail", [False, True])
def test_a_transaction_sets_and_cancels_all_or_nothing(fail: bool) -> None:
    async def scenario() -> None:
        clock, store = Clock(), MemoryStore()
        async with memory_app(store, options=clock.options) as app:
            old = await send(bell().ring("old"), delay=HOUR)
            if fail:
                with pytest.raises(KeyError):
                    await ref(Ledger, "l").in_a_transaction(old, fail)
            else:
                assert await ref(Ledger, "l").in_a_transaction(old, fail) == [True, True, False, False]
            clock.advance(HOUR, app)
            await heard(*(["old"] if fail else ["of the body"]))
            await heard(*([] if fail else ["kept"]), key="other")
        assert rows(store) == 0

    asyncio.run(scenario())


# a simulated app


async def crashing_scenario(app: App) -> None:
    """Timers set and cancelled by clients and methods; the process may die at any commit between."""
    first = await send(bell().ring("first"), delay=10)
    gone = await send(bell().ring("gone"), delay=10)
    await bell().arm_directly("direct", 20)
    often = await send(bell().ring("often"), every=15)
    assert await cancel(gone)
    assert not await cancel(gone)
    await asyncio.sleep(12)
    assert await bell().words() == ["first"]
    assert not await cancel(first)
    await asyncio.sleep(20)
    assert await cancel(often)
    await asyncio.sleep(100)
    assert sorted(await bell().words()) == ["direct", "first", "often", "often"]


def test_whenever_the_process_dies_timers_ring_once_and_cancelled_ones_never() -> None:
    crash_everywhere(crashing_scenario)
