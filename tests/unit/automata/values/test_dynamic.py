"""Values without an annotation: round trips, refusals, and that reading neither imports nor builds anything else."""

from __future__ import annotations

import contextlib
import sys
from collections import OrderedDict, defaultdict
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from automata.errors import InvalidArgument
from automata.reference import ObjectRef
from automata.values.dynamic import decode_dynamic, encode_dynamic
from automata.values.wire import DEPTH_MAX
from tests.unit.automata.values.values_world import Cat, Colour, Mixed, Open, Pair, Point, Right, moments, points, texts

hashable = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | texts
    | st.binary()
    | st.uuids()
    | moments
    | st.dates()
    | st.times()
    | st.timedeltas()
    | st.decimals(allow_nan=False)
    | st.complex_numbers(allow_nan=False)
    | st.builds(ObjectRef, texts, texts)
    | st.sampled_from([Colour.RED, Mixed.PAIR, Right.READ]),
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3),
    max_leaves=5,
)
values = st.recursive(
    hashable | points | st.builds(Cat, lives=st.integers()) | st.builds(Pair, st.integers(), st.lists(texts)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(hashable, inner, max_size=3) | st.sets(hashable),
    max_leaves=8,
)


@given(values)
def test_every_value_comes_back_equal_and_of_its_class(value: Any) -> None:
    back = decode_dynamic(encode_dynamic(value))
    assert back == value
    assert isinstance(back, ObjectRef if isinstance(value, ObjectRef) else type(value))


@given(values)
def test_truncated_bytes_are_damaged(value: Any) -> None:
    with pytest.raises(ValueError, match="damaged"):
        decode_dynamic(encode_dynamic(value)[:-1])


@given(st.binary(max_size=30))
def test_any_bytes_give_a_value_or_a_value_error(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        decode_dynamic(data)


def test_extra_and_unset_fields_of_a_model_are_kept() -> None:
    back = decode_dynamic(encode_dynamic(Open.model_validate({"name": "a", "more": (1,)})))
    assert back == Open.model_validate({"name": "a", "more": (1,)})
    assert decode_dynamic(encode_dynamic(Cat())).model_fields_set == set()


def test_numpy_arrays_and_scalars_come_back_as_they_are() -> None:
    array = np.arange(6, dtype="f4").reshape(2, 3)
    back = decode_dynamic(encode_dynamic({"a": array, "b": array[0, 1]}))
    assert (back["a"] == array).all()
    assert type(back["b"]) is np.float32


def test_an_instance_of_a_declared_type_becomes_its_ref() -> None:
    class User:
        __automaton__ = object()

        def __automaton_ref__(self) -> ObjectRef:
            return ObjectRef("User", "me")

    assert decode_dynamic(encode_dynamic([User()])) == [ObjectRef("User", "me")]


def _local_model() -> BaseModel:
    class Local(BaseModel):
        x: int = 0

    return Local()


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (object(), "a object cannot be stored.*Pickled"),
        (len, "builtin_function_or_method cannot be stored"),
        (OrderedDict(), "collections.OrderedDict cannot be stored"),
        ([defaultdict(int)], "collections.defaultdict cannot be stored"),
        (Right.READ | Right.WRITE, "combination of .*Right flags"),
        (_local_model(), "define it at the top of a module"),
        ("\ud800", "surrogate"),
        (("\ud800",), "surrogate"),
        (np.array([object()]), "Python objects"),
    ],
)
def test_what_cannot_come_back_is_refused(value: Any, sentence: str) -> None:
    with pytest.raises(InvalidArgument, match=sentence):
        encode_dynamic(value)


def test_cycles_and_too_deep_values_are_refused() -> None:
    cycle: dict[str, Any] = {}
    cycle["me"] = [cycle]
    deep: list[Any] = []
    for _ in range(DEPTH_MAX):
        deep = [deep]
    for value in (cycle, deep, (deep,)):
        with pytest.raises(InvalidArgument, match="levels deep, or contains itself"):
            encode_dynamic(value)
    assert decode_dynamic(encode_dynamic(deep[0])) == deep[0]


