"""One version of where objects live."""

import msgspec
import pytest

from ssms import slots
from ssms.placement import NOWHERE, NodePlace, Placement, StorePlace, UnknownStore

A = StorePlace(b"a" * 16, 3, "s0.n0", "n0", ("s0.n1",), "s0")
B = StorePlace(b"b" * 16, 1, "", "", ("s1.n1", "s1.n0"), "s1")
PLACED = Placement(7, slots.encode(slots.assign(range(2))), (A, B), (NodePlace("n0", alive=True, is_head=True),))


def test_the_store_of_a_slot_owns_its_objects() -> None:
    partitions = [f"User\x00{n}".encode() for n in range(100)]
    assert {PLACED.owner(partition).identity for partition in partitions} == {A.identity, B.identity}
    for partition in partitions:
        assert slots.slot_of(partition) in PLACED.slots_of(PLACED.owner(partition).identity)


def test_stores_are_found_by_identity() -> None:
    assert PLACED.store(B.identity) == B
    assert PLACED.has(A.identity)
    with pytest.raises(UnknownStore, match="placement 7"):
        PLACED.store(bytes(16))


def test_in_sync_copies_are_the_primary_and_its_backups() -> None:
    assert A.in_sync == ("s0.n0", "s0.n1")
    assert B.in_sync == ("s1.n1", "s1.n0")


def test_a_placement_travels_as_bytes() -> None:
    again = Placement.decode(PLACED.encode())
    assert again == PLACED
    assert len(PLACED.encode()) < 9_000
    with pytest.raises(msgspec.DecodeError):
        Placement.decode(b"\xc1")


def test_at_first_no_store_is_known() -> None:
    assert NOWHERE.version == 0
    assert not NOWHERE.has(A.identity)
