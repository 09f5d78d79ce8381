"""What is noted of reads: enough to answer them again, and to notice whatever would change an answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automata.errors import StateError
from automata.reads import ReadSet, Recorder, Replayed, merge, seen_of
from automata.state import WRITE, Bounds, ObjectState
from darq import overlay
from darq.memory import MemoryStore
from darq.overlay import Overlay

PREFIX = b"p\x00\x01"
ALL = 1 << 62

Look = tuple[str, bytes, bytes, int, bool]
Rows = list[tuple[bytes, bytes]]


class Committed:
    """A `Reader` over a store in memory."""

    def __init__(self, rows: dict[bytes, bytes]) -> None:
        self._store = MemoryStore()
        batch = self._store.batch()
        for key, data in rows.items():
            batch.put(PREFIX + key, data)
        batch.put(b"o", b"before")
        batch.put(b"q", b"behind")
        self._store.write(batch)

    def read(self, prefix: bytes, subkey: bytes, /) -> bytes | None:
        return self._store.get(prefix + subkey)

    def scan(
        self, prefix: bytes, bounds: Bounds, limit: int, reverse: bool = False, over: Sequence[Overlay] = ()
    ) -> Rows:
        return overlay.scan(self._store, prefix, over, bounds, limit, reverse)


def run(reader: Any, looks: Sequence[Look]) -> list[Any]:
    """What a method sees that looks and changes in this order."""
    state = ObjectState(reader, PREFIX, {})
    state.begin(WRITE)
    answers: list[Any] = []
    for kind, first, second, limit, reverse in looks:
        if kind == "read":
            answers.append(state.read(first))
        elif kind == "scan":
            answers.append(state.scan((first, second), limit, reverse))
        elif kind == "put":
            state.put(first, second)
        elif kind == "delete":
            state.delete(first)
        else:
            state.drop_range((first, second))
    return answers


def recorded(rows: dict[bytes, bytes], looks: Sequence[Look]) -> tuple[list[Any], ReadSet]:
    recorder = Recorder(Committed(rows))
    return run(recorder, looks), recorder.seen


def view(seen: ReadSet, rows: dict[bytes, bytes]) -> tuple[Any, ...]:
    """What `rows` hold of all that was seen."""
    keys = tuple(rows.get(key) for key in seen.rows)
    return keys, [[row for row in sorted(rows.items()) if begin <= row[0] < end] for begin, end in seen.ranges]


def missing(subkey: bytes) -> StateError:
    return StateError(f"{subkey!r} was not read before")


subkeys = st.binary(max_size=2).map(lambda key: bytes(b % 5 for b in key))
values = st.binary(max_size=1)
limits = st.integers(0, 7) | st.just(ALL)
kinds = st.sampled_from(["read", "scan", "scan", "put", "delete", "drop"])
looks_strategy = st.lists(st.tuples(kinds, subkeys, subkeys, limits, st.booleans()), max_size=30)
rows_strategy = st.dictionaries(subkeys, values, max_size=30)


@given(rows_strategy, looks_strategy)
def test_a_recorded_run_sees_what_the_log_gives_and_a_replay_sees_the_same(
    rows: dict[bytes, bytes], looks: list[Look]
) -> None:
    answers, seen = recorded(rows, looks)
    assert answers == run(Committed(rows), looks)
    assert run(Replayed(seen, missing), looks) == answers


@given(rows_strategy, looks_strategy, subkeys, st.none() | values)
def test_a_change_that_alters_an_answer_alters_what_was_seen(
    rows: dict[bytes, bytes], looks: list[Look], changed: bytes, data: bytes | None
) -> None:
    answers, seen = recorded(rows, looks)
    after = {key: value for key, value in rows.items() if key != changed} | ({} if data is None else {changed: data})
    if run(Committed(after), looks) != answers:
        assert view(seen, after) != view(seen, rows)


@given(st.lists(st.tuples(subkeys, subkeys), max_size=8), subkeys, subkeys)
def test_a_range_is_covered_if_each_of_its_keys_was_seen(ranges: list[Bounds], begin: bytes, end: bytes) -> None:
    seen = ReadSet()
    for bounds in ranges:
        seen.add_scan(bounds, ALL, False, [])
    # Keys of up to four bytes lie close enough together to find each gap between bounds of up to two.
    points = {key for bounds in [*ranges, (begin, end)] for key in bounds}
    close = {point + behind for point in points for behind in (b"", b"\x00")}
    inside = [key for key in close if begin <= key < end]
    assert seen.covers(begin, end) == all(any(lo <= key < hi for lo, hi in ranges) for key in inside)


def test_of_a_scan_that_stopped_at_its_limit_the_part_up_to_its_last_row_was_seen() -> None:
    rows = [(b"c", b""), (b"d", b"")]
    assert seen_of((b"a", b"z"), 2, False, rows) == (b"a", b"d\x00")
    assert seen_of((b"a", b"z"), 2, True, rows[::-1]) == (b"c", b"z")
    assert seen_of((b"a", b"z"), 3, False, rows) == (b"a", b"z")


@pytest.mark.parametrize(("bounds", "limit"), [((b"a", b"z"), 0), ((b"z", b"a"), 5), ((b"a", b"a"), 5)])
def test_a_scan_that_cannot_give_anything_sees_nothing(bounds: Bounds, limit: int) -> None:
    recorder = Recorder(Committed({b"b": b"1"}))
    assert recorder.scan(PREFIX, bounds, limit) == []
    assert not recorder.seen


def test_an_entry_added_inside_a_scanned_range_is_inside_what_was_seen() -> None:
    _, seen = recorded({b"a": b"1", b"c": b"3"}, [("scan", b"a", b"d", ALL, False)])
    assert seen.covers(b"b", b"b\x00")
    assert not seen.covers(b"d", b"d\x00")


def test_own_changes_are_no_part_of_what_was_seen() -> None:
    answers, seen = recorded({b"a": b"1"}, [("put", b"a", b"2", 0, False), ("scan", b"a", b"z", ALL, False)])
    assert answers == [[(b"a", b"2")]]
    assert seen.rows == {b"a": b"1"}


def test_what_was_not_seen_is_missing_in_a_replay() -> None:
    _, seen = recorded({b"a": b"1", b"b": b"2"}, [("scan", b"a", b"c", 1, False), ("read", b"b", b"", 0, False)])
    replayed = Replayed(seen, missing)
    assert replayed.read(PREFIX, b"b") == b"2"
    with pytest.raises(StateError, match="c"):
        replayed.read(PREFIX, b"c")
    with pytest.raises(StateError, match="a"):
        replayed.scan(PREFIX, (b"a", b"c"), ALL)


def test_a_read_set_is_empty_until_something_was_read_and_knows_its_size() -> None:
    assert not ReadSet()
    _, seen = recorded({b"a": b"1"}, [("read", b"a", b"", 0, False), ("read", b"no", b"", 0, False)])
    assert seen
    assert seen.size_bytes() == 4
    _, ranged = recorded({}, [("scan", b"a", b"zz", 5, False)])
    assert ranged.size_bytes() == 3


def test_neighbouring_ranges_become_one() -> None:
    assert merge([(b"c", b"e"), (b"a", b"b"), (b"b", b"c"), (b"x", b"y"), (b"c", b"d")]) == [(b"a", b"e"), (b"x", b"y")]
