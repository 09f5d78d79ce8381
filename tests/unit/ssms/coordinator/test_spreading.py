"""How copies and slots are spread over machines."""

from collections import Counter

import pytest

from ssms import slots
from ssms.catalog.rows import CopyRow
from ssms.coordinator.spreading import extra_copies, first_stores, next_slots


@pytest.mark.parametrize(
    ("nodes", "hosts", "replicas"), [(1, 1, 1), (1, 3, 2), (2, 2, 2), (3, 1, 2), (3, 4, 3), (5, 2, 3)]
)
def test_first_stores_are_even(nodes: int, hosts: int, replicas: int) -> None:
    names = [f"n{number}" for number in range(nodes)]
    made = first_stores(names, [bytes([number]) for number in range(nodes * hosts)], replicas)
    assert Counter(store.nodes[0] for store in made) == dict.fromkeys(names, hosts)
    assert all(len(set(store.nodes)) == len(store.nodes) == min(replicas, nodes) for store in made)
    held = Counter(node for store in made for node in store.nodes)
    assert set(held.values()) == {hosts * min(replicas, nodes)}


def test_a_node_without_copies_gets_its_share_of_those_of_full_ones() -> None:
    rows = [CopyRow(f"s{n}.{node}", bytes([n]), node) for n in range(3) for node in ("x", "y")]
    assert len(extra_copies(rows, ["x", "y", "z"], "z")) == 2
    assert extra_copies(rows, ["x", "y"], "y") == []
    assert extra_copies([], ["x"], "x") == []


def test_slots_move_in_portions_until_they_are_even() -> None:
    owners = list(slots.assign([b"a"]))
    steps = 0
    while move := next_slots(owners, [b"a", b"b"], 500):
        source, target, numbers = move
        assert (source, target) == (b"a", b"b")
        for slot in numbers:
            owners[slot] = target
        steps += 1
    assert steps == 5
    assert set(slots.counts(owners).values()) == {slots.SLOTS // 2}
    assert next_slots([], [b"a"], 500) is None
