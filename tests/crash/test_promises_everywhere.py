"""What is promised of timeouts, transactions, order, lifetimes and migration, with a crash at every commit boundary."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from automata import List, Retry, now, object_type, readonly, ref, send, sleep, transaction
from automata.testing import VirtualApp
from automata.testing.app import BEGINNING
from automata.testing.crashes import Scenario
from darq.limits import Limits
from tests.crash.boundaries import crash_everywhere
from tests.memory_app import listed

HOUR_SECONDS = 3600.0


# timeouts


@object_type
class Worker:
    key: str
    begun: int = 0
    done: int = 0

    async def work(self, seconds: float) -> int:
        self.begun += 1
        await sleep(seconds)
        self.done += 1
        return self.done

    @readonly
    async def counts(self) -> tuple[int, int]:
        return self.begun, self.done


@object_type
class Boss:
    key: str
    said: List[str]

    async def ask(self, seconds: float, patience: float) -> str:
        self.said.append("asks")
        try:
            async with asyncio.timeout(patience):
                await ref(Worker, "w").work(seconds)
            answer = "in time"
        except TimeoutError:
            answer = "late"
        self.said.append(answer)
        return answer

    @readonly
    async def heard(self) -> list[str]:
        return list(self.said)


async def wait_with_timeouts(app: VirtualApp) -> None:
    boss = ref(Boss, "b")
    assert await boss.ask(10.0, HOUR_SECONDS) == "in time"
    assert await boss.ask(HOUR_SECONDS, 10.0) == "late"
    await asyncio.sleep(2 * HOUR_SECONDS)  # what was given up to wait for goes on
    assert await boss.heard() == ["asks", "in time", "asks", "late"]
    assert await ref(Worker, "w").counts() == (2, 2)


# transactions


@object_type
class Purse:
    key: str
    coins: int = 0

    async def put(self, coins: int) -> int:
        self.coins += coins
        return self.coins

    async def put_slowly(self, coins: int) -> int:
        seen = self.coins
        await asyncio.sleep(0.3)  # work outside, while the object is held
        self.coins = seen + coins
        return self.coins

    @readonly
    async def count(self) -> int:
        return self.coins


@object_type
class Broker:
    key: str
    moves: int = 0

    async def move(self, coins: int, giver: str, taker: str) -> None:
        async def change_hands() -> None:
            await ref(Purse, giver).put(-coins)
            await ref(Purse, taker).put(coins)

        await transaction(change_hands)
        self.moves += 1

    @readonly
    async def total(self) -> int:
        return self.moves


async def move_among_held_purses(app: VirtualApp) -> None:
    a, b = ref(Purse, "a"), ref(Purse, "b")
    await a.put(100)
    await asyncio.gather(
        a.put_slowly(1),
        b.put_slowly(2),
        ref(Broker, "x").move(10, "a", "b"),
        b.put_slowly(4),
        ref(Broker, "y").move(20, "b", "a"),
        a.put_slowly(8),
    )
    assert [await purse.count() for purse in (a, b)] == [119, -4]
    assert [await ref(Broker, name).total() for name in "xy"] == [1, 1]


# order


@object_type(strict_order=True, retry=Retry(tries=1_000, first_seconds=1.0, seconds_max=1.0))
class Ledger:
    key: str
    lines: List[str]

    async def write(self, line: str) -> None:
        self.lines.append(line)
        if line == "2" and now() < BEGINNING.timestamp() + 30.0:
            raise LookupError(line)

    @readonly
    async def read(self) -> list[str]:
        return list(self.lines)


@object_type
class Writer:
    key: str
    turns: int = 0

    async def tell(self, lines: list[str]) -> None:
        self.turns += 1
        for line in lines:
            send(ref(Ledger, f"other {line}").write(line))
            send(ref(Ledger, "l").write(line))

    async def ask(self, line: str) -> None:
        await ref(Page, "p").write(line)

    async def tell_page(self, count: int) -> None:
        self.turns += 1
        for n in range(count):
            send(ref(Page, f"other {n}").write("x"))
        send(ref(Page, "p").write("sent"))


@object_type
class Page:
    key: str
    lines: List[str]

    async def write(self, line: str) -> None:
        self.lines.append(line)

    @readonly
    async def read(self) -> list[str]:
        return list(self.lines)


async def keep_strict_order(app: VirtualApp) -> None:
    await ref(Writer, "w").tell(["1", "2", "3"])
    await send(ref(Writer, "w").tell(["4"]))
    await asyncio.sleep(300)
    assert await ref(Ledger, "l").read() == ["1", "2", "3", "4"]


async def keep_order_between_messages_and_calls(app: VirtualApp) -> None:
    writer = ref(Writer, "w")
    await writer.tell_page(5)
    await writer.ask("called")
    assert await ref(Page, "p").read() == ["sent", "called"]
    for n in range(5):
        send(ref(Page, f"other {n}").write("y"))
    send(ref(Page, "p").write("posted"))
    await ref(Page, "p").write("called again")
    await asyncio.sleep(60)
    assert await ref(Page, "p").read() == ["sent", "called", "posted", "called again"]


# lifetimes


@object_type(time_to_live=HOUR_SECONDS)
class Session:
    key: str
    visits: int = 0

    async def visit(self) -> int:
        self.visits += 1
        return self.visits


async def forget_sessions(app: VirtualApp) -> None:
    short, kept = ref(Session, "short"), ref(Session, "kept")
    assert await short.visit() == 1
    for n in range(1, 5):
        assert await kept.visit() == n
        await asyncio.sleep(HOUR_SECONDS / 2)
    assert await listed(app.objects(Session)) == ["kept"]
    assert await short.visit() == 1
    await asyncio.sleep(3 * HOUR_SECONDS)
    assert await listed(app.objects(Session)) == []


# migration


def version_1() -> Any:
    @object_type
    class Person:
        __qualname__ = "Person"
        first: str = ""
        last: str = ""
        notes: List[str]

        async def name(self, first: str, last: str) -> None:
            self.first, self.last = first, last
            self.notes.append("named")

    return Person


def version_2() -> Any:
    def join(self: Any, old: Mapping[str, Any], version: int) -> None:
        self.full = f"{old['first']} {old['last']}"
        self.notes.append(f"from {version}")

    @object_type(version=2, migrate=join)
    class Person:
        __qualname__ = "Person"
        full: str = ""
        notes: List[str]

        async def note(self, text: str) -> list[str]:
            self.notes.append(text)
            return list(self.notes)

        @readonly
        async def called(self) -> str:
            return self.full

    return Person


async def bring_up_to_date(app: VirtualApp) -> None:
    old = version_1()
    await asyncio.sleep(1)
    for key in ("a", "b", "c"):
        await app.ref(old, key).name(key.upper(), "Person")
    new = version_2()
    await asyncio.sleep(1)
    assert await app.ref(new, "a").note("changed") == ["named", "from 1", "changed"]
    await send(app.ref(new, "b").note("sent"))
    await asyncio.sleep(60)
    assert [await app.ref(new, key).called() for key in ("a", "b", "c")] == ["A Person", "B Person", "C Person"]
    notes = [(await app.inspect(app.ref(new, key)))["notes"] for key in ("a", "b", "c")]
    assert notes == [["named", "from 1", "changed"], ["named", "from 1", "sent"], ["named", "from 1"]]


@pytest.mark.parametrize(
    ("scenario", "boundaries"),
    [
        (wait_with_timeouts, 6),
        (move_among_held_purses, 6),
        (keep_strict_order, 8),
        (keep_order_between_messages_and_calls, 12),
        (forget_sessions, 5),
        (bring_up_to_date, 5),
    ],
)
def test_a_promise_is_kept_wherever_the_process_dies(scenario: Scenario, boundaries: int) -> None:
    assert crash_everywhere(scenario).boundaries >= boundaries
    assert crash_everywhere(scenario, limits=Limits(inline_flush_seconds_max=60.0)).boundaries > 0
