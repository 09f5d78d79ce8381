"""Random timers, cancellings, moved clocks and crashes: each rings exactly once, none early, cancelled ones never."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from automata import List, cancel, object_type, readonly, ref, send
from automata.app import App
from darq import keys
from darq.limits import Limits
from tests.clock import Clock
from tests.memory_app import crashing, memory_app, seeded_store, settled

DRIVERS = ["client", "unawaited", "direct", "awaiting"]
FAR = 1_000_000.0


@object_type
class Rung:
    """What has rung."""

    got: List[str]

    async def ring(self, name: str) -> None:
        self.got.append(name)

    @readonly
    async def all(self) -> list[str]:
        return list(self.got)


@object_type
class Setter:
    """Sets and cancels timers from methods, and sometimes fails."""

    async def set_one(self, name: str, delay: float, every: float | None, fail: bool) -> str:
        message = send(ref(Rung, "r").ring(name), delay=delay, every=every)
        if fail:
            raise ValueError("rolled back")
        return message.id

    async def set_one_and_wait(self, name: str, delay: float, every: float | None, fail: bool) -> str:
        message = await send(ref(Rung, "r").ring(name), delay=delay, every=every)
        await asyncio.sleep(0)
        if fail:
            raise ValueError("rolled back")
        return message

    async def cancel_one(self, message: str, fail: bool) -> bool:
        answer = await cancel(message)
        await asyncio.sleep(0)
        if fail:
            raise ValueError("rolled back")
        return answer


@dataclass
class Expected:
    """The model of one timer. latest: the highest time that the clock has shown since.

    certain: its setting is durable; lost: it may not be, and a crash came, so that its id may be another's by now.
    """

    due: float
    every: float | None
    message: str
    latest: float
    certain: bool = True
    lost: bool = False
    cancelled: bool = False


@dataclass
class Model:
    """All timers that were set."""

    timers: dict[str, Expected] = field(default_factory=dict)

    def advance(self, clock: Clock, seconds: float, *apps: App) -> None:
        """Move the clock."""
        for timer in self.timers.values():
            timer.latest = max(timer.latest, clock.now + seconds)
        clock.advance(seconds, *apps)

    def check(self, names: list[str], at_end: bool) -> None:
        for name in names:
            assert name in self.timers, f"{name} was never set"
            assert self.timers[name].latest >= self.timers[name].due, f"{name} rang early"
        for name, timer in self.timers.items():
            rang = names.count(name)
            if timer.every is None:
                assert rang <= 1, f"{name} rang {rang} times"
                assert not (timer.cancelled and rang), f"{name} was cancelled and rang"
                if at_end and timer.certain and not timer.cancelled:
                    assert rang == 1, f"{name} never rang"
            elif at_end and timer.certain and not timer.cancelled:
                assert rang >= 1, f"{name} never rang"


delays = st.sampled_from([0.0, 0.001, 1.0, 1.5, 10.0, 3600.0])
actions = st.one_of(
    st.tuples(
        st.just("set"), st.sampled_from(DRIVERS), delays, st.sampled_from([None, None, None, 2.0]), st.booleans()
    ),
    st.tuples(st.just("cancel"), st.sampled_from(DRIVERS), st.integers(0, 30), st.booleans()),
    st.tuples(st.just("clock"), st.sampled_from([0.5, 1.0, 2.0, 10.0, 4000.0, -5.0, -4000.0])),
    st.tuples(st.just("turns"), st.integers(0, 4)),
)


@given(
    # one more death, and a timer that was tried in three of them may rightly be a dead letter
    lives=st.lists(st.tuples(st.lists(actions, max_size=12), st.booleans()), min_size=1, max_size=3),
    seed=st.integers(0, 2**32),
    window=st.sampled_from([2, 20_000]),
)
def test_every_timer_rings_once_and_none_that_was_cancelled(lives: Any, seed: int, window: int) -> None:
    async def scenario() -> None:
        store, clock, model = seeded_store(seed), Clock(), Model()
        limits = Limits(inbox_window_messages_max=window)
        for life, (wanted, clean) in enumerate(lives):
            opened = memory_app(store, limits, clock.options) if clean else crashing(store, limits, clock.options)
            async with opened as app:
                for n, action in enumerate(wanted):
                    await _act(app, clock, model, f"{life}.{n}", action)
                model.check(await ref(Rung, "r").all(), at_end=False)
            for timer in model.timers.values():
                timer.lost = timer.lost or not (timer.certain or clean)
                timer.certain = not timer.lost
        model.advance(clock, FAR)
        async with memory_app(store, limits, clock.options) as app:
            await settled(lambda: _left(app, model), [])
            for timer in sorted(model.timers.values(), key=lambda timer: timer.lost):
                if timer.every is not None:
                    assert await cancel(timer.message) is not timer.cancelled or timer.lost
            model.advance(clock, FAR, app)
            got = await ref(Rung, "r").all()
            model.check(got, at_end=True)
        async with memory_app(store, limits, clock.options):
            assert await ref(Rung, "r").all() == got
        assert store.reopen().scan(keys.TIMER, keys.after(keys.SCHEDULE), 1) == []

    asyncio.run(scenario())


async def _left(app: App, model: Model) -> list[str]:
    names = await ref(Rung, "r").all()
    missing = [
        name for name, timer in model.timers.items() if timer.certain and not timer.cancelled and name not in names
    ]
    stats = await app.stats()
    return missing or (["on its way"] if stats["timers_ringing"] or stats["messages_in_memory"] else [])


async def _act(app: App, clock: Clock, model: Model, name: str, action: Any) -> None:
    match action:
        case ("set", driver, delay, every, fail):
            due = clock.now + delay
            message = await _set(driver, name, delay, every, fail)
            if message is not None:
                model.timers[name] = Expected(due, every, message, clock.now, certain=driver != "unawaited")
        case ("cancel", driver, number, fail) if model.timers:
            timer = list(model.timers.values())[number % len(model.timers)]
            if not timer.lost and await _cancel(driver, timer.message, fail):
                assert not timer.cancelled
                timer.cancelled = True
        case ("clock", seconds):
            model.advance(clock, seconds, app)
        case ("turns", count):
            for _ in range(count):
                await asyncio.sleep(0)


async def _set(driver: str, name: str, delay: float, every: float | None, fail: bool) -> str | None:
    if driver == "client":
        return await send(ref(Rung, "r").ring(name), delay=delay, every=every)
    if driver == "unawaited":
        return send(ref(Rung, "r").ring(name), delay=delay, every=every).id
    setter = ref(Setter, "s")
    work = setter.set_one if driver == "direct" else setter.set_one_and_wait
    try:
        return await work(name, delay, every, fail)
    except ValueError:
        return None


async def _cancel(driver: str, message: str, fail: bool) -> bool:
    if driver == "client":
        return await cancel(message)
    try:
        return await ref(Setter, "s").cancel_one(message, fail)
    except ValueError:
        return False


def test_the_model_notices_what_it_is_there_for() -> None:
    """An early, a doubled, a lost and a cancelled one: the checker that finds none of them proves nothing."""
    for names, latest, at_end, cancelled in [
        ("a", 4.0, False, False),
        ("aa", 9.0, False, False),
        ("", 9.0, True, False),
        ("a", 9.0, False, True),
        ("b", 9.0, False, False),
    ]:
        model = Model({"a": Expected(5.0, None, "id", latest, cancelled=cancelled)})
        try:
            model.check(list(names), at_end)
        except AssertionError:
            continue
        raise AssertionError(f"the model accepts {names!r}")
