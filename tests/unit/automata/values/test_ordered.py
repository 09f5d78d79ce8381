"""Keys in byte order: the order, the prefixes, the round trip and the refusals of `automata.values.ordered`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from automata.errors import InvalidArgument
from automata.reference import ObjectRef
from automata.values.ordered import DEPTH_MAX, Key, decode, encode

texts = st.text(st.characters(exclude_categories=["Cs"])) | st.text("\x00\x01\x02a\xff\uffff\U00010000")
integers = st.integers() | st.integers(-(2**80), 2**80) | st.sampled_from([2**64 - 1, 2**64, -(2**64) + 1, -(2**64)])
blobs = st.binary() | st.lists(st.sampled_from([0, 1, 2, 254, 255])).map(bytes)
offsets = st.integers(-86_399, 86_399).map(lambda seconds: timezone(timedelta(seconds=seconds)))
naive = st.datetimes()
inner = {"min_value": datetime(2, 1, 1), "max_value": datetime(9998, 12, 31)}  # noqa: DTZ001 -- bounds are naive
aware = st.datetimes(**inner, timezones=offsets)
refs = st.builds(ObjectRef, texts, texts)
kinds: list[st.SearchStrategy[Key]] = [texts, integers, blobs, st.uuids(), naive, aware, refs]
rows = st.tuples(texts, integers) | st.tuples(texts) | st.just(()) | st.tuples(texts, integers, blobs)
nested = st.tuples(rows, texts) | st.tuples(rows)
anything = st.recursive(st.one_of(kinds), lambda parts: st.lists(parts, max_size=3).map(tuple), max_leaves=6)
pairs = st.one_of([st.tuples(kind, kind) for kind in [*kinds, rows, nested]])


@given(anything)
@example("")
@example(())
@example(-(2**64))
def test_every_key_comes_back_equal(key: Key) -> None:
    assert decode(encode(key)) == key
    assert isinstance(decode(encode(key)), ObjectRef if isinstance(key, ObjectRef) else type(key))


@given(pairs)
@example(("a", "a\x00"))
@example(("a\x00", "a\x01"))
@example((("a",), ("a", 0)))
@example(((("a",), "b"), (("a", -1), "")))
def test_bytes_are_ordered_as_the_keys_are(pair: tuple[Key, Key]) -> None:
    one, other = pair
    assert (one < other) == (encode(one) < encode(other))
    assert (one == other) == (encode(one) == encode(other))


@given(anything, anything)
@example("a", "a\x00")
@example((), ((),))
@example((1,), (1, 2))
def test_no_key_is_a_prefix_of_another(one: Key, other: Key) -> None:
    if encode(one) != encode(other):
        assert not encode(one).startswith(encode(other))
        assert not encode(other).startswith(encode(one))


@given(anything)
def test_a_truncated_or_prolonged_key_is_refused(key: Key) -> None:
    data = encode(key)
    for end in range(len(data)):
        with pytest.raises(ValueError, match="key"):
            decode(data[:end])
    with pytest.raises(ValueError, match="follow"):
        decode(data + b"\x14")


@given(st.binary(max_size=24))
def test_bytes_that_decode_are_the_encoding_of_what_they_give(data: bytes) -> None:
    try:
        key = decode(data)
    except ValueError:
        return
    assert encode(key) == data


def test_one_instant_is_one_key_whatever_its_offset() -> None:
    noon = datetime(2024, 5, 1, 12, tzinfo=UTC)
    abroad = noon.astimezone(timezone(timedelta(hours=-7)))
    assert encode(noon) == encode(abroad)
    assert decode(encode(abroad)) == abroad


@pytest.mark.parametrize("key", [True, 1.5, None, ["a"], {"a"}, object(), ("a", False)])
def test_what_is_no_key_is_refused(key: object) -> None:
    with pytest.raises(InvalidArgument, match="a key must be"):
        encode(key)  # type: ignore[arg-type]


def test_a_subclass_is_no_key_as_it_would_come_back_as_its_base() -> None:
    class Name(str):
        __slots__ = ()

    with pytest.raises(InvalidArgument, match="not Name"):
        encode(Name("a"))


@pytest.mark.parametrize("key", ["\ud800", ("\udfff",), ObjectRef("User", "\ud800")])
def test_text_with_a_lone_surrogate_is_refused(key: Key) -> None:
    with pytest.raises(InvalidArgument, match="surrogate"):
        encode(key)


def test_an_instant_before_the_first_year_in_utc_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="years 1 to 9999"):
        encode(datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))))


def test_tuples_nested_too_deep_are_refused_both_ways() -> None:
    key: Key = ()
    for _ in range(DEPTH_MAX - 1):
        key = (key,)
    assert decode(encode(key)) == key
    with pytest.raises(InvalidArgument, match="nested"):
        encode((key,))
    with pytest.raises(ValueError, match="nested"):
        decode(b"\x05" + encode(key) + b"\x00")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("15 00", "leading zero"),
        ("1d 00000001 05", "long form"),
        ("02 61 01 03 00", "escape"),
        ("01 01 00", "escape"),
        ("02 ff 00", "UTF-8"),
        ("99", "tag 0x99"),
        ("00", "tag 0x00"),
        ("30 ffffffffffffffff", "9999"),
    ],
)
def test_damaged_keys_are_refused_with_the_reason(data: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        decode(bytes.fromhex(data))


@pytest.mark.parametrize(
    ("key", "data"),
    [
        ("", "02 00"),
        ("alice", "02 616c696365 00"),
        ("a\x00b\x01", "02 61 0101 62 0102 00"),
        (b"\x00\xff", "01 0101 ff 00"),
        (0, "14"),
        (1, "15 01"),
        (-1, "13 fe"),
        (255, "15 ff"),
        (256, "16 0100"),
        (-256, "12 feff"),
        (2**64, "1d 00000009 010000000000000000"),
        (-(2**64), "0b fffffff6 feffffffffffffffff"),
        ((), "05 00"),
        (("a", (1,)), "05 02 61 00 05 15 01 00 00"),
        (UUID(int=1), "32 00000000000000000000000000000001"),
        (datetime(1970, 1, 1), "30 00dcbffeff2bc000"),  # noqa: DTZ001 -- naive keys are a kind of their own
        (datetime(1970, 1, 1, tzinfo=UTC), "31 00dcbffeff2bc000"),
        (ObjectRef("User", "al"), "33 55736572 00 616c 00"),
    ],
)
def test_the_format_of_version_1_stays_as_it_is(key: Key, data: str) -> None:
    assert encode(key) == bytes.fromhex(data)
    assert decode(bytes.fromhex(data)) == key
