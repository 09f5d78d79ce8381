"""Readonly methods over the rows of a copy: what runs there, and what is left to whoever leads."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from automata import List, apply, automaton, object_type, readonly, record, ref
from automata.asking import CALL, READ, Ask
from automata.directory import Header
from automata.errors import ReadOnlyError
from automata.options import Options
from automata.outcomes import decode_outcome
from automata.partitions import partition_of
from automata.replica_reads import ReplicaReads
from automata.residence import Phase, SlotMove, Stub
from automata.standby import Standby
from automata.types import REGISTRY
from darq import keys
from darq.memory import MemoryStore
from tests.memory_app import in_loop, memory_app

OTHER = bytes(range(16))
SLOT = 7


@object_type(name="ReplicaNotes")
class Notes:
    title: str = "none"
    tags: list[str] = []
    lines: List[str]

    async def write(self, title: str, *, line: str) -> None:
        self.title = title
        self.lines.append(line)

    @readonly
    async def look(self, last: int = 10) -> list[str]:
        return [self.title, *self.lines.last(last)]

    @readonly
    async def spoil(self) -> None:
        self.tags.append("changed")

    @readonly
    async def fail(self) -> None:
        raise ValueError(self.title)

    @readonly
    async def other(self) -> list[str]:
        return await ref(Notes, "other").look()


@automaton(name="ReplicaSum")
class Sum:
    total: int = 0

    async def add(self, n: int) -> None:
        record(n)

    @apply
    def added(self, e: int) -> None:
        self.total += e

    @readonly
    async def look(self) -> int:
        return self.total


class Copy:
    """A copy of a store in which an app has written, as a backup has it."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.owner = store.identity()
        self.standby = Standby(store, REGISTRY)
        self.reads = ReplicaReads(store, self.standby, Options(), lambda partition: self.owner, lambda partition: SLOT)

    def put(self, key: bytes, value: bytes) -> None:
        batch = self.store.batch()
        batch.put(key, value)
        self.store.write(batch)

    def ask(self, ask: Ask) -> bytes | None:
        return self.reads.read([ask])[0]


async def copy() -> Copy:
    store = MemoryStore()
    async with memory_app(store):
        await ref(Notes, "a").write("one", line="first")
        await ref(Sum, "s").add(3)
    return Copy(store.reopen())


LOOK = Ask(READ, partition_of("ReplicaNotes", "a"), "look", b"\x90", b"")


@in_loop
async def test_a_readonly_method_sees_the_rows_as_they_are() -> None:
    here = await copy()
    data = here.ask(LOOK)
    assert data is not None
    made = Notes.__automaton__  # type: ignore[attr-defined]
    assert decode_outcome(data, made.method("look").result, 0).take() == ["one", "first"]


@in_loop
async def test_an_object_that_nobody_has_written_to_is_empty() -> None:
    here = await copy()
    data = here.ask(Ask(READ, partition_of("ReplicaNotes", "new"), "look", b"\x90", b""))
    assert data is not None
    made = Notes.__automaton__  # type: ignore[attr-defined]
    assert decode_outcome(data, made.method("look").result, 0).take() == ["none"]


@in_loop
@pytest.mark.parametrize(("method", "error"), [("fail", ValueError), ("spoil", ReadOnlyError)])
async def test_what_a_method_raises_is_its_outcome(method: str, error: type[Exception]) -> None:
    here = await copy()
    data = here.ask(Ask(READ, LOOK.partition, method, b"\x90", b""))
    assert data is not None
    made = Notes.__automaton__  # type: ignore[attr-defined]
    with pytest.raises(error):
        decode_outcome(data, made.method(method).result, 0).take()


@in_loop
@pytest.mark.parametrize(
    "ask",
    [
        Ask(READ, LOOK.partition, "look", b"\x90", b"", behind=True),
        Ask(CALL, LOOK.partition, "look", b"\x90", b""),
        Ask(READ, LOOK.partition, "write", b"\x90", b""),
        Ask(READ, LOOK.partition, "other", b"\x90", b""),
        Ask(READ, LOOK.partition, "missing", b"\x90", b""),
        Ask(READ, partition_of("NoSuchType", "a"), "look", b"\x90", b""),
        Ask(READ, partition_of("ReplicaSum", "s"), "look", b"\x90", b""),
    ],
    ids=["behind", "call", "write", "awaits", "unknown method", "unknown type", "automaton that is not warm"],
)
async def test_what_cannot_run_here_is_left_to_the_primary(ask: Ask) -> None:
    here = await copy()
    assert here.ask(ask) is None


def _prepared(here: Copy) -> None:
    here.put(keys.PREPARED + bytes(36), b"")


def _stub(here: Copy) -> None:
    here.put(keys.MOVED + LOOK.partition, Stub(1, OTHER).encode())


def _leaving(here: Copy) -> None:
    here.put(keys.SLOT + SLOT.to_bytes(2, "big"), SlotMove(Phase.LEAVING, OTHER).encode())


def _coming(here: Copy) -> None:
    here.put(keys.SLOT + SLOT.to_bytes(2, "big"), SlotMove(Phase.COMING, OTHER).encode())


def _elsewhere(here: Copy) -> None:
    here.owner = OTHER


def _older(here: Copy) -> None:
    here.put(keys.partition_key(keys.DIRECTORY, LOOK.partition), Header(7).encode())


@in_loop
@pytest.mark.parametrize("change", [_prepared, _stub, _leaving, _coming, _elsewhere, _older])
async def test_an_object_that_may_be_elsewhere_or_other_by_now_is_left_to_the_primary(
    change: Callable[[Copy], None],
) -> None:
    here = await copy()
    change(here)
    assert here.ask(LOOK) is None


@in_loop
async def test_a_guest_and_a_slot_that_has_come_are_read_here() -> None:
    here = await copy()
    here.owner = OTHER
    here.put(keys.GUEST + LOOK.partition, keys.number(1))
    assert here.ask(LOOK) is not None
    there = await copy()
    there.owner = OTHER
    there.put(keys.SLOT + SLOT.to_bytes(2, "big"), SlotMove(Phase.HERE, OTHER).encode())
    assert there.ask(LOOK) is not None


@in_loop
async def test_an_automaton_is_read_where_it_is_warm() -> None:
    here = await copy()
    partition = partition_of("ReplicaSum", "s")
    here.standby.applied([(keys.partition_key(keys.RECORD, partition) + keys.number(1), b"")])
    data = here.ask(Ask(READ, partition, "look", b"\x90", b""))
    assert data is not None
    made = Sum.__automaton__  # type: ignore[attr-defined]
    assert decode_outcome(data, made.method("look").result, 0).take() == 3
