"""4,096 slots: where a key hashes to, and how slots are spread over stores."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automata.partitions import partition_of
from darq.errors import InvalidArgument
from ssms import slots


def test_the_slot_of_a_key_never_changes() -> None:
    # written down: clusters that exist hold objects where these say
    assert slots.slot_of(partition_of("User", "alice")) == 3821
    assert slots.slot_of(b"") == 0
    assert slots.slot_of(b"User\x00bob") == slots.slot_of(partition_of("User", "bob"))


def test_keys_spread_over_the_slots() -> None:
    stores = slots.assign(range(4))
    found = Counter(stores[slots.slot_of(partition_of("User", f"user{n}"))] for n in range(10_000))
    assert min(found.values()) > 2_300


@given(st.integers(1, 50))
def test_slots_are_even(stores: int) -> None:
    held = slots.counts(slots.assign(range(stores))).values()
    assert sum(held) == slots.SLOTS
    assert max(held) - min(held) <= 1


@given(st.sets(st.integers(0, 30), min_size=1), st.sets(st.integers(0, 30), min_size=1))
def test_a_change_of_stores_moves_as_few_slots_as_an_even_spread_allows(old: set[int], new: set[int]) -> None:
    before = slots.assign(sorted(old))
    after = slots.assign(sorted(new), before)
    held = slots.counts(after)
    assert set(held) == new
    assert max(held.values()) - min(held.values()) <= 1
    moved = sum(len(numbers) for numbers in slots.moves(before, after).values())
    had = slots.counts(owner for owner in before if owner in new)
    share, left = divmod(slots.SLOTS, len(new))
    fullest = sorted((had[owner] for owner in new), reverse=True)
    assert moved == slots.SLOTS - sum(min(n, share + (i < left)) for i, n in enumerate(fullest))


def test_nothing_moves_when_nothing_changes() -> None:
    before = slots.assign(("a", "b", "c"))
    assert slots.assign(("c", "a", "b"), before) == before


def test_moves_say_which_slots_go_from_whom_to_whom() -> None:
    assert slots.moves("aabb", "abba") == {("a", "b"): (1,), ("b", "a"): (3,)}


@pytest.mark.parametrize("owners", [(), ("a", "a"), range(4097)])
def test_owners_are_some_and_different(owners: tuple[object, ...]) -> None:
    with pytest.raises(InvalidArgument, match="different stores"):
        slots.assign(owners)


@given(st.lists(st.integers(0, 65_535)))
def test_numbers_of_slots_travel_as_bytes(numbers: list[int]) -> None:
    assert slots.decode(slots.encode(numbers)) == tuple(numbers)