def _named(code: int, module: str, qualname: str, content: Any) -> bytes:
    payload = encode_dynamic([module, qualname, content])
    return b"\xc8" + len(payload).to_bytes(2, "big") + bytes([code]) + payload


@pytest.mark.parametrize("code", [12, 13, 14, 15])
@pytest.mark.parametrize(("module", "qualname"), [("os", "_Environ"), ("builtins", "dict"), ("pydantic", "BaseModel")])
def test_a_class_that_is_not_of_the_written_kind_is_refused(code: int, module: str, qualname: str) -> None:
    with pytest.raises(InvalidArgument, match="none here"):
        decode_dynamic(_named(code, module, qualname, {}))


def test_reading_never_imports() -> None:
    module = "antigravity"
    assert module not in sys.modules
    with pytest.raises(InvalidArgument, match="not imported here"):
        decode_dynamic(_named(13, module, "fly", {}))
    assert module not in sys.modules


def test_an_unknown_extension_says_that_the_reader_may_be_too_old() -> None:
    with pytest.raises(ValueError, match="newer than this release"):
        decode_dynamic(bytes.fromhex("c7017f00"))


def test_a_first_byte_that_is_kept_for_later_is_refused() -> None:
    with pytest.raises(ValueError, match="damaged"):
        decode_dynamic(b"\xc1\x01")


_HERE = Point.__module__


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (None, "c0"),
        ({"a": [1, 2.5]}, "81 a161 92 01 cb4004000000000000"),
        (-(2**64), "c709 01 ff0000000000000000"),
        ((1, "a"), "d6 02 92 01 a161"),
        ({7}, "d5 03 91 07"),
        (frozenset({7}), "d5 04 91 07"),
        (Decimal("1.5"), "c703 05" + b"1.5".hex()),
        (UUID(int=1), "d8 06" + UUID(int=1).hex),
        (datetime(2024, 5, 1, tzinfo=UTC), "c719 07" + b"2024-05-01T00:00:00+00:00".hex()),
        (date(2024, 5, 1), "c70a 08" + b"2024-05-01".hex()),
        (time(12, 30), "d7 09" + b"12:30:00".hex()),
        (timedelta(1, 2, 3), "d6 0a 93 01 02 03"),
        (ObjectRef("User", "al"), "c709 0b 92 a455736572 a2616c"),
        ({(1,): 2}, "c707 11 91 92 d502 91 01 02"),
        (1j, "c713 13 92 cb0000000000000000 cb3ff0000000000000"),
    ],
)
def test_the_format_of_version_1_stays_as_it_is(value: Any, data: str) -> None:
    assert encode_dynamic(value).hex() == data.replace(" ", "")
    assert decode_dynamic(bytes.fromhex(data)) == value


@pytest.mark.parametrize(
    ("value", "code", "content"),
    [
        (Mixed.PAIR, 12, "PAIR"),
        (Point(1, 2.0), 13, {"x": 1, "y": 2.0, "label": "here"}),
        (Pair(1, ["a"]), 14, [1, ["a"]]),
        (Cat(lives=1), 15, {"kind": "cat", "lives": 1, "": ["kind"]}),
    ],
)
def test_named_classes_keep_their_codes_and_contents(value: Any, code: int, content: Any) -> None:
    data = encode_dynamic(value)
    head = data.index(bytes([code]))
    assert decode_dynamic(data[head + 1 :]) == [_HERE, type(value).__name__, content]


def test_a_naive_datetime_stays_naive_and_an_aware_one_keeps_its_offset() -> None:
    naive = datetime(2024, 5, 1)  # noqa: DTZ001 -- a naive one is the point
    assert decode_dynamic(encode_dynamic(naive)).tzinfo is None
    aware = datetime(2024, 5, 1, tzinfo=timezone(timedelta(hours=2)))
    assert decode_dynamic(encode_dynamic(aware)).isoformat() == aware.isoformat()
