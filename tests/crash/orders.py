"""A process that places orders, each a method of many parts, until all are done or it is killed.

usage: python -m tests.crash.orders STORE EFFECTS

EFFECTS gets a line for each effect. "opened" is printed once the app is open.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import ssms
from automata import List, call, effect, gather, object_type, readonly, ref, sleep, uuid4

ORDERS = 8
ROUNDS = 8


@object_type
class Rack:
    units: int = 1000

    async def take(self) -> int:
        self.units -= 1
        return self.units

    async def take_slowly(self) -> int:
        await sleep(0.1)
        self.units -= 1
        await sleep(0.1)
        return self.units

    @readonly
    async def left(self) -> int:
        return self.units


@object_type
class Purchase:
    key: str
    token: str = ""
    steps: List[str]

    async def place(self, effects: str) -> str:
        self.token = token = str(uuid4())
        self.steps.append("begin")
        await effect(note, effects, f"{self.key} begin {token}")
        for n in range(ROUNDS):
            await gather(*(ref(Rack, f"s{n}").take_slowly() for n in range(3)))
            self.steps.append(f"taken {n}")
            await ref(Rack, "s0").take()
            self.steps.append(f"paid {n}")
            await sleep(0.1)
        await effect(note, effects, f"{self.key} end {token}")
        self.steps.append("end")
        return token

    @readonly
    async def told(self) -> tuple[str, list[str]]:
        return self.token, list(self.steps)


def note(effects: str, line: str) -> None:
    """One line in the outside world."""
    with Path(effects).open("a") as file:
        file.write(line + "\n")


async def place_all(effects: str) -> list[str]:
    """The tokens of all orders, each placed under its key."""
    placing = (call(ref(Purchase, f"p{n}").place(effects), idempotency_key="place") for n in range(ORDERS))
    return await asyncio.gather(*placing)


async def main(store: str, effects: str) -> None:
    """Place all orders."""
    async with ssms.open(store):
        sys.stdout.write("opened\n")
        sys.stdout.flush()
        await place_all(effects)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
