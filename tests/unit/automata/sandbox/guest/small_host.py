"""A host of one object that keeps to the contract with guests: steps, parts, and a transcript of what was read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from automata.sandbox.paging import first_of
from automata.sandbox.passing import IN_PARTS, PART_BYTES
from automata.values.dynamic import decode_dynamic, encode_dynamic

Run = Callable[[bytes, Callable[[str, tuple[Any, ...]], Any]], bytes]
Outcome = tuple[int, bytes]

NOW = 1_700_000_000.25


class Raised(Exception):
    """What the method has raised: args are kind, message, traceback."""


class SmallHost:
    """One object. outcomes: what is awaited next comes to, one list for each await; None stands for a pause's end."""

    def __init__(self, run: Run, type_name: str, key: str = "one") -> None:
        self._run = run
        self._name = (type_name, key)
        self.rows: dict[bytes, bytes] = {}
        self.outcomes: list[list[Outcome]] = []
        self.points: list[Any] = []
        self.sends: list[Any] = []
        self.scheduled: list[Any] = []
        self.asked: list[str] = []
        self.logged: list[tuple[int, str]] = []
        self.between: Callable[[], None] = lambda: None
        self.awaits: set[str] = set()
        self._transcript: list[Any] = []
        self._at = 0

    def call(self, method: str, *args: object, typed: Iterable[bytes] | None = None) -> Any:
        """Run a method to its end. typed: its arguments as they are encoded. Raises Raised."""
        arguments = msgspec.msgpack.encode(list(typed) if typed is not None else [encode_dynamic(a) for a in args])
        past: list[list[Outcome]] = []
        self._transcript = []
        while True:
            data, changes = self._part(method, arguments, past)
            self._apply(changes)
            if data is not None:
                return decode_dynamic(data)
            self.between()
            past.append(self.outcomes.pop(0))

    def _part(self, method: str, arguments: bytes, past: list[list[Outcome]]) -> tuple[bytes | None, Any]:
        rows = [] if method in self.awaits else sorted(self.rows.items())
        task = [*self._name, method, arguments, rows, method not in self.awaits, past]
        self._at = 0
        self._task, self._given = msgspec.msgpack.encode(task), b""
        last = self._run(self._task if len(self._task) <= PART_BYTES else IN_PARTS, self._answer)
        answer = msgspec.msgpack.decode(self._given + last)
        if answer[0] == 1:
            raise Raised(*answer[1:])
        if answer[0] == 2:
            self.points.append(answer[1])
            return None, answer[2]
        return answer[1], answer[2]

    def _apply(self, changes: Any) -> None:
        deleted, ranges, writes, sends = changes
        assert not deleted or ranges, "an object is deleted by dropping its rows"
        for begin, end in ranges:
            for key in [key for key in self.rows if begin <= key < end]:
                del self.rows[key]
        for key, value in writes:
            if value is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = value
        self.sends += sends

    def _answer(self, name: str, arguments: tuple[Any, ...]) -> Any:
        if name == "part":
            return self._task[arguments[0] * PART_BYTES :][:PART_BYTES]
        if name == "give":
            assert len(arguments[0]) <= PART_BYTES
            self._given += arguments[0]
            return None
        if name == "log":
            self.logged.append(arguments)
            return None
        if self._at < len(self._transcript):
            known, answer = self._transcript[self._at]
            assert known == (name, arguments), "a part that is run again asks the same"
        else:
            self.asked.append(name)
            answer = getattr(self, f"_{name}")(*arguments)
            self._transcript.append(((name, arguments), answer))
        self._at += 1
        return answer

    def _page(self, begin: bytes, end: bytes, limit: int, backwards: bool) -> list[tuple[bytes, bytes]]:
        found = sorted(((k, v) for k, v in self.rows.items() if begin <= k < end), reverse=backwards)
        return first_of(found[:limit], PART_BYTES)

    def _now(self) -> float:
        return NOW + len(self._transcript)

    def _entropy(self, count: int) -> bytes:
        return bytes((len(self._transcript) * 7 + at) % 256 for at in range(count))

    def _schedule(self, dispatch: bytes, due_ms: int, rule: bytes) -> str:
        self.scheduled.append((msgspec.msgpack.decode(dispatch), due_ms, rule))
        return f"0000abcd-{len(self.scheduled):x}-{due_ms:x}"

    def _cancel(self, message_id: str) -> bool:
        return any(message_id.endswith(f"-{due_ms:x}") for _, due_ms, _ in self.scheduled)
