"""Runs methods of a type of its own while a guest is built, so that the interpreter knows the ways that tasks will go.

CPython adapts code to what it is used with. In a guest that would begin anew with each task, and be thrown away after.
"""

from __future__ import annotations

from typing import Any

from automata.declare import definition, readonly
from automata.list import List
from automata.map import Map
from automata.sandbox.guest.messages import Host, decode, encode
from automata.sandbox.guest.pausing import sleep
from automata.sandbox.guest.rows import Rows
from automata.sandbox.guest.running import Runner
from automata.set import Set
from automata.types import AutomatonType

ROUNDS = 80

_Rows = list[list[bytes]]


class _Warm:
    key: str
    total: int = 0
    name: str = ""
    share: float = 0.0
    last: str | None = None
    plain: dict[str, int] = {}  # noqa: RUF012 - a field's default
    words: Map[str, int]
    numbers: Map[int, str]
    log: List[str]
    tags: Set[str]

    async def change(self, text: str, number: int = 1) -> int:
        self.total += number
        self.name = self.last = text
        self.share = self.total / 2
        self.plain[text] = number
        self.words[text] = self.words.get(text, 0) + number
        self.numbers[number] = text
        self.log.append(text)
        self.tags.add(text)
        return self.total

    @readonly
    async def look(self) -> tuple[int, dict[str, int], list[str]]:
        return self.total, dict(self.words), list(self.log)

    async def pause(self) -> int:
        self.total += 1
        await sleep(1)
        self.total += 1
        return self.total


class _NoHost(Host):
    """Has nothing, and always the same time."""

    def page(self, begin: bytes, end: bytes, limit: int, backwards: bool) -> Rows:
        """None."""
        return []

    def now(self) -> float:
        """The beginning of time."""
        return 0.0

    def entropy(self, count: int) -> bytes:
        """No chance."""
        return bytes(count)


def warm_up() -> None:
    """Run each way often enough."""
    made = definition(_Warm, "Warm")
    made.resolve()
    runner = Runner(_NoHost(), lambda name: made)  # type: ignore[abstract]
    rows: _Rows = []
    for number in range(ROUNDS):
        answer = _run(runner, made, "change", [f"word {number % 7}", number], rows)
        rows = sorted([key, data] for key, data in {**dict(rows), **dict(answer[2][2])}.items() if data is not None)
        _run(runner, made, "look", [], rows)
        _run(runner, made, "pause", [], rows)


def _run(runner: Runner, made: AutomatonType, method: str, arguments: list[object], rows: _Rows) -> list[Any]:
    packed = made.method(method).pack(tuple(arguments), {})
    data = made.method(method).encode_arguments(packed)
    answer: list[Any] = decode(runner.run(encode(["Warm", "key", method, data, rows, True, []])))
    assert answer[0] != 1, answer
    return answer
