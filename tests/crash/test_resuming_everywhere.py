"""Methods with commit points, killed at every one of them: each part happens once, and the caller gets its answer."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from automata import List, call, effect, gather, now, object_type, readonly, ref, send, sleep, transaction, uuid4
from automata.testing import VirtualApp
from darq.limits import Limits
from tests.crash.boundaries import crash_everywhere

OUTSIDE: Counter[str] = Counter()
"""What effects have done to the outside world, by token."""


class SoldOut(Exception):
    pass


@object_type
class Stock:
    units: int = 0
    reservations: int = 0

    async def supply(self, units: int) -> None:
        self.units += units

    async def reserve(self, order: str) -> bool:
        if order.endswith("-slow"):
            await sleep(0.3)
        if not self.units:
            return False
        self.units -= 1
        self.reservations += 1
        return True

    async def take(self) -> int:
        if not self.units:
            raise SoldOut
        self.units -= 1
        return self.units

    @readonly
    async def left(self) -> tuple[int, int]:
        return self.units, self.reservations


@object_type
class Cash:
    charged: int = 0
    charges: int = 0

    async def charge(self, cents: int) -> str:
        self.charged += cents
        self.charges += 1
        return f"receipt-{self.charges}"

    @readonly
    async def total(self) -> tuple[int, int]:
        return self.charged, self.charges


async def tell_outside(token: str) -> str:
    OUTSIDE[token] += 1
    return token


@object_type
class Order:
    key: str
    state: str = "new"
    steps: List[str]
    token: str = ""
    started: float = 0.0

    async def place(self, items: list[str]) -> str:
        self.token = str(uuid4())
        self.started = now()
        self.state = "reserving"
        self.steps.append("begin")
        await effect(tell_outside, f"begin {self.token}")
        reserved = await gather(*(ref(Stock, item).reserve(f"{self.key}-slow") for item in items))
        if not all(reserved):
            self.state = "refused"
            return self.state
        self.state = "charging"
        self.steps.append("reserved")
        receipt = await ref(Cash, "till").charge(100 * len(items))
        self.steps.append(receipt)
        await sleep(3600)
        self.state = "done"
        self.steps.append("end")
        return self.token

    async def take_all(self, item: str) -> int:
        taken = 0
        try:
            while True:
                await ref(Stock, item).take()
                taken += 1
                self.steps.append(f"{taken}")
        except SoldOut:
            send(ref(Cash, "till").charge(taken))
        return taken

    @readonly
    async def report(self) -> tuple[str, list[str], str]:
        return self.state, list(self.steps), self.token


async def place_orders(app: VirtualApp) -> None:
    OUTSIDE.clear()
    await asyncio.gather(*(ref(Stock, item).supply(3) for item in ("s0", "s1")))
    orders = [ref(Order, f"o{n}") for n in range(3)]
    tokens = await asyncio.gather(*(call(o.place(["s0", "s1"]), idempotency_key="place") for o in orders))
    assert await ref(Order, "late").place(["s0"]) == "refused"
    for order, token in zip(orders, tokens, strict=True):
        state, steps, kept = await order.report()
        assert (state, kept) == ("done", token)
        assert (steps[:2], steps[3:]) == (["begin", "reserved"], ["end"])
        assert OUTSIDE[f"begin {token}"] in {1, 2}  # an effect runs at least once, and under one token
    assert len(OUTSIDE) == 4
    assert await ref(Cash, "till").total() == (600, 3)
    assert [await ref(Stock, item).left() for item in ("s0", "s1")] == [(0, 3), (0, 3)]
    assert await call(orders[0].place(["s0", "s1"]), idempotency_key="place") == tokens[0]


async def place_by_message(app: VirtualApp) -> None:
    await ref(Stock, "s0").supply(1)
    await send(ref(Order, "o").place(["s0"]))
    await asyncio.sleep(2 * 3600)
    state, steps, _ = await ref(Order, "o").report()
    assert (state, steps) == ("done", ["begin", "reserved", "receipt-1", "end"])
    assert await ref(Cash, "till").total() == (100, 1)


async def take_until_refused(app: VirtualApp) -> None:
    await ref(Stock, "s").supply(3)
    assert await ref(Order, "o").take_all("s") == 3
    await asyncio.sleep(60)
    assert (await ref(Order, "o").report())[1] == ["1", "2", "3"]
    assert await ref(Stock, "s").left() == (0, 0)
    assert await ref(Cash, "till").total() == (3, 1)


@object_type
class Purse:
    key: str
    coins: int = 0

    async def put(self, coins: int) -> int:
        self.coins += coins
        if self.coins < 0:
            raise SoldOut(self.key)
        return self.coins

    @readonly
    async def count(self) -> int:
        return self.coins


@object_type
class Broker:
    key: str
    moved: int = 0

    async def move(self, coins: int, names: list[str]) -> None:
        giver, *takers = (ref(Purse, name) for name in names)

        async def change_hands() -> None:
            await giver.put(-coins * len(takers))
            for taker in takers:
                await taker.put(coins)

        await transaction(change_hands)
        self.moved += coins * len(takers)
        await sleep(60)
        send(ref(Purse, "fees").put(1))

    @readonly
    async def total(self) -> int:
        return self.moved


async def move_coins(app: VirtualApp) -> None:
    await ref(Purse, "a").put(10)
    broker = ref(Broker, "b")
    await asyncio.gather(broker.move(2, ["a", "b", "c"]), broker.move(3, ["a", "c"]))
    with pytest.raises(SoldOut):
        await broker.move(2, ["b", "a", "c"])
    await asyncio.sleep(60)
    assert [await ref(Purse, name).count() for name in ("a", "b", "c", "fees")] == [3, 2, 5, 2]
    assert await broker.total() == 7


@pytest.mark.parametrize("scenario", [move_coins, place_orders, place_by_message, take_until_refused])
def test_a_method_resumes_wherever_the_process_dies(scenario: object) -> None:
    report = crash_everywhere(scenario)  # type: ignore[arg-type]
    grouped = crash_everywhere(scenario, limits=Limits(inline_flush_seconds_max=60.0))  # type: ignore[arg-type]
    assert report.boundaries >= grouped.boundaries > 0
