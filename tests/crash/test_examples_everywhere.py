"""What each example promises, with a crash at every commit boundary."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from types import ModuleType

import pytest

from automata import call, ref, send
from automata.testing import Report, VirtualApp
from darq.limits import Limits
from tests.crash.boundaries import crash_everywhere
from tests.example import example
from tests.memory_app import listed

Promise = Callable[[VirtualApp, ModuleType], Coroutine[object, object, None]]

WHILE_MESSAGES_ARRIVE = 60.0  # virtual seconds


def survives(promise: Promise, program: ModuleType) -> Report:
    """Crash at each step, and at each group as groups normally are."""

    async def scenario(app: VirtualApp) -> None:
        await promise(app, program)

    report = crash_everywhere(scenario)
    grouped = crash_everywhere(scenario, limits=Limits(inline_flush_seconds_max=60.0))
    assert report.boundaries >= grouped.boundaries > 0
    return report


async def counts_every_visit(app: VirtualApp, counter: ModuleType) -> None:
    visits = ref(counter.Counter, "visits")
    await asyncio.gather(*(visits.add(1) for _ in range(10)))
    assert await visits.get() == 10


async def pays_once(app: VirtualApp, bank: ModuleType) -> None:
    alice, bob = ref(bank.Account, "alice"), ref(bank.Account, "bob")
    for _ in range(2):
        assert await call(alice.deposit(100), idempotency_key="salary-1") == 100
    assert await alice.pay(bob, 30) == 70
    with pytest.raises(bank.InsufficientFunds):
        await alice.pay(bob, 1_000)
    await asyncio.sleep(WHILE_MESSAGES_ARRIVE)
    assert [await alice.get_balance(), await bob.get_balance()] == [70, 30]


async def reaches_each_follower(app: VirtualApp, retwis: ModuleType) -> None:
    users = [ref(retwis.User, name) for name in "abcd"]
    await asyncio.gather(*(user.follow(users[0]) for user in users[1:]))
    await asyncio.sleep(WHILE_MESSAGES_ARRIVE)
    assert await users[0].create_post("hello") == 3
    await asyncio.sleep(WHILE_MESSAGES_ARRIVE)
    assert [await user.get_timeline() for user in users] == [[], *[["a: hello"]] * 3]


async def orders_whole_or_not_at_all(app: VirtualApp, saga: ModuleType) -> None:
    for name, amount in {"book": 2, "pen": 1, "purse": 900}.items():
        await call(ref(saga.Supply, name).change(amount), idempotency_key="filled")
    baskets = {"o1": ["book", "pen"], "o2": ["pen", "book"], "o3": ["book", "book"], "o4": ["book"]}
    told = {
        order: await call(ref(saga.Order, order).place(items), idempotency_key="placed")
        for order, items in baskets.items()
    }
    assert told["o1"].startswith("parcel")
    assert told["o4"].startswith("parcel")
    assert told["o2"] == told["o3"] == "refused"
    for order, items in baskets.items():
        assert await call(ref(saga.Order, order).place(items), idempotency_key="placed") == told[order]
    left = [(await app.inspect(ref(saga.Supply, name)))["left"] for name in ("book", "pen", "purse")]
    assert left == [0, 0, 0]
    assert not await listed(app.interrupted())


async def refuses_what_cannot_be_paid(app: VirtualApp, saga: ModuleType) -> None:
    for name, amount in {"book": 2, "purse": 500}.items():
        await ref(saga.Supply, name).change(amount)
    await send(ref(saga.Order, "dear").place(["book", "book"]))
    await asyncio.sleep(WHILE_MESSAGES_ARRIVE)
    left = [(await app.inspect(ref(saga.Supply, name)))["left"] for name in ("book", "purse")]
    assert left == [2, 500]


async def rings_once(app: VirtualApp, reminders: ModuleType) -> None:
    me = ref(reminders.Reminders, "me")
    await me.remind("cake", 3600)
    await me.repeat("stretch", 600.0)
    await send(me.ring("tea"), at=datetime(2030, 1, 1, 0, 25, tzinfo=UTC))
    await asyncio.sleep(1900)
    assert await me.stop("stretch")
    await asyncio.sleep(7200)
    assert await me.get() == ["stretch", "stretch", "tea", "stretch", "cake"]


async def answers_are_never_stale(app: VirtualApp, cached: ModuleType) -> None:
    timeline = ref(cached.Timeline, "alice")
    for day in range(3):
        post = await timeline.post(f"day {day} was good")
        await timeline.like(post)
        assert [(await timeline.words())["good"] for _ in range(2)] == [day + 1] * 2


async def makes_and_loses_no_money(app: VirtualApp, bank: ModuleType) -> None:
    accounts = [ref(bank.Account, name) for name in ("alice", "bob", "carol")]
    for account in accounts:
        await account.add(20)
    payments = [ref(bank.Bank, "b").pay(one, [a for a in accounts if a != one], 7) for one in accounts for _ in "ab"]
    outcomes = await asyncio.gather(*payments, return_exceptions=True)
    refused = [outcome for outcome in outcomes if outcome is not None]
    assert {type(outcome) for outcome in refused} <= {ValueError}
    balances = [(await app.inspect(account))["balance"] for account in accounts]
    assert sum(balances) == 60
    assert min(balances) >= 0


async def a_refusal_undoes_all(app: VirtualApp, bank: ModuleType) -> None:
    accounts = [ref(bank.Account, name) for name in ("alice", "bob", "carol")]
    await accounts[0].add(20)
    with pytest.raises(ValueError, match="not so much"):
        await ref(bank.Bank, "b").pay(accounts[0], accounts[1:], 15)
    await ref(bank.Bank, "b").pay(accounts[0], accounts[1:], 10)
    assert [(await app.inspect(account))["balance"] for account in accounts] == [0, 10, 10]


async def notifies_once_for_each_defect(app: VirtualApp, video: ModuleType) -> None:
    lumas = [90, 80, 70, 3, 3, 3, 3, 50, 60, 60, 70, 80, 80, 80, 80, 2, 2, 30]
    for luma in lumas:
        await ref(video.Monitor, "clip").frame(bytes([luma]) * 4)
    await asyncio.sleep(WHILE_MESSAGES_ARRIVE)
    state = await app.inspect(ref(video.Monitor, "clip"))
    assert (state["frames"], state["defects"]) == (len(lumas), 2)
    got = (await app.inspect(ref(video.Alerts, "clip")))["got"]
    assert got == ["black from frame 3 on", "frozen from frame 12 on"]


@pytest.mark.parametrize(
    ("name", "promise", "boundaries_min"),
    [
        ("counter", counts_every_visit, 10),
        ("bank", pays_once, 3),
        ("retwis", reaches_each_follower, 10),
        ("order_saga", orders_whole_or_not_at_all, 20),
        ("order_saga", refuses_what_cannot_be_paid, 5),
        ("reminders", rings_once, 8),
        ("cached_timeline", answers_are_never_stale, 6),
        ("bank_transactions", makes_and_loses_no_money, 6),
        ("bank_transactions", a_refusal_undoes_all, 2),
        ("video_monitor", notifies_once_for_each_defect, 20),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_an_example_keeps_its_promise_wherever_the_process_dies(
    name: str, promise: Promise, boundaries_min: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert survives(promise, example(name, monkeypatch)).boundaries >= boundaries_min
