"""Object types whose objects live in several stores and change together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from automata import List, gather, object_type, readonly, ref, send, transaction

GATES: dict[str, asyncio.Event] = {}
BODIES: dict[str, Callable[[], Awaitable[Any]]] = {}


class Insufficient(Exception):
    """More than there is."""


@object_type(name="ClusterAccount")
class Account:
    key: str
    cents: int = 0
    notes: List[str]

    async def deposit(self, cents: int) -> int:
        self.cents += cents
        return self.cents

    async def withdraw(self, cents: int) -> int:
        self.cents -= cents
        if self.cents < 0:
            raise Insufficient(self.cents)
        return self.cents

    async def hold(self, gate: str) -> None:
        self.cents += 1
        await GATES[gate].wait()

    async def note(self, text: str) -> None:
        self.notes.append(text)

    async def tell(self, other: str, text: str) -> None:
        send(ref(Account, other).note(text))

    async def pass_on(self, others: list[str], cents: int) -> int:
        """Takes from itself, gives to the next, which passes it on in turn; the last gives it back to the first."""
        self.cents -= cents
        if others:
            await ref(Account, others[0]).take_on(self.key, others[1:], cents)
        return self.cents

    async def take_on(self, first: str, others: list[str], cents: int) -> None:
        self.cents += cents
        self.cents -= cents
        if others:
            await ref(Account, others[0]).take_on(first, others[1:], cents)
        else:
            await ref(Account, first).deposit(cents)

    @readonly
    async def get(self) -> int:
        return self.cents

    @readonly
    async def lines(self) -> list[str]:
        return list(self.notes)


async def move(source: str, target: str, cents: int) -> int:
    await ref(Account, target).deposit(cents)
    return await ref(Account, source).withdraw(cents)


async def read_all(keys: list[str]) -> list[int]:
    return list(await gather(*(ref(Account, key).get() for key in keys)))


async def read_lines(key: str) -> list[str]:
    return await ref(Account, key).lines()


@object_type(name="ClusterTeller")
class Teller:
    key: str
    moves: int = 0

    async def transfer(self, source: str, target: str, cents: int) -> int:
        left = await transaction(move, source, target, cents)
        self.moves += 1
        return left

    async def total(self, keys: list[str]) -> list[int]:
        return await transaction(read_all, keys)

    async def run(self, body: str) -> Any:
        return await transaction(BODIES[body])

    async def note_and_read(self, key: str, text: str) -> list[str]:
        send(ref(Account, key).note(text))
        return await transaction(read_lines, key)

    async def move_and_wait(self, source: str, target: str, cents: int, gate: str) -> int:
        await transaction(move, source, target, cents)
        await ref(Account, source).hold(gate)
        self.moves += 1
        return self.moves


ACCOUNTS = [f"a{n}" for n in range(8)]
