"""How many values are in bytes, before anything is built of them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automata.errors import InvalidArgument
from automata.sandbox.elements import ELEMENTS_MAX, elements
from automata.sandbox.plain import check_plain
from automata.values.dynamic import encode_dynamic

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.decimals(),
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.text(), inner),
)


def count(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + sum(1 + count(inner) for inner in value.values())
    if isinstance(value, list):
        return 1 + sum(map(count, value))
    if isinstance(value, tuple):
        return 2 + sum(map(count, value))  # an extension around an array
    return 1


@given(PLAIN)
def test_each_value_counts_once_with_all_that_is_in_it(value: Any) -> None:
    assert elements(encode_dynamic(value), 1 << 40) == count(value)


@given(st.binary(max_size=300))
def test_bytes_that_are_nothing_come_to_an_end_too(data: bytes) -> None:
    assert elements(data, 1 << 40) <= len(data)


def test_no_more_is_counted_than_is_asked_for() -> None:
    assert elements(b"\x80" * 1_000_000, 10) == 11


@pytest.mark.parametrize("size", [0, 1, 31, 32, 255, 256, 65_535, 65_536])
def test_text_bytes_and_extensions_of_any_length_are_one(size: int) -> None:
    for value in ("x" * size, b"x" * size, msgspec.msgpack.Ext(1, b"x" * size)):
        assert elements(msgspec.msgpack.encode([value, value]), 100) == 3


def test_a_value_of_too_many_elements_is_refused_wherever_they_are() -> None:
    many: Any = [None] * ELEMENTS_MAX
    check_plain(encode_dynamic(many[1:]))
    for value in (many, {"a": many}, ((many,),), {1: many[: ELEMENTS_MAX // 2], 2: tuple(many[: ELEMENTS_MAX // 2])}):
        with pytest.raises(InvalidArgument, match="elements"):
            check_plain(encode_dynamic(value))
