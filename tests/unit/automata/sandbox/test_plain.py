"""Bytes from strangers, read as plain values alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.msgpack import Ext
from pydantic import BaseModel

from automata.errors import InvalidArgument
from automata.reference import ObjectRef, make_ref
from automata.sandbox.members import MEMBERS_MAX
from automata.sandbox.plain import check_plain, check_typed, decode_plain
from automata.sandbox.terms import annotation_of
from automata.values.dynamic import encode_dynamic
from automata.values.value_type import value_type

PLAIN: list[Any] = [
    None,
    True,
    1,
    -1.5,
    "text",
    b"bytes",
    [1, [2]],
    {"a": {1: None}},
    (1, (2,)),
    {1, 2},
    frozenset({"a"}),
    1 << 100,
    Decimal("1.50"),
    UUID(int=7),
    datetime(2030, 1, 1, tzinfo=UTC),
    date(2030, 1, 1),
    time(1, 2),
    timedelta(days=-1),
    {(1, 2): 3},
    1 + 2j,
    make_ref("Counter", "one"),
]


class Colour(Enum):
    RED = 1


@dataclasses.dataclass
class Point:
    x: int = 0


class Pair(NamedTuple):
    a: int = 0


class Model(BaseModel):
    a: int = 0


@pytest.mark.parametrize("value", PLAIN, ids=repr)
def test_a_plain_value_comes_back(value: Any) -> None:
    found = decode_plain(encode_dynamic(value))
    assert found == value
    assert type(found) is type(value) or isinstance(value, ObjectRef)  # whose class depends on the types that are known


@pytest.mark.parametrize("make", [lambda: Colour.RED, Point, Pair, Model], ids=["enum", "dataclass", "tuple", "model"])
@pytest.mark.parametrize(
    "wrap", [lambda x: x, lambda x: [x], lambda x: {"a": (x,)}, lambda x: {(1, 2): [x]}], ids=range(4)
)
def test_a_value_that_names_a_class_is_refused_however_deep_it_is(
    make: Callable[[], Any], wrap: Callable[[Any], Any]
) -> None:
    data = encode_dynamic(wrap(make()))
    for read in (check_plain, decode_plain):
        with pytest.raises(InvalidArgument, match="class"):
            read(data)


@pytest.mark.parametrize("code", [12, 13, 14, 15, 16, 18, 0, 20, 99, 127])
def test_extensions_that_name_classes_ask_for_memory_or_are_unknown_are_refused(code: int) -> None:
    with pytest.raises(InvalidArgument):
        check_plain(msgspec.msgpack.encode(Ext(code, b"\x93\xa1a\xa1a\x80")))


def test_what_is_nested_too_deep_is_refused() -> None:
    data = b"\xc0"
    for _ in range(60):
        data = msgspec.msgpack.encode(Ext(2, b"\x91" + data))
    for deep in (data, b"\x91" * 100_000 + b"\xc0", b"\x81\xa1a" * 100_000 + b"\xc0"):
        with pytest.raises(InvalidArgument):
            decode_plain(deep)


def members(count: int, of: Callable[[int], Any]) -> set[Any]:
    return {of(n) for n in range(count)}


def containers(inner: Any) -> Any:
    return st.lists(inner) | st.dictionaries(st.integers(0, 1 << 40) | st.text() | st.binary(), inner)


HASHES = (1 << 61) - 1
CRAFTED: list[Callable[[int], Any]] = [
    lambda n: (n << 70) * HASHES,
    lambda n: UUID(int=n),
    Decimal,
    lambda n: (n, n),
]


@pytest.mark.parametrize("of", CRAFTED, ids=["integers", "UUIDs", "decimals", "tuples"])
def test_members_whose_hashes_can_be_chosen_are_few(of: Callable[[int], Any]) -> None:
    few = members(MEMBERS_MAX, of)
    assert decode_plain(encode_dynamic(few)) == few
    many = members(MEMBERS_MAX + 2, of)
    for value in (many, frozenset(many), [many], {(1, member): 0 for member in many}):
        with pytest.raises(InvalidArgument, match="members"):
            check_plain(encode_dynamic(value))
    assert decode_plain(encode_dynamic(list(many))) == list(many)


TYPED: list[tuple[Any, Callable[[int], Any]]] = [
    ("int", lambda n: n * HASHES),
    ("uuid", lambda n: UUID(int=n * HASHES)),
    ("decimal", lambda n: Decimal(n * HASHES)),
    ("timedelta", lambda n: timedelta(microseconds=n)),
    ("datetime", lambda n: datetime.fromtimestamp(n, UTC)),
    (["tuple", "int", "int"], lambda n: (n, n)),
    (["tuple", "str", ["frozenset", "uuid"]], lambda n: ("", frozenset([UUID(int=n)]))),
    (["union", "uuid", "none"], lambda n: UUID(int=n)),
    ("any", lambda n: n * HASHES),
]
HOLDING: list[tuple[Callable[[Any], Any], Callable[[Any], Any]]] = [
    (lambda term: ["set", term], lambda found: found),
    (lambda term: ["frozenset", term], frozenset),
    (lambda term: ["dict", term, "int"], lambda found: dict.fromkeys(found, 0)),
    (lambda term: ["list", ["union", ["set", term], "none"]], lambda found: [None, found]),
    (lambda term: ["dict", "str", ["tuple*", ["set", term]]], lambda found: {"a": (found,)}),
    (lambda term: ["record", "R", [["x", ["tuple", "int", ["set", term]], False]]], lambda found: {"x": (1, found)}),
]


@pytest.mark.parametrize(("term", "of"), TYPED, ids=[str(term) for term, _ in TYPED])
@pytest.mark.parametrize(("holding", "hold"), HOLDING, ids=["set", "frozenset", "dict", "list", "tuple", "record"])
def test_members_of_declared_types_whose_hashes_can_be_chosen_are_few(
    term: Any, of: Callable[[int], Any], holding: Callable[[Any], Any], hold: Callable[[Any], Any]
) -> None:
    kind = value_type(annotation_of(holding(term)))
    few = kind.encode(hold(members(MEMBERS_MAX, of)))
    check_typed(kind.annotation, few)
    assert kind.decode(few) == hold(members(MEMBERS_MAX, of))
    with pytest.raises(InvalidArgument, match="members"):
        check_typed(kind.annotation, kind.encode(hold(members(MEMBERS_MAX + 20, of))))


@pytest.mark.parametrize("term", ["str", "bytes", "float", "date", ["ref", None], ["tuple", "str", "str"], "int"])
def test_members_of_declared_types_whose_hashes_cannot_be_chosen_may_be_many(term: Any) -> None:
    some: dict[str, Callable[[int], Any]] = {
        "str": str,
        "bytes": lambda n: str(n).encode(),
        "float": float,
        "date": date.fromordinal,
        "ref": lambda n: make_ref("Guest", str(n)),
        "tuple": lambda n: (str(n), str(n)),
        "int": int,
    }
    kind = value_type(annotation_of(["set", term]))
    made = some[term if isinstance(term, str) else term[0]]
    check_typed(kind.annotation, kind.encode({made(n) for n in range(1, 5000)}))


@given(
    st.recursive(st.integers(-(1 << 63), (1 << 64) - 1) | st.text() | st.binary() | st.none() | st.floats(), containers)
)
def test_maps_with_keys_of_any_plain_kind_are_read(value: Any) -> None:
    padding = "x" * 5000  # less is not looked at
    assert check_plain(msgspec.msgpack.encode([padding, value])) is not None


def test_a_map_has_no_arrays_as_keys_which_would_become_tuples() -> None:
    def keyed(key: bytes) -> bytes:
        return b"\xdf" + (2000).to_bytes(4, "big") + b"".join(key + n.to_bytes(2, "big") + b"\x00" for n in range(2000))

    for data in (keyed(b"\x91\xcd"), b"\x91" + keyed(b"\x91\xcd"), b"\x81\x00" + keyed(b"\xdc\x00\x01\xcd")):
        for given_data in (data, msgspec.msgpack.encode(Ext(2, b"\x91" + data))):
            with pytest.raises(InvalidArgument, match="no number, text or bytes"):
                check_plain(given_data)
    check_plain(keyed(b"\xcd"))


def test_sets_of_numbers_and_text_may_be_large() -> None:
    value = [
        set(range(30_000)),
        {str(n) for n in range(5000)},
        {n / 7 for n in range(5000)},
        {-n for n in range(5000)},
    ]
    assert decode_plain(encode_dynamic(value)) == value


def test_a_map_whose_keys_are_extensions_is_refused() -> None:
    with pytest.raises(InvalidArgument):
        check_plain(b"\x81" + msgspec.msgpack.encode(Ext(1, b"\1" * 12)) + b"\1")


BROKEN = [
    b"",
    b"\xc1",
    b"\xdd\xff\xff\xff\xff",
    b"\xc0\xc0",
    b"\xa2\xff\xfe",
    *(
        msgspec.msgpack.encode(Ext(code, data))
        for code, data in (
            (5, b"x"),
            (6, b"short"),
            (7, b"now"),
            (8, b"\xff"),
            (9, b""),
            (10, b"\x91\x01"),
            (10, b"\x93\xcf\xff\xff\xff\xff\xff\xff\xff\xff\0\0"),
            (11, b"\x92\x01\x02"),
            (3, b"\x91\x90"),
            (17, b"\x91\x92\x90\x01"),
            (19, b"\x92\xa1a\x01"),
            (2, b"\x01"),
        )
    ),
]


@pytest.mark.parametrize("data", BROKEN, ids=repr)
def test_damaged_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidArgument):
        decode_plain(data)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_value_or_refused(data: bytes) -> None:
    try:
        decode_plain(data)
    except InvalidArgument as error:
        assert "plain" in str(error)  # noqa: PT017 - either way is right
