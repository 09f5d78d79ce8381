"""Checkpoints: when they are written, what they hold, and that nothing depends on whether there was one."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import pytest

from automata import apply, automaton, errors, readonly, record, ref, replay_cost
from automata.partitions import partition_of
from darq import keys
from darq.limits import Limits
from darq.memory import MemoryStore
from tests.memory_app import crashing, in_loop, memory_app


@dataclass(frozen=True)
class Put:
    name: str
    n: int


@automaton
class Table:
    key: str
    puts: int = 0
    rows: dict[str, int] = {}

    async def put(self, name: str, n: int) -> None:
        record(Put(name, n))

    async def empty(self) -> None:
        record(0)

    @apply
    def done(self, e: Put) -> None:
        self.puts += 1
        self.rows[e.name] = e.n

    @apply
    def emptied(self, e: int) -> None:
        self.rows = {}

    @readonly
    async def get(self) -> tuple[int, dict[str, int]]:
        return self.puts, self.rows


class Faults:
    in_checkpoint: BaseException | None = None
    changes = False


@automaton
class Custom:
    total: int = 0
    seen: list[int] = []

    async def see(self, n: int) -> None:
        record(n)

    @apply
    def saw(self, n: int) -> None:
        self.total += n
        self.seen.append(n)

    def checkpoint(self) -> object:
        if Faults.changes:
            self.seen.append(0)
        if Faults.in_checkpoint is not None:
            raise Faults.in_checkpoint
        return {"total": self.total, "seen": tuple(self.seen)}

    def restore(self, snapshot: dict[str, object]) -> None:
        self.total = snapshot["total"]  # type: ignore[assignment]
        self.seen = list(snapshot["seen"])  # type: ignore[call-overload]

    @readonly
    async def get(self) -> tuple[int, list[int]]:
        return self.total, self.seen


@pytest.fixture(autouse=True)
def _every_three_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_cost, "REPLAY_US_MIN", 3 * replay_cost.RECORD_US)
    monkeypatch.setattr(replay_cost, "RECORD_BYTES_PER_US", 1e9)
    monkeypatch.setattr(replay_cost, "SNAPSHOTS", 1e-9)
    monkeypatch.setattr(Faults, "in_checkpoint", None)
    monkeypatch.setattr(Faults, "changes", False)


def rows(store: MemoryStore, kind: bytes, name: str = "Table") -> dict[bytes, bytes]:
    prefix = keys.partition_key(kind, partition_of(name, "k"))
    return {key[len(prefix) :]: data for key, data in store.scan(prefix, keys.after(prefix), keys.ALL)}


@in_loop
async def test_a_checkpoint_holds_the_fields_and_replaces_the_records_that_it_covers() -> None:
    store = MemoryStore()
    async with memory_app(store):
        for n in range(4):
            await ref(Table, "k").put("ab"[n % 2], n)
        held = rows(store, keys.STATE)
        left = rows(store, keys.RECORD)
        assert held[b"puts\x00\x01"] == b"\x03"
        assert held[b"rows\x00\x01"] == b"\x82\xa1a\x02\xa1b\x01"
        assert set(held) == {b"puts\x00\x01", b"rows\x00\x01", b"\x00\x04"}
        assert [data[:5] for data in left.values()] == [b"\x92\xa3Put"]
        assert keys.number_of(held[b"\x00\x04"]) < keys.number_of(next(iter(left)))


@in_loop
async def test_state_is_the_checkpoint_and_what_was_recorded_since() -> None:
    store = MemoryStore()
    for n in range(11):
        async with crashing(store):
            await ref(Table, "k").put("abc"[n % 3], n)
            assert await ref(Table, "k").get() == (n + 1, {"abc"[i % 3]: i for i in range(n + 1)})
    assert len(rows(store, keys.RECORD)) == 2


@in_loop
async def test_a_replaced_value_is_saved_as_it_is_now() -> None:
    store = MemoryStore()
    async with memory_app(store):
        for n in range(4):
            await ref(Table, "k").put("a", n)
        await ref(Table, "k").empty()
        await ref(Table, "k").put("b", 1)
    async with memory_app(store):
        assert await ref(Table, "k").get() == (5, {"b": 1})
        assert not rows(store, keys.RECORD)


@in_loop
async def test_a_field_that_was_added_since_takes_its_default() -> None:
    store = MemoryStore()
    async with memory_app(store):
        for n in range(3):
            await ref(Table, "k").put("a", n)
        held = keys.partition_key(keys.STATE, partition_of("Table", "k")) + b"puts\x00\x01"
    del store._rows[held], store._durable[held]
    async with memory_app(store):
        assert await ref(Table, "k").get() == (0, {"a": 2})


@in_loop
async def test_deleting_drops_the_checkpoint() -> None:
    store = MemoryStore()
    async with memory_app(store) as app:
        for n in range(4):
            await ref(Table, "k").put("a", n)
        await app.delete(ref(Table, "k"))
        assert not rows(store, keys.STATE)
        assert not rows(store, keys.RECORD)
        for n in range(4):
            await ref(Table, "k").put("b", n)
    async with memory_app(store):
        assert await ref(Table, "k").get() == (4, {"b": 3})


@in_loop
async def test_a_class_may_save_and_restore_itself() -> None:
    store = MemoryStore()
    async with memory_app(store):
        for n in range(4):
            await ref(Custom, "k").see(n)
        assert set(rows(store, keys.STATE, "Custom")) == {b"\x00\x04", b"\x00\x05"}
        assert len(rows(store, keys.RECORD, "Custom")) == 1
    async with memory_app(store):
        assert await ref(Custom, "k").get() == (6, [0, 1, 2, 3])


@in_loop
async def test_rows_of_another_way_of_saving_go_with_the_next_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    store, made = MemoryStore(), Custom.__automaton__  # type: ignore[attr-defined]
    async with memory_app(store):
        for n in range(3):
            await ref(Custom, "k").see(n)
    with monkeypatch.context() as patch:
        patch.setattr(made, "checkpoint", None)
        async with memory_app(store):
            for n in range(3):
                await ref(Custom, "k").see(n)
            assert set(rows(store, keys.STATE, "Custom")) == {b"total\x00\x01", b"seen\x00\x01", b"\x00\x04"}
    async with memory_app(store):
        assert await ref(Custom, "k").get() == (6, [0, 1, 2, 0, 1, 2])


@in_loop
async def test_a_snapshot_whose_restore_is_gone_or_fails_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    store, made = MemoryStore(), Custom.__automaton__  # type: ignore[attr-defined]
    async with memory_app(store):
        for n in range(3):
            await ref(Custom, "k").see(n)

    def refuse(self: object, snapshot: object) -> None:
        raise KeyError("gone")

    for restore, why in ((None, r"keep its restore\(\)"), (refuse, r"restore\(\) raised KeyError: 'gone'")):
        monkeypatch.setattr(made, "restore", restore)
        async with memory_app(store):
            with pytest.raises(errors.StateError, match=why):
                await ref(Custom, "k").get()


@in_loop
async def test_a_checkpoint_that_fails_is_logged_and_loses_nothing(caplog: pytest.LogCaptureFixture) -> None:
    store = MemoryStore()
    Faults.in_checkpoint = RuntimeError("no")
    async with memory_app(store):
        for n in range(4):
            await ref(Custom, "k").see(n)
        assert caplog.text.count("Custom/k: no checkpoint could be made") == 1, "not tried again with each step"
        assert len(rows(store, keys.RECORD, "Custom")) == 4
        assert await ref(Custom, "k").get() == (6, [0, 1, 2, 3])
    Faults.in_checkpoint = None
    async with memory_app(store):
        assert await ref(Custom, "k").get() == (6, [0, 1, 2, 3])
        await ref(Custom, "k").see(4)
        assert not rows(store, keys.RECORD, "Custom")


@pytest.mark.parametrize("error", [None, RuntimeError("as well")])
@in_loop
async def test_a_checkpoint_that_changes_state_is_no_checkpoint(
    caplog: pytest.LogCaptureFixture, error: Exception | None
) -> None:
    caplog.set_level(logging.ERROR)
    store = MemoryStore()
    Faults.changes, Faults.in_checkpoint = True, error
    async with memory_app(store):
        for n in range(4):
            await ref(Custom, "k").see(n)
        assert ("as well" if error else "changed 'seen' in place") in caplog.text
        assert await ref(Custom, "k").get() == (6, [0, 1, 2, 3])
        assert len(rows(store, keys.RECORD, "Custom")) == 4


@in_loop
async def test_a_state_too_large_for_a_checkpoint_stays_in_its_records(caplog: pytest.LogCaptureFixture) -> None:
    store = MemoryStore()
    async with memory_app(store, Limits(value_bytes_max=30)):
        for n in range(8):
            await ref(Table, "k").put(f"{n:06}", n)
        assert "Table/k: no checkpoint could be made" in caplog.text
    async with memory_app(store):
        assert await ref(Table, "k").get() == (8, {f"{n:06}": n for n in range(8)})
