"""The stand-in for msgspec against msgspec itself: the same bytes for the same values, the same values back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from automata.sandbox.guest.stand_ins import msgspec as stand_in

INTEGERS = st.integers(-(2**63), 2**64 - 1)
ATOMS = st.one_of(st.none(), st.booleans(), INTEGERS, st.floats(), st.text(), st.binary())
KEYS = st.one_of(st.none(), st.booleans(), INTEGERS, st.floats(allow_nan=False), st.text(), st.binary())
VALUES = st.recursive(
    ATOMS, lambda inner: st.one_of(st.lists(inner), st.dictionaries(KEYS, inner), st.lists(inner, min_size=16))
)


class Word(Enum):
    ONE = "one"
    TWO = 2


@dataclasses.dataclass
class Record:
    a: int
    _b: str = "b"


class Unknown:
    pass


def hook(value: object) -> object:
    return ["unknown", type(value).__name__]


def read(code: int, data: memoryview) -> object:
    return (code, bytes(data))


write_really = msgspec.msgpack.Encoder(enc_hook=hook).encode
write_here = stand_in.msgpack.Encoder(enc_hook=hook).encode
read_really: Callable[[bytes], Any] = msgspec.msgpack.Decoder(ext_hook=read).decode
read_here: Callable[[bytes], Any] = stand_in.msgpack.Decoder(ext_hook=read).decode


def outcome(function: Callable[[Any], Any], value: object) -> tuple[str, str]:
    """What a function gives, or that it refuses."""
    try:
        return "gives", repr(function(value))
    except (ValueError, stand_in.MsgspecError):
        return "refuses", ""


@given(VALUES)
@example(["x" * size for size in (0, 31, 32, 255, 256, 65_535, 65_536)])
@example([b"x" * size for size in (0, 255, 256, 65_535, 65_536)])
@example([[None] * size for size in (15, 16, 65_535, 65_536)])
@example([{n: n for n in range(size)} for size in (15, 16, 65_535, 65_536)])
@example([sign * (2**bits + step) for bits in (5, 7, 8, 15, 16, 31, 32) for sign in (1, -1) for step in (-1, 0, 1)])
def test_plain_values_have_the_same_bytes_and_come_back(value: object) -> None:
    data = write_really(value)
    assert write_here(value) == data
    assert outcome(read_here, data) == outcome(read_really, data)


@given(
    st.one_of(
        st.dates(),
        st.datetimes(),
        st.times(),
        st.timedeltas(),
        st.decimals(),
        st.uuids(),
        st.sampled_from(Word),
        st.builds(Record, st.integers(0, 9)),
        st.builds(Unknown),
        st.frozensets(st.integers(0, 9), max_size=1),
        st.tuples(st.integers(0, 9), st.text()),
        st.builds(bytearray, st.binary()),
    )
)
def test_other_values_have_the_same_bytes(value: object) -> None:
    assert write_here([value]) == write_really([value])


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 8, 16, 17, 255, 256, 65_536])
@pytest.mark.parametrize("code", [-128, -2, 0, 1, 127])
def test_extensions_have_the_same_bytes_and_come_back(code: int, size: int) -> None:
    data = write_really(msgspec.msgpack.Ext(code, b"x" * size))
    assert write_here(stand_in.msgpack.Ext(code, b"x" * size)) == data
    assert read_here(data) == read_really(data) == (code, b"x" * size)


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1])
def test_integers_beyond_64_bits_are_refused(value: int) -> None:
    with pytest.raises(OverflowError):
        write_really(value)
    with pytest.raises(OverflowError):
        write_here(value)


@given(st.binary())
@example(b"\xc1")
@example(b"\x81\x81\x01\x02\x03")
@example(b"\x81\x91\x91\x01\x02")
@example(b"\xdd\xff\xff\xff\xff")
@example(b"\xdf\xff\xff\xff\xff")
@example(b"\xd6\xff\x00\x00\x00\x05")
@example(b"\xca\x3f\x80\x00\x00")
@example(b"\xa1\xff")
def test_any_bytes_are_read_or_refused_alike(data: bytes) -> None:
    assert outcome(read_here, data) == outcome(read_really, data)


@given(VALUES, st.data())
def test_damaged_bytes_are_read_or_refused_alike(value: object, data: st.DataObject) -> None:
    whole = write_really(value)
    at = data.draw(st.integers(0, len(whole) - 1))
    for damaged in (whole[:at], whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :], whole + b"\x00"):
        assert outcome(read_here, damaged) == outcome(read_really, damaged)


@given(ATOMS | st.lists(st.binary()) | st.lists(st.integers(0, 9)))
def test_a_typed_reader_gives_what_fits_or_refuses(value: object) -> None:
    data = write_really(value)
    for kind in (int, str, bytes, bool, type(None), list[bytes]):
        assert outcome(stand_in.msgpack.Decoder(kind).decode, data) == outcome(
            msgspec.msgpack.Decoder(kind).decode, data
        )


@given(st.one_of(st.dates(), st.timedeltas(), st.decimals(allow_nan=False), st.uuids()))
def test_single_values_are_converted_to_the_same_text_and_back(value: Any) -> None:
    text = msgspec.to_builtins(value)
    assert stand_in.to_builtins(value) == text
    assert stand_in.convert(text, type(value)) == msgspec.convert(text, type(value)) == value


@given(st.text() | st.integers() | st.booleans() | st.text("PTDHMS+-.0123456789:"))
@example("P1DT1H")
@example("PT1.123456789S")
@example("P1D2H")
@example("P1DT")
@example("2020-02-30")
@example("20200101")
@example("00000000000000000000000000000005")
@example(" 1")
def test_what_is_no_such_text_is_refused_alike(value: object) -> None:
    for kind in (date, Decimal, UUID):
        here = outcome(lambda given_value, kind=kind: stand_in.convert(given_value, kind), value)
        assert here == outcome(lambda given_value, kind=kind: msgspec.convert(given_value, kind), value)


@given(st.from_regex(r"-?P([0-9]{1,3}D)?(T([0-9]{1,3}H)?([0-9]{1,3}M)?([0-9]{1,3}(\.[0-9]{1,6})?S)?)?", fullmatch=True))
def test_durations_are_read_or_refused_alike(text: str) -> None:
    here = outcome(lambda value: stand_in.convert(value, timedelta), text)
    assert here == outcome(lambda value: msgspec.convert(value, timedelta), text)


def test_clocks_without_a_zone_are_written_as_text() -> None:
    for value in (datetime(2020, 1, 2, 3, 4, 5, 6), time(1, 2), datetime.min):  # noqa: DTZ001, DTZ901 - that is the case
        assert write_here(value) == write_really(value)
    assert read_here(write_really(datetime(2020, 1, 1, tzinfo=UTC))) == datetime(2020, 1, 1, tzinfo=UTC)
