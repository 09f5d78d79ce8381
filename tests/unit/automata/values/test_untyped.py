import pickle
from dataclasses import make_dataclass
from enum import Enum
from typing import NamedTuple

import msgspec
import pytest
from msgspec.msgpack import Ext
from pydantic import BaseModel

from automata.reference import make_ref
from automata.values.dynamic import encode_dynamic
from automata.values.untyped import decode_untyped
from automata.values.value_type import value_type
from automata.values.wire import Code


class Colour(Enum):
    RED = 1


class Pair(NamedTuple):
    a: int
    b: int


@pytest.mark.parametrize(
    "value", [5, "x", None, {"a": [1, (2, 3)]}, {1, 2}, make_ref("User", "al"), Colour.RED, Pair(1, 2)]
)
def test_what_the_value_says_of_itself_is_decoded(value: object) -> None:
    assert decode_untyped(encode_dynamic(value)) == value


def gone(code: int, *parts: object) -> bytes:
    """As a class that is not imported here would have been written."""
    return msgspec.msgpack.encode([Ext(code, msgspec.msgpack.encode(parts))])


def test_a_class_that_is_not_imported_is_shown_as_its_parts() -> None:
    assert decode_untyped(gone(Code.DATACLASS, "shop", "Item", {"n": 1})) == [{"<class>": "shop.Item", "n": 1}]
    assert decode_untyped(gone(Code.MODEL, "shop", "Item", {"n": 1})) == [{"<class>": "shop.Item", "n": 1}]
    assert decode_untyped(gone(Code.ENUM, "shop", "Colour", "RED")) == ["Colour.RED"]
    assert decode_untyped(gone(Code.NAMED_TUPLE, "shop", "Pair", [1, 2])) == [[1, 2]]


def test_a_pickle_is_not_opened() -> None:
    data = pickle.dumps(make_dataclass)
    assert decode_untyped(data) == f"<pickled, {len(data)} bytes>"
    assert decode_untyped(b"\x80") == {}


def test_damaged_bytes_are_shown_as_such() -> None:
    assert decode_untyped(b"\xc1") == "<undecodable, 1 bytes>"


class Item(BaseModel):
    sku: str
    price: int = 0


def test_a_model_is_shown_without_the_note_of_its_unset_fields() -> None:
    typed = value_type(list[Item])
    assert decode_untyped(typed.encode([Item(sku="a")])) == [{"sku": "a", "price": 0}]
    unknown = gone(Code.MODEL, "shop", "Item", {"sku": "a", "price": 0, "": ["price"]})
    assert decode_untyped(unknown) == [{"<class>": "shop.Item", "sku": "a", "price": 0}]


@pytest.mark.parametrize("value", [{"": 1}, {"": []}, {"": ["a"], "b": 1}, {"a": {"": [[]]}}])
def test_an_entry_of_a_user_without_a_name_is_kept(value: object) -> None:
    assert decode_untyped(encode_dynamic(value)) == value
