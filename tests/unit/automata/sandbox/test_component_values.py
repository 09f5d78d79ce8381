"""Values of components: what is put is what is read, here and by wasmtime itself, and all of it is freed."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import addressof, pointer
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wasmtime import Engine
from wasmtime.component import Component

from automata.errors import GuestTrapped
from automata.sandbox.component_values import (
    Value,
    as_bool,
    as_bytes,
    as_text,
    as_u32,
    as_u64,
    delete,
    put_bool,
    put_bytes,
    put_float,
    put_rows,
    put_text,
)
from tests.echo_component import echo_component
from tests.resident_memory import resident_bytes

PIECE = 8192
ROWS = st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=40)), max_size=8)
PUT: dict[str, tuple[Callable[[int, Any], None], st.SearchStrategy[Any]]] = {
    "bytes": (put_bytes, st.binary(max_size=300)),
    "rows": (put_rows, ROWS),
    "text": (put_text, st.text()),
    "f64": (put_float, st.floats(allow_nan=False)),
    "bool": (put_bool, st.booleans()),
}
READ: dict[str, tuple[Callable[[int], Any], st.SearchStrategy[Any]]] = {
    "bytes": (as_bytes, st.binary(max_size=300)),
    "text": (as_text, st.text()),
    "u32": (as_u32, st.integers(0, 2**32 - 1)),
    "u64": (as_u64, st.integers(0, 2**64 - 1)),
    "bool": (as_bool, st.booleans()),
}


@pytest.fixture(scope="module")
def kinds() -> dict[str, Any]:
    """Types as wasmtime's Python interface has it, which converts values by itself."""
    engine = Engine()
    exports: Any = Component(engine, echo_component()).type.exports(engine)
    return {name: export.ty.result for name, export in exports.items()}


@contextmanager
def value() -> Iterator[int]:
    """One for a while."""
    made = Value()
    try:
        yield addressof(made)
    finally:
        delete(addressof(made))


@pytest.mark.parametrize("kind", PUT)
@given(data=st.data())
def test_what_is_put_is_what_wasmtime_reads(kinds: dict[str, Any], kind: str, data: st.DataObject) -> None:
    put, values = PUT[kind]
    given, made = data.draw(values), Value()
    put(addressof(made), given)
    assert kinds[kind].convert_from_c(made) == given  # which frees it


@pytest.mark.parametrize("kind", READ)
@given(data=st.data())
def test_what_wasmtime_has_put_is_what_is_read(kinds: dict[str, Any], kind: str, data: st.DataObject) -> None:
    read, values = READ[kind]
    given, made = data.draw(values), Value()
    kinds[kind].convert_to_c(None, given, pointer(made))
    assert read(addressof(made)) == given
    delete(addressof(made))


@pytest.mark.parametrize("size", [0, 1, 2, 255, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, 1 << 20])
def test_bytes_of_any_length_are_the_same_again(size: int) -> None:
    data = random.Random(size).randbytes(size)
    with value() as place:
        put_bytes(place, data)
        assert as_bytes(place) == data


def test_what_is_no_number_stays_none(kinds: dict[str, Any]) -> None:
    made = Value()
    put_float(addressof(made), math.nan)
    assert math.isnan(kinds["f64"].convert_from_c(made))


@pytest.mark.parametrize("read", [as_bytes, as_text, as_u32, as_u64])
def test_values_of_another_kind_are_refused(read: Callable[[int], Any]) -> None:
    with value() as place:
        put_bool(place, True)
        with pytest.raises(GuestTrapped, match="what is no"):
            read(place)


def test_what_is_no_bool_is_refused() -> None:
    with value() as place:
        put_text(place, "x")
        with pytest.raises(GuestTrapped, match="no bool"):
            as_bool(place)


def test_a_list_of_something_else_is_no_bytes() -> None:
    with value() as place:
        put_rows(place, [(b"a", b"b")])
        with pytest.raises(GuestTrapped, match="no list<u8>"):
            as_bytes(place)


def test_rows_that_fail_halfway_leave_a_value_that_can_be_freed() -> None:
    wrong: Any = [(b"key", b"value"), (b"key", None), (b"never", b"put")]
    with value() as place:
        with pytest.raises(TypeError):
            put_rows(place, wrong)
        read = Value.from_address(place).of.list
        assert read.size == 3


def test_text_with_half_a_character_is_refused_and_puts_nothing() -> None:
    with value() as place:
        with pytest.raises(UnicodeEncodeError):
            put_text(place, "\ud800")
        assert as_bool(place) is False


def test_all_that_was_put_is_freed() -> None:
    data, rows = bytes(200_000), [(b"k" * 50, b"v" * 1000)] * 200  # six megabytes each as values

    def put_both() -> None:
        with value() as place:
            put_bytes(place, data)
            assert len(as_bytes(place)) == len(data)
        with value() as place:
            put_rows(place, rows)
        with value() as place:
            put_text(place, "x" * 5_000_000)

    put_both()
    before = resident_bytes()
    for _ in range(50):
        put_both()
    assert resident_bytes() - before < 60_000_000
