"""What has to happen next for one store."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from ssms.catalog.rows import CopyRow, CopyState, StoreRow
from ssms.coordinator.plan import (
    Act,
    Add,
    Elect,
    Halt,
    Inform,
    Mark,
    NodeView,
    Retire,
    Start,
    View,
    choose,
    decide,
)

S = b"s" * 16
STORE = StoreRow(S, 0, "s0", 2, epoch=3, leader="s0.x", backups=("s0.y",))
LEADER = CopyRow("s0.x", S, "x", pid=1, told=3)
BACKUP = CopyRow("s0.y", S, "y", pid=2, told=3)
NODES = {name: NodeView(name, copies=1) for name in ("x", "y", "z")}
CALM = View(STORE, (LEADER, BACKUP), NODES, started=frozenset({"s0.x", "s0.y", "s0.z"}))


def put(view: View, *copies: CopyRow, **changes: object) -> View:
    """The view with some of its copies changed, or further ones."""
    held = {copy.name: copy for copy in (*view.copies, *copies)}
    return replace(view, copies=tuple(held.values()), **changes)


def node(view: View, name: str, **changes: bool) -> View:
    return replace(view, nodes={**view.nodes, name: replace(view.nodes[name], **changes)})


def test_nothing_is_done_while_all_is_well() -> None:
    assert decide(CALM) is None


def test_processes_are_seen_to_once() -> None:
    assert decide(replace(CALM, started=frozenset())) == Start(("s0.x", "s0.y"))
    away = node(replace(CALM, started=frozenset()), "y", alive=False)
    assert decide(away) == Start(("s0.x",))


def test_a_suspect_leader_is_succeeded_by_those_in_sync_that_answer() -> None:
    assert decide(replace(CALM, suspects=frozenset({"s0.x"}))) == Elect(("s0.y",), STORE)


def test_a_leader_whose_process_was_restarted_needs_a_new_epoch() -> None:
    assert decide(put(CALM, replace(LEADER, told=-1))) == Elect(("s0.x", "s0.y"), STORE)


def test_a_leader_without_backups_is_waited_for() -> None:
    alone = replace(CALM, store=replace(STORE, backups=()), suspects=frozenset({"s0.x"}))
    assert decide(alone) is None


def test_a_copy_that_is_not_in_sync_never_leads() -> None:
    behind = put(CALM, CopyRow("s0.z", S, "z", pid=3, told=3))
    assert decide(replace(behind, suspects=frozenset({"s0.x", "s0.y"}))) is None


def test_a_new_store_waits_for_its_copies_for_a_while() -> None:
    new = replace(STORE, epoch=0, leader="", backups=("s0.x", "s0.y"))
    view = put(replace(CALM, store=new), replace(LEADER, told=-1), replace(BACKUP, pid=0, told=-1))
    assert decide(replace(view, patient=True)) is None
    assert decide(view) == Elect(("s0.x",), new)
    assert decide(node(replace(view, patient=True), "y", alive=False)) == Elect(("s0.x",), new)


def test_those_who_do_not_know_the_epoch_are_told() -> None:
    assert decide(put(CALM, replace(BACKUP, told=2))) == Inform(("s0.y",))
    assert decide(put(CALM, replace(BACKUP, told=-1), suspects=frozenset({"s0.y"}))) is None


def test_a_copy_is_added_where_fewest_are() -> None:
    alone = replace(CALM, store=replace(STORE, backups=()), copies=(LEADER,))
    assert decide(node(alone, "y", copies=5)) == Add("z")


def test_copies_leave_a_node_that_is_lost_or_emptied() -> None:
    assert decide(node(CALM, "y", alive=False)) is None
    assert decide(node(CALM, "y", alive=False, lost=True)) == Mark("s0.y", CopyState.LEAVING)
    assert decide(node(CALM, "y", takes=False)) == Mark("s0.y", CopyState.LEAVING)


def test_a_copy_that_comes_back_stays_if_it_is_of_use() -> None:
    without = replace(STORE, backups=())
    back = put(replace(CALM, store=without), replace(BACKUP, state=CopyState.LEAVING))
    assert decide(back) == Mark("s0.y", CopyState.STAYING)
    replaced = put(replace(back, store=replace(STORE, backups=("s0.z",))), CopyRow("s0.z", S, "z", pid=3, told=3))
    assert decide(replaced) == Retire("s0.y", wipe=True)


def test_of_too_many_copies_one_leaves_where_most_are() -> None:
    third = put(replace(CALM, store=replace(STORE, backups=("s0.y", "s0.z"))), CopyRow("s0.z", S, "z", pid=3, told=3))
    crowded = replace(third, nodes={**NODES, "y": NodeView("y", copies=4)})
    assert decide(crowded) == Mark("s0.y", CopyState.LEAVING)


def test_a_backup_that_leaves_is_halted_when_the_others_are_enough() -> None:
    leaving = node(put(CALM, replace(BACKUP, state=CopyState.LEAVING)), "y", takes=False)
    assert decide(leaving) == Add("z")
    third = CopyRow("s0.z", S, "z", pid=3, told=3)
    assert decide(put(leaving, third)) is None
    in_sync = put(replace(leaving, store=replace(STORE, backups=("s0.y", "s0.z"))), third)
    assert decide(in_sync) == Halt("s0.y")


def test_a_leader_that_leaves_hands_over_to_one_that_stays() -> None:
    leaving = node(put(CALM, replace(LEADER, state=CopyState.LEAVING)), "x", takes=False)
    third = CopyRow("s0.z", S, "z", pid=3, told=3)
    store = replace(STORE, backups=("s0.y", "s0.z"))
    assert decide(put(replace(leaving, store=store), third)) == Elect(("s0.y", "s0.z"), store)


def test_a_copy_on_a_node_that_is_away_is_kept_until_that_is_dropped() -> None:
    without = replace(STORE, backups=("s0.z",))
    gone = put(
        replace(CALM, store=without), replace(BACKUP, state=CopyState.LEAVING), CopyRow("s0.z", S, "z", pid=3, told=3)
    )
    away = node(gone, "y", alive=False, lost=True)
    assert decide(away) is None
    assert decide(node(away, "y", takes=False)) == Retire("s0.y", wipe=False)


def test_the_longest_chain_of_the_highest_epoch_is_chosen_and_of_equals_the_leader() -> None:
    assert choose({"a": (2, 9), "b": (3, 1), "c": (3, 0)}, "a") == "b"
    assert choose({"a": (3, 1), "b": (3, 1)}, "b") == "b"
    assert choose({"a": (3, 1), "b": (3, 1)}, "a") == "a"


copies = st.builds(
    CopyRow,
    name=st.just(""),
    store=st.just(S),
    node=st.just(""),
    state=st.sampled_from(CopyState),
    pid=st.integers(0, 1),
    told=st.integers(-1, 3),
)


@given(
    st.lists(copies, min_size=3, max_size=3),
    st.lists(
        st.builds(NodeView, id=st.just(""), takes=st.booleans(), alive=st.booleans(), lost=st.booleans()),
        min_size=3,
        max_size=3,
    ),
    st.sets(st.sampled_from(["s0.x", "s0.y", "s0.z"])),
    st.sampled_from(["", "s0.x"]),
    st.sets(st.sampled_from(["s0.y", "s0.z"])),
    st.booleans(),
)
def test_whatever_happens_nothing_unsafe_is_decided(
    rows: list[CopyRow], nodes: list[NodeView], suspects: set[str], leader: str, backups: set[str], patient: bool
) -> None:
    names = ("x", "y", "z")
    held = tuple(replace(row, name=f"s0.{name}", node=name) for row, name in zip(rows, names, strict=True))
    store = replace(STORE, leader=leader, backups=tuple(sorted(backups)), epoch=3 if leader else 0)
    seen = {name: replace(view, id=name) for view, name in zip(nodes, names, strict=True)}
    view = View(store, held, seen, frozenset(suspects), frozenset(copy.name for copy in held), patient)
    act: Act | None = decide(view)
    if isinstance(act, Elect):
        assert act.candidates
        assert set(act.candidates) <= set(store.in_sync) - suspects
    if isinstance(act, Retire):
        assert act.copy not in store.in_sync or view.by_name[act.copy].state is CopyState.GONE
    if isinstance(act, Halt):
        assert act.copy != store.leader
        others = [name for name in store.in_sync if name not in {act.copy, *suspects}]
        assert others
    if isinstance(act, Add):
        assert all(copy.node != act.node for copy in held)
