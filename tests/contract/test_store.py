"""What the log relies on, of every store."""

import pytest

from darq import Store
from darq.errors import StoreClosed
from tests.contract.stores import Disk

ROWS = [(b"a", b"1"), (b"b", b"2"), (b"b\x00", b"3"), (b"c", b"4")]


def fill(store: Store) -> None:
    batch = store.batch()
    for key, value in ROWS:
        batch.put(key, value)
    store.write(batch)


def test_a_written_batch_is_visible_before_it_is_flushed(store: Store) -> None:
    fill(store)
    assert store.get(b"b") == b"2"
    assert store.get(b"x") is None


def test_a_batch_applies_its_changes_in_order(store: Store) -> None:
    fill(store)
    batch = store.batch()
    batch.put(b"a", b"new")
    batch.delete_range(b"a", b"b\x00")
    batch.put(b"b", b"again")
    batch.delete(b"c")
    batch.delete(b"missing")
    store.write(batch)
    assert store.scan(b"a", b"z", 10) == [(b"b", b"again"), (b"b\x00", b"3")]


def test_a_scan_is_half_open_and_in_key_order(store: Store) -> None:
    fill(store)
    assert store.scan(b"b", b"c", 10) == ROWS[1:3]
    assert store.scan(b"a", b"z", 2) == ROWS[:2]
    assert store.scan(b"bb", b"bz", 10) == []


def test_a_scan_backwards_starts_below_the_end(store: Store) -> None:
    fill(store)
    assert store.scan(b"b", b"c", 10, reverse=True) == [ROWS[2], ROWS[1]]
    assert store.scan(b"a", b"z", 2, reverse=True) == [ROWS[3], ROWS[2]]
    assert store.scan(b"aa", b"az", 10, reverse=True) == []


@pytest.mark.parametrize("bounds", [(b"c", b"a"), (b"b", b"b")])
def test_a_scan_of_an_empty_range_is_empty(store: Store, bounds: tuple[bytes, bytes]) -> None:
    fill(store)
    assert store.scan(*bounds, 10) == []
    assert store.scan(*bounds, 10, reverse=True) == []
    assert store.scan(b"a", b"z", 0) == []


def test_what_was_flushed_is_there_after_opening_again(disk: Disk) -> None:
    store = disk.open()
    identity = store.identity()
    fill(store)
    store.rotate()
    store.flush()
    store.mark_released(7)
    store.close()
    again = disk.open()
    assert again.scan(b"a", b"z", 10) == ROWS
    assert (again.released(), again.identity()) == (7, identity)
    assert len(identity) == 16
    again.close()


def test_the_released_group_never_falls(store: Store) -> None:
    store.mark_released(7)
    store.mark_released(5)
    assert store.released() == 7


def test_a_closed_store_says_so(disk: Disk) -> None:
    store = disk.open()
    store.close()
    store.close()
    with pytest.raises(StoreClosed):
        store.get(b"a")
    with pytest.raises(StoreClosed):
        store.scan(b"a", b"b", 1)
    with pytest.raises(StoreClosed):
        store.flush()


def test_free_space_is_known(store: Store) -> None:
    assert store.free_bytes() > 0
