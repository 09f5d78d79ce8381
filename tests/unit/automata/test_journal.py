"""What a journal keeps of a method, as rows and in memory."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automata.envelope import Envelope, OpenInvocation
from automata.errors import InvalidArgument, StorageFull
from automata.journal import (
    ANYTHING,
    CANCELLATION,
    Answer,
    Await,
    Cancellation,
    Journal,
    Part,
    decode_part,
    encode_part,
    fingerprint_of,
)
from automata.methods import Method
from automata.reads import ReadSet
from automata.work import Outcome
from darq.overlay import Overlay


def journal() -> Journal:
    return Journal(7, OpenInvocation(b"T\x00k", "go", b""))


def part(kind: str = "call") -> Part:
    return Part(ReadSet(), [], 0, Await(kind, ["T/k go"]))


def outcome(value: object = None, error: BaseException | None = None) -> Outcome:
    return Outcome(value, error, 3)


draws = st.lists(
    st.tuples(st.sampled_from(["now", "random"]), st.floats(allow_nan=False) | st.integers(0, 2**128 - 1)), max_size=4
)


@given(
    rows=st.dictionaries(st.binary(max_size=4), st.none() | st.binary(max_size=4), max_size=4),
    ranges=st.lists(st.tuples(st.binary(max_size=3), st.binary(max_size=3)), max_size=3),
    drawn=draws,
    targets=st.lists(st.text(max_size=4), max_size=3),
    due=st.floats(0, 1e12),
)
def test_a_part_reads_back_as_it_was(rows: Any, ranges: Any, drawn: Any, targets: list[str], due: float) -> None:
    made = Part(ReadSet(rows, ranges), drawn, 0xFFFFFFFF, Await("gather", targets, due, due, None, [[5, None], []]))
    assert decode_part(encode_part(made)) == made


def test_the_fingerprint_tells_what_was_changed_and_sent() -> None:
    async def note(self: object) -> None: ...

    async def hint(self: object) -> None: ...

    def sent(key: str, fn: Any = note) -> Envelope:
        return Envelope(("T", key), Method("T", fn.__name__, fn), ())

    written, other, cleared = Overlay(), Overlay(), Overlay()
    written.writes[b"a"] = b"1"
    other.writes[b"b"] = b"1"
    cleared.ranges.append((b"a", b"b"))
    prints = [
        fingerprint_of(overlay, sends)
        for overlay, sends in [
            (None, []),
            (written, []),
            (other, []),
            (cleared, []),
            (None, [sent("x")]),
            (None, [sent("y")]),
            (None, [sent("x", hint)]),
            (None, [sent("x"), sent("x")]),
        ]
    ]
    assert len(set(prints)) == len(prints)
    assert fingerprint_of(None, [sent("x"), sent("y")]) == fingerprint_of(None, [sent("y"), sent("x")])


def test_the_first_answer_counts() -> None:
    kept = journal()
    kept.parts.append(part())
    kept.add_answer(0, 0, Answer.of(outcome(1), ANYTHING))
    kept.add_answer(0, 0, Answer.of(outcome(2), ANYTHING))
    assert kept.answers[0, 0].outcome(ANYTHING, 5).value == 1
    assert kept.unsaved == [(0, 0)]


def test_a_cancelled_await_is_known_as_one_whatever_answers_came() -> None:
    kept = journal()
    kept.add_answer(0, 0, Answer.of(outcome(1), ANYTHING))
    assert kept.cancellation(0) is None
    kept.cancel(0, Cancellation([3], 1))
    assert kept.cancellation(0) == Cancellation([3], 1)
    assert kept.cancellation(1) is None
    assert kept.answers[0, CANCELLATION].encode(100, "it") == b"\x02\x92\x91\x03\x01"


def test_a_second_cancellation_of_an_await_is_kept_with_the_first() -> None:
    kept = journal()
    kept.cancel(0, Cancellation([3], 1))
    kept.unsaved.clear()
    kept.cancel(0, Cancellation([3], 1))
    assert kept.unsaved == []
    kept.cancel(0, Cancellation([2, 3], 2))
    assert kept.cancellation(0) == Cancellation([2, 3], 2)
    assert kept.unsaved == [(0, CANCELLATION)]


def test_arguments_are_looked_at_when_they_are_asked_for_and_once() -> None:
    class Asked:
        asked = 0

        def digests(self) -> list[list[int | None]]:
            self.asked += 1
            return [[1, None]]

    asked = Asked()
    awaited = Await("call", ["T/k go"], 0.0, 5.0, asked)
    assert asked.asked == 0
    assert awaited.other_argument(Await("call", ["T/k go"], kept_digests=[[1, 7, 8]])) is None
    assert awaited.other_argument(Await("call", ["T/k go"], kept_digests=[[2, 7]])) == "argument 1 of T/k go"
    assert asked.asked == 1


def test_what_may_change_is_kept_as_it_was_given() -> None:
    value = {"a": [1]}
    answer = Answer.of(outcome(value), ANYTHING)
    value["a"].append(2)
    assert answer.outcome(ANYTHING, 5).value == {"a": [1]}


@pytest.mark.parametrize("value", [None, 5, 2**70, "text", "é", b"\xff", [1, "x"]])
def test_a_value_reads_back_from_its_row(value: object) -> None:
    data = Answer.of(outcome(value), ANYTHING).encode(100, "it")
    again = Answer(None, ANYTHING, data).outcome(ANYTHING, 9)
    assert (again.value, again.error, again.group) == (value, None, 9)


def test_an_error_reads_back_from_its_row() -> None:
    answer = Answer.of(outcome(error=ValueError("no", 3)), ANYTHING)
    again = Answer(None, ANYTHING, answer.encode(1 << 20, "it"))
    assert isinstance(again.error, ValueError)
    assert again.error.args == ("no", 3)
    assert again.outcome(ANYTHING, 9).group == 9


@pytest.mark.parametrize("value", ["\ud800", ["\ud800"], object()])
def test_what_cannot_be_written_down_is_kept_as_an_error_that_says_so(value: object) -> None:
    answer = Answer.of(outcome(value), ANYTHING)
    assert answer.refused
    error = answer.outcome(ANYTHING, 5).error
    assert isinstance(error, InvalidArgument)
    assert "has happened" in str(error)
    assert isinstance(Answer(None, ANYTHING, answer.encode(1 << 20, "it")).error, InvalidArgument)


def test_refusals_of_the_last_part_alone_are_dropped() -> None:
    kept = journal()
    kept.parts += [part(), part("gather")]
    full = StorageFull("no room")
    kept.add_answer(0, 0, Answer.of(outcome(error=full), ANYTHING))
    empty = kept.size_bytes
    kept.add_answer(1, 0, Answer.of(outcome(error=full), ANYTHING))
    kept.add_answer(1, 1, Answer.of(outcome(error=ValueError("no")), ANYTHING))
    size = kept.size_bytes
    assert kept.drop_refusals(StorageFull) == [(1, 0)]
    assert set(kept.answers) == set(kept.unsaved) == {(0, 0), (1, 1)}
    assert empty < kept.size_bytes < size


def test_sizes_follow_what_is_kept() -> None:
    small, large = part(), part()
    large.reads.rows[b"key"] = b"v" * 1000
    assert large.size_bytes() >= small.size_bytes() + 1000
    assert Answer.of(outcome("x" * 1000), ANYTHING).size_bytes() >= 1000
    assert Answer.of(outcome(["x" * 1000]), ANYTHING).size_bytes() >= 1000
