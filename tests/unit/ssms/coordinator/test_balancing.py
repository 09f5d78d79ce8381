"""Which store is handed over next, so that machines lead evenly."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from ssms.coordinator.balancing import Led, next_shift

NODES = ("x", "y", "z", "w")


def led(number: int, leader: str, *backups: str) -> Led:
    return Led(bytes([number]), leader, {node: f"s{number}.{node}" for node in backups})


def test_a_node_that_leads_nothing_gets_a_store_of_the_fullest() -> None:
    assert next_shift([led(0, "x", "y"), led(1, "x", "z"), led(2, "z", "x")], "xyz") == (b"\0", "s0.y")


def test_nothing_is_handed_over_that_makes_the_spread_no_better() -> None:
    assert next_shift([led(0, "x", "y")], "xy") is None
    assert next_shift([led(0, "x", "y"), led(1, "x", "y"), led(2, "y", "x")], "xy") is None


def test_only_who_is_able_and_is_to_lead_gets_a_store() -> None:
    assert next_shift([led(0, "x"), led(1, "x")], "xy") is None
    assert next_shift([led(0, "x", "y"), led(1, "x", "y")], "x") is None


def test_where_no_copy_is_shared_others_pass_stores_on_the_last_of_them_first() -> None:
    stores = [led(0, "x", "y"), led(1, "x", "y"), led(2, "y", "z")]
    assert next_shift(stores, "xyz") == (b"\2", "s2.z")
    stores[2] = led(2, "z", "y")
    assert next_shift(stores, "xyz") == (b"\0", "s0.y")


@given(st.lists(st.lists(st.sampled_from(NODES), min_size=2, max_size=3, unique=True), min_size=1, max_size=12))
def test_hand_overs_come_to_an_end_with_an_even_spread(copies: list[list[str]]) -> None:
    leaders = [nodes[0] for nodes in copies]
    for _ in range(100):
        stores = [led(n, leader, *(node for node in copies[n] if node != leader)) for n, leader in enumerate(leaders)]
        found = next_shift(stores, NODES)
        if found is None:
            break
        leaders[found[0][0]] = found[1].partition(".")[2]
    else:
        raise AssertionError("it never ends")
    leads = Counter(dict.fromkeys(NODES, 0))
    leads.update(leaders)
    for n, leader in enumerate(leaders):
        assert all(leads[leader] - leads[node] < 2 for node in copies[n])
