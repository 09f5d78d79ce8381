"""What callers have seen, and whether it fits what has become of the cells. It knows nothing of how a cluster works."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Op:
    """One call of a client. version: of the cell, as its answer has it; None while there is none."""

    name: str
    method: str
    cell: str
    arguments: tuple[Any, ...]
    begun: float
    ended: float | None = None
    version: int | None = None

    @property
    def writes(self) -> bool:
        return self.method not in ("read", "read_there")


@dataclass
class History:
    """All calls of all clients of one run."""

    ops: list[Op] = field(default_factory=list)

    def begin(self, method: str, cell: str, arguments: tuple[Any, ...], now: float) -> Op:
        """A call leaves its caller."""
        op = Op(f"op{len(self.ops)}", method, cell, arguments, now)
        self.ops.append(op)
        return op

    def end(self, op: Op, version: int, now: float) -> None:
        """Its answer is here."""
        op.version, op.ended = version, now

    @property
    def acknowledged(self) -> list[Op]:
        return [op for op in self.ops if op.version is not None]


def faults(history: History, cells: dict[str, dict[str, Any]]) -> list[str]:
    """Whatever is wrong. cells: by key, what `inspect` shows once all is quiet."""
    return [*_once(history, cells), *_sums(history, cells), *_messages(cells), *_real_time(history)]


def unsettled(history: History, cells: dict[str, dict[str, Any]]) -> list[str]:
    """What is still under way: messages, timers, and later parts of what was begun."""
    sent = Counter({(key, to): count for key, cell in cells.items() for to, count in cell["sent"].items()})
    received = Counter((sender, key) for key, cell in cells.items() for sender, n, _ in cell["received"] if n > 0)
    found = [f"{a} -> {b}: {n} messages are missing" for (a, b), n in (sent - received).items()]
    later = {op.name for op in history.ops if op.method in ("pay_and_wait", "tour")}
    for key, cell in cells.items():
        begun = {name for name in cell["done"] if name.rstrip(".!") in later}
        found += [f"{name} at {key} has not ended" for name in sorted(begun - set(cell["ended"]))]
    done = {name for cell in cells.values() for name in cell["done"]}
    for op in history.ops:
        if op.method == "later" and op.name in done and op.name not in cells[op.arguments[0]]["rung"]:
            found.append(f"{op.name} has not rung")
    return found


def _once(history: History, cells: dict[str, dict[str, Any]]) -> Iterator[str]:
    for key, cell in cells.items():
        for field_name in ("done", "ended", "rung"):
            yield from (f"{name} is {n} times in {field_name} of {key}" for name, n in _doubled(cell[field_name]))
        if cell["version"] != len(cell["done"]):
            yield f"{key} has version {cell['version']} after {len(cell['done'])} calls"
    for op in history.acknowledged:
        if op.writes and op.name not in cells.get(op.cell, {"done": []})["done"]:
            yield f"{op} was acknowledged, and is not there"
        if op.method in ("pay_and_wait", "tour") and op.name not in cells.get(op.cell, {"ended": []})["ended"]:
            yield f"{op} was acknowledged, and has not ended"
    began = {op.name: op for op in history.ops}
    for key, cell in cells.items():
        for name in cell["done"]:
            if name[-1] not in ".!" and began[name].cell != key:
                yield f"{name} was done at {key}, and was for {began[name].cell}"


def _sums(history: History, cells: dict[str, dict[str, Any]]) -> Iterator[str]:
    done = {name for cell in cells.values() for name in cell["done"]}
    added = sum(op.arguments[0] for op in history.ops if op.method == "add" and op.name in done)
    total = sum(cell["value"] for cell in cells.values())
    if total != added:
        yield f"{added} was added, and {total} is there"


def _messages(cells: dict[str, dict[str, Any]]) -> Iterator[str]:
    """What one cell sends to another comes once each, in order, and no nested call overtakes what was sent before."""
    for key, cell in cells.items():
        numbers: dict[str, list[int]] = {}
        for sender, number, name in cell["received"]:
            so_far = numbers.setdefault(sender, [])
            if number > 0:
                so_far.append(number)
            elif -number not in so_far:
                yield f"the call {name} of {sender} has overtaken message {-number} to {key}"
        for sender, got in numbers.items():
            sent = cells[sender]["sent"].get(key, 0)
            if got != list(range(1, sent + 1)):
                yield f"{sender} sent {sent} messages to {key}, which got {got}"


def _real_time(history: History) -> Iterator[str]:
    """Each cell is one linearizable counter: what begins after another has ended sees at least what that has seen."""
    by_cell: dict[str, list[Op]] = {}
    for op in history.acknowledged:
        by_cell.setdefault(op.arguments[0] if op.method == "read_there" else op.cell, []).append(op)
    for ops in by_cell.values():
        yield from _order(ops)


def _order(ops: list[Op]) -> Iterator[str]:
    writers: dict[int, Op] = {}
    for op in ops:
        if op.writes and op.version is not None:
            if op.version in writers:
                yield f"{op} and {writers[op.version]} have the same version"
            writers[op.version] = op
    ended = sorted(ops, key=lambda op: op.ended or 0.0)
    newest: Op | None = None
    at = 0
    for op in sorted(ops, key=lambda op: op.begun):
        while at < len(ended) and (ended[at].ended or 0.0) < op.begun:
            if newest is None or (ended[at].version or 0) > (newest.version or 0):
                newest = ended[at]
            at += 1
        floor = 0 if newest is None else newest.version or 0
        if (op.version or 0) < floor + op.writes:
            yield f"{op} has seen an older state than {newest}, which had ended before"


def _doubled(names: list[str]) -> Iterator[tuple[str, int]]:
    return ((name, count) for name, count in Counter(names).items() if count > 1)
