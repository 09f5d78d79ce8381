"""Key kinds are a registry, and partitions are prefix-free and in order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darq import keys

names = st.binary(max_size=6).map(lambda name: bytes(b % 3 if b % 2 else 0xFF - b % 2 for b in name))


@given(names, st.binary(max_size=4))
def test_a_partition_key_splits_into_what_it_was_made_of(name: bytes, rest: bytes) -> None:
    assert keys.split_partition(keys.partition_key(keys.STATE, name) + rest) == (name, rest)


@given(names, names)
def test_partitions_sort_by_name_and_none_lies_within_another(first: bytes, second: bytes) -> None:
    one, other = keys.partition_key(keys.STATE, first), keys.partition_key(keys.STATE, second)
    assert (one < other) == (first < second)
    assert first == second or not other.startswith(one)


@given(st.integers(0, (1 << 64) - 1), st.integers(0, (1 << 64) - 1))
def test_numbered_rows_sort_by_number(first: int, second: int) -> None:
    one, other = keys.numbered(keys.INBOX, first), keys.numbered(keys.INBOX, second)
    assert (one < other) == (first < second)
    assert keys.number_of(one) == first


def test_no_kind_is_used_for_two_things() -> None:
    kinds = [
        value for name, value in vars(keys).items() if name.isupper() and isinstance(value, bytes) and len(value) == 1
    ]
    assert len(kinds) == len(set(kinds))


@pytest.mark.parametrize(("prefix", "behind"), [(b"a", b"b"), (b"a\xff", b"b"), (b"a\x00", b"a\x01")])
def test_the_first_key_behind_a_prefix(prefix: bytes, behind: bytes) -> None:
    assert keys.after(prefix) == behind


def test_nothing_lies_behind_a_prefix_of_the_last_byte() -> None:
    with pytest.raises(ValueError, match="FF"):
        keys.after(b"\xff\xff")
