"""The examples, and the small parts of larger programs, with a crash at every commit boundary."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from automata import List, Map, Ref, Set, call, errors, now, object_type, readonly, ref, send, uuid4
from automata.testing import Report, VirtualApp
from automata.testing.crashes import Scenario
from darq.limits import Limits
from tests.crash.boundaries import crash_everywhere
from tests.memory_app import listed


def survives(scenario: Scenario, at_most: int | None = None) -> Report:
    """Crash at each step, and at each group as groups normally are."""
    report = crash_everywhere(scenario, at_most=at_most)
    grouped = crash_everywhere(scenario, limits=Limits(inline_flush_seconds_max=60.0), at_most=at_most)
    assert report.boundaries >= grouped.boundaries > 0
    return report


# The counter


@object_type
class Counter:
    key: str
    value: int = 0

    async def add(self, amount: int) -> int:
        self.value += amount
        return self.value

    @readonly
    async def get(self) -> int:
        return self.value


async def count_visits(app: VirtualApp) -> None:
    visits = ref(Counter, "visits")
    seen = await asyncio.gather(*(visits.add(1) for _ in range(20)))
    assert sorted(seen) == list(range(1, 21))
    assert await visits.get() == 20
    assert await call(visits.add(5), idempotency_key="once") == 25
    assert await call(visits.add(5), idempotency_key="once") == 25
    assert await listed(app.objects(Counter)) == ["visits"]
    await app.delete(visits)
    assert not await app.exists(visits)
    assert await visits.add(1) == 1


def test_a_counter() -> None:
    assert survives(count_visits).boundaries == 23


# The bank


class InsufficientFunds(Exception):
    pass


@object_type
class Account:
    key: str
    owner: str = ""
    balance: int = 0
    tags: list[str] = []
    history: List[tuple[str, int]]
    limits: Map[str, int]
    friends: Set[Ref[Account]]

    async def open(self, owner: str) -> None:
        self.owner = owner

    async def deposit(self, amount: int) -> int:
        self.balance += amount
        self.history.append(("deposit", amount))
        return self.balance

    async def withdraw(self, amount: int) -> int:
        self.history.append(("withdraw", amount))
        self.balance -= amount
        if self.balance < 0:
            raise InsufficientFunds(self.balance)
        return self.balance

    async def pay(self, to: Ref[Account], amount: int) -> int:
        self.balance -= amount
        send(to._receive(amount))
        if self.balance < 0:
            raise InsufficientFunds(self.balance)
        return self.balance

    async def _receive(self, amount: int) -> None:
        self.balance += amount

    async def tag(self, tag: str) -> None:
        self.tags.append(tag)

    async def allow(self, what: str, limit: int) -> None:
        self.limits[what] = self.limits.get(what, 0) + limit

    async def befriend(self, other: Ref[Account]) -> int:
        self.friends.add(other)
        return len(self.friends)

    async def slow_add(self, amount: int) -> int:
        seen = self.balance
        await asyncio.sleep(0.1)
        self.balance = seen + amount
        return self.balance

    @readonly
    async def peek(self) -> int:
        return self.balance

    @readonly
    async def cheat(self) -> None:
        self.balance = 10**9

    @readonly
    async def recent(self, n: int = 3) -> list[tuple[str, int]]:
        return list(self.history.last(n))


async def move_money(app: VirtualApp) -> None:
    accounts = [ref(Account, name) for name in ("alice", "bob", "carol")]
    alice, bob, carol = accounts
    await asyncio.gather(*(account.deposit(100) for account in accounts))
    await asyncio.gather(alice.pay(bob, 30), bob.pay(carol, 60), carol.pay(alice, 10), alice.pay(bob, 5))
    with pytest.raises(InsufficientFunds):
        await alice.pay(bob, 1_000)
    await asyncio.sleep(60)
    assert [await account.peek() for account in accounts] == [75, 75, 150]


def test_a_bank() -> None:
    assert survives(move_money).boundaries >= 12


async def use_an_account(app: VirtualApp) -> None:
    alice, bob = ref(Account, "alice"), ref(Account, "bob")
    await alice.open("Alice")
    assert await alice.deposit(100) == 100
    with pytest.raises(InsufficientFunds):
        await alice.withdraw(500)
    assert await alice.recent() == [("deposit", 100)]
    assert sorted(await asyncio.gather(*(bob.slow_add(1) for _ in range(5)))) == [1, 2, 3, 4, 5]
    assert [await alice.befriend(friend) for friend in (bob, ref(Account, "carol"), bob)] == [1, 2, 2]
    await asyncio.gather(alice.tag("vip"), alice.tag("new"), alice.allow("card", 5), alice.allow("card", 6))
    for wrong in (alice.cheat(), alice.deposit("a lot"), alice.deposit()):  # type: ignore[call-arg, arg-type]
        with pytest.raises((errors.ReadOnlyError, errors.InvalidArgument)):
            await wrong
    state = await app.inspect(alice)
    assert (state["owner"], state["tags"], state["limits"]) == ("Alice", ["vip", "new"], {"card": 11})


def test_an_object_with_collections() -> None:
    assert survives(use_an_account).boundaries >= 15


# Retwis


@dataclass
class Post:
    author: str
    text: str
    time: float


@object_type
class Writer:
    key: str
    name: str = ""
    followers: Set[Ref[Writer]]
    timeline: List[Post]

    async def register(self, name: str) -> None:
        self.name = name

    async def follow(self, followed: Ref[Writer]) -> None:
        send(followed._add_follower(ref(self)))

    async def _add_follower(self, follower: Ref[Writer]) -> None:
        self.followers.add(follower)

    async def create_post(self, text: str) -> int:
        post = Post(self.name, text, now())
        self.timeline.append(post)
        for follower in self.followers:
            send(follower._store_post(post))
        return len(self.followers)

    async def _store_post(self, post: Post) -> None:
        self.timeline.append(post)

    @readonly
    async def get_timeline(self, limit: int = 10) -> list[Post]:
        return list(self.timeline.last(limit))

    @readonly
    async def count(self) -> tuple[int, int]:
        return len(self.followers), len(self.timeline)


async def post_to_followers(app: VirtualApp) -> None:
    names = ["a", "b", "c", "d"]
    users = [ref(Writer, name) for name in names]
    await asyncio.gather(*(user.register(f"user {user.key}") for user in users))
    await asyncio.gather(*(one.follow(other) for one in users for other in users if one != other))
    await asyncio.sleep(60)
    assert await asyncio.gather(*(user.create_post("hello") for user in users)) == [3, 3, 3, 3]
    await send(users[0].create_post("again"))
    await asyncio.sleep(60)
    for user in users:
        timeline = await user.get_timeline()
        assert await user.count() == (3, 5)
        assert sorted(post.author for post in timeline) == ["user a", "user a", "user b", "user c", "user d"]
        assert timeline[-1].text == "again"


def test_retwis() -> None:
    assert survives(post_to_followers).boundaries >= 49


# Keys, dead letters, what awaits outside work


@object_type
class Stock:
    units: int = 0
    reserved: Set[str]
    token: str = ""

    async def supply(self, units: int) -> None:
        self.units += units

    async def reserve(self, order: str) -> bool:
        await asyncio.sleep(0.3)  # work outside, while the object is held
        if not self.units:
            return False
        self.units -= 1
        self.reserved.add(order)
        return True

    async def issue(self) -> str:
        self.token = str(uuid4())
        return self.token

    @readonly
    async def left(self) -> tuple[int, int, str]:
        return self.units, len(self.reserved), self.token


async def reserve_units(app: VirtualApp) -> None:
    stock = ref(Stock, "s")
    await stock.supply(2)
    got = await asyncio.gather(*(call(stock.reserve(f"o{n % 3}"), idempotency_key=f"o{n % 3}") for n in range(6)))
    assert sorted(got) == [False, False, True, True, True, True]
    with pytest.raises(errors.InvalidArgument):
        await call(stock.reserve("another"), idempotency_key="o1")
    token = await call(stock.issue(), idempotency_key="token")
    assert await call(stock.issue(), idempotency_key="token") == token
    assert await stock.left() == (0, 2, token)


def test_idempotency_keys() -> None:
    assert survives(reserve_units).boundaries >= 5


@object_type
class Grumpy:
    key: str
    tries: int = 0
    calm: bool = False

    async def poke(self) -> None:
        self.tries += 1
        send(ref(self)._explode("boom"))

    async def _explode(self, word: str) -> None:
        if not self.calm:
            raise ValueError(word)
        self.tries += 100

    async def calm_down(self) -> None:
        self.calm = True

    @readonly
    async def count(self) -> int:
        return self.tries


async def bury_and_retry(app: VirtualApp) -> None:
    grumpy = ref(Grumpy, "g")
    await grumpy.poke()
    await send(grumpy.poke())
    await asyncio.sleep(600)
    letters = await listed(app.dead_letters())
    assert [(letter.method, letter.error) for letter in letters] == [("_explode", "ValueError: boom")] * 2
    await grumpy.calm_down()
    await app.retry(letters[0].id)
    await app.discard(letters[1].id)
    await asyncio.sleep(60)
    assert await grumpy.count() == 102
    assert not await listed(app.dead_letters())


def test_dead_letters() -> None:
    assert survives(bury_and_retry).boundaries >= 10


# Messages among objects, and to oneself


@object_type
class Stage:
    key: str
    frames: int = 0
    dark: int = 0
    left: int = 0
    log: List[int]

    async def frame(self, luma: int) -> None:
        self.frames += 1
        if luma < 16:
            send(ref(Stage, "alerts")._defect(self.frames))

    async def _defect(self, n: int) -> None:
        self.dark += 1
        self.log.append(n)

    async def countdown(self, n: int) -> None:
        self.left = n
        self.log.append(n)
        if n:
            send(ref(self).countdown(n - 1))

    @readonly
    async def seen(self) -> tuple[int, int, list[int]]:
        return self.frames, self.dark, list(self.log)


async def watch_frames(app: VirtualApp) -> None:
    camera = ref(Stage, "camera")
    for luma in (200, 3, 90, 7):
        send(camera.frame(luma))
    await send(ref(Stage, "clock").countdown(5))
    await asyncio.sleep(60)
    assert await camera.seen() == (4, 0, [])
    assert await ref(Stage, "alerts").seen() == (0, 2, [2, 4])
    assert await ref(Stage, "clock").seen() == (0, 0, [5, 4, 3, 2, 1, 0])


def test_messages_in_order() -> None:
    assert survives(watch_frames).boundaries >= 17
