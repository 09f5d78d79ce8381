"""`crash_everywhere` finds what breaks the promises, and passes what keeps them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from automata import object_type, readonly, ref, send
from automata.calls import Call
from automata.errors import InvalidArgument, StateError
from automata.keyed import Keyed
from automata.local import LocalRouter
from automata.stage import Stage
from automata.testing import Crash, VirtualApp, crash_everywhere
from automata.work import Outcome, Work
from darq.gate import Action, Gate
from darq.limits import Limits
from darq.step import Step


class Refused(Exception):
    pass


@object_type
class Counter:
    key: str
    value: int = 0

    async def add(self, amount: int = 1) -> int:
        self.value += amount
        return self.value

    async def refuse(self) -> None:
        self.value += 100
        raise Refused(self.key)

    async def tell(self, other: str) -> None:
        self.value += 1
        send(ref(Counter, other).add())

    @readonly
    async def get(self) -> int:
        return self.value


async def calls(app: VirtualApp) -> None:
    counter = ref(Counter, "a")
    assert await counter.add() == 1
    assert await counter.add() == 2
    with pytest.raises(Refused):
        await counter.refuse()
    assert await counter.get() == 2


async def messages(app: VirtualApp) -> None:
    for _ in range(3):
        await send(ref(Counter, "a").tell("b"))
    await asyncio.sleep(60)
    assert await ref(Counter, "a").get() == 3
    assert await ref(Counter, "b").get() == 3


def test_calls_are_made_once_wherever_the_process_dies() -> None:
    report = crash_everywhere(calls)
    assert report.boundaries == 3
    assert report.runs == 1 + 2 * report.boundaries


def test_messages_arrive_once_wherever_the_process_dies() -> None:
    report = crash_everywhere(messages)
    assert report.boundaries == 9
    assert report.groups[0] == "message to Counter/a tell"
    assert crash_everywhere(messages, limits=Limits()).boundaries > 0
