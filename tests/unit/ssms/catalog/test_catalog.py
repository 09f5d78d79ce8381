"""What a catalog promises, on each kind of database."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy import Connection

from automata.partitions import partition_of
from darq.errors import Fenced, InvalidArgument
from ssms import slots as slot_numbers
from ssms.catalog import (
    Catalog,
    CatalogAway,
    NewerCatalog,
    Outrun,
    deployments,
    elections,
    placements,
    stores,
    uploads,
    versions,
)
from ssms.catalog.rows import ClusterState, CopyState, NewStore, NodeState
from ssms.deployed import DeployedType

Open = Callable[[], Catalog]

A, B = b"a" * 16, b"b" * 16


def begin(connection: Connection) -> None:
    """Two stores with two copies each, on three nodes."""
    for node in ("x", "y", "z"):
        stores.add_node(connection, node)
    stores.add_stores(connection, [NewStore(A, ("x", "y")), NewStore(B, ("y", "z"))], 2)
    placements.place_all_slots(connection, slot_numbers.assign([A, B]))


def lead(connection: Connection, identity: bytes, leader: str, *backups: str) -> int:
    """The next epoch of a store begins, and its leader knows."""
    row = stores.store(connection, identity)
    after = replace(row, epoch=row.epoch + 1, leader=leader, backups=backups)
    changed = stores.change_store(connection, row, after)
    stores.greet(connection, leader, 1, 0)
    stores.set_told(connection, leader, 1, changed.epoch)
    return changed.epoch


# opening


def test_a_catalog_is_there_when_it_is_opened_again(open_catalog: Open) -> None:
    open_catalog().write(begin)
    again = open_catalog()
    assert [row.name for row in again.read(stores.all_stores)] == ["s0", "s1"]
    assert again.read(versions.value, "cluster") == "c1"
    assert again.read(versions.state) is ClusterState.NEW


def test_a_newer_schema_is_refused(open_catalog: Open, catalog: Catalog) -> None:
    catalog.write(versions.set_value, "schema", "5")
    with pytest.raises(NewerCatalog, match="has schema 5, and this release knows 4"):
        open_catalog()


def test_a_catalog_of_before_uploads_gets_their_tables_and_keeps_what_it_has(url: str, open_catalog: Open) -> None:
    open_catalog().write(begin)
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        for table in ("uploads", "modules"):
            connection.execute(sqlalchemy.text(f"DROP TABLE {table}"))
        connection.execute(sqlalchemy.text("UPDATE meta SET value = '2' WHERE name = 'schema'"))
    engine.dispose()
    again = open_catalog()
    assert again.read(versions.value, "schema") == "4"
    assert again.read(uploads.all_uploads) == (0, [])
    assert [row.name for row in again.read(stores.all_stores)] == ["s0", "s1"]


def test_two_may_create_a_catalog_at_once(open_catalog: Open) -> None:
    threads = [threading.Thread(target=open_catalog) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert open_catalog().read(versions.placement_version) == 0


def test_a_database_that_is_away_is_told(tmp_path: Path) -> None:
    with pytest.raises(CatalogAway, match="is away"):
        Catalog(f"sqlite:///{tmp_path}/no/folder/catalog.db", "c1")
    with pytest.raises(CatalogAway, match="is away") as told:
        Catalog(f"postgresql+psycopg://me:secret@/x?host={tmp_path}", "c1")
    assert "secret" not in str(told.value)


@pytest.mark.parametrize("url", ["nonsense", "mysql://x/y", "sqlite://", "oracle://x/y"])
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(InvalidArgument):
        Catalog(url, "c1")


def test_a_transaction_that_fails_changes_nothing(catalog: Catalog) -> None:
    def fail(connection: Connection) -> None:
        begin(connection)
        raise Outrun("on purpose")

    with pytest.raises(Outrun):
        catalog.write(fail)
    assert catalog.read(stores.all_nodes) == []
    assert catalog.read(placements.slot_owners) == ()


# stores


def test_new_stores_have_copies_that_are_all_in_sync(catalog: Catalog) -> None:
    catalog.write(begin)
    first, second = catalog.read(stores.all_stores)
    assert (first.epoch, first.leader, first.backups) == (0, "", ("s0.n0", "s0.n1"))
    assert (second.identity, second.number, second.in_sync) == (B, 1, ("s1.n1", "s1.n2"))
    assert [(c.name, c.node, c.told) for c in catalog.read(stores.all_copies, A)] == [
        ("s0.n0", "x", -1),
        ("s0.n1", "y", -1),
    ]


def test_an_epoch_is_taken_by_one_alone(catalog: Catalog, open_catalog: Open) -> None:
    catalog.write(begin)
    other = open_catalog()
    seen = catalog.read(stores.store, A)
    assert seen == other.read(stores.store, A)
    won = catalog.write(stores.change_store, seen, replace(seen, epoch=1, leader="s0.n0", backups=("s0.n1",)))
    with pytest.raises(Outrun):
        other.write(stores.change_store, seen, replace(seen, epoch=1, leader="s0.n1", backups=("s0.n0",)))
    assert other.read(stores.store, A) == won
    assert won.epoch == 1


def test_of_many_who_race_for_an_epoch_each_gets_another(catalog: Catalog, open_catalog: Open) -> None:
    catalog.write(begin)
    taken: list[int] = []

    def race(mine: Catalog, leader: str) -> None:
        for _ in range(20):
            seen = mine.read(stores.store, A)
            try:
                after = replace(seen, epoch=seen.epoch + 1, leader=leader, backups=())
                taken.append(mine.write(stores.change_store, seen, after).epoch)
            except Outrun:
                continue

    threads = [threading.Thread(target=race, args=(open_catalog(), f"s0.n{n}")) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(1, len(taken) + 1))
    assert catalog.read(stores.store, A).epoch == len(taken)
    assert catalog.read(versions.placement_version) == 1 + len(taken)


def test_an_epoch_never_falls(catalog: Catalog) -> None:
    catalog.write(begin)
    catalog.write(lead, A, "s0.n0")
    seen = catalog.read(stores.store, A)
    with pytest.raises(Outrun, match="can only rise"):
        catalog.write(stores.change_store, seen, replace(seen, epoch=0))


def test_the_primary_drops_and_adds_backups_under_its_epoch(catalog: Catalog) -> None:
    catalog.write(begin)
    epoch = catalog.write(lead, A, "s0.n0", "s0.n1")
    version = catalog.read(versions.placement_version)
    assert catalog.write(stores.member_change, A, (epoch, 1), "s0.n1", False) == ()
    assert catalog.write(stores.member_change, A, (epoch, 2), "s0.n1", False) == ()
    assert catalog.read(versions.placement_version) == version + 1
    assert catalog.write(stores.member_change, A, (epoch, 3), "s0.n1", True) == ("s0.n1",)
    assert catalog.write(stores.member_change, A, (epoch, 4), "s0.n0", True) == ("s0.n1",)
    with pytest.raises(Fenced, match="epoch 1"):
        catalog.write(stores.member_change, A, (epoch - 1, 5), "s0.n1", False)
    with pytest.raises(InvalidArgument, match="no copy"):
        catalog.write(stores.member_change, A, (epoch, 6), "s1.n1", True)


def test_a_change_of_members_that_comes_late_changes_nothing(catalog: Catalog) -> None:
    catalog.write(begin)
    epoch = catalog.write(lead, A, "s0.n0", "s0.n1")
    catalog.write(stores.member_change, A, (epoch, 2), "s0.n1", False)
    with pytest.raises(Outrun, match="came late"):
        catalog.write(stores.member_change, A, (epoch, 1), "s0.n1", True)
    assert catalog.read(stores.store, A).backups == ()
    assert catalog.write(stores.member_change, A, (epoch, 3), "s0.n1", True) == ("s0.n1",)
    catalog.write(stores.member_change, A, (epoch, 5), "s0.n1", True)
    with pytest.raises(Outrun, match="came late"):
        catalog.write(stores.member_change, A, (epoch, 4), "s0.n1", False)
    later = catalog.write(elections.take_epoch, catalog.read(stores.store, A), epoch + 1, "s0.n0", ("s0.n1",)).epoch
    assert catalog.write(stores.member_change, A, (later, 1), "s0.n1", False) == ()


def test_whoever_saw_the_members_before_a_drop_cannot_promote(catalog: Catalog) -> None:
    catalog.write(begin)
    epoch = catalog.write(lead, A, "s0.n0", "s0.n1")
    seen = catalog.read(stores.store, A)
    catalog.write(stores.member_change, A, (epoch, 7), "s0.n1", False)
    with pytest.raises(Outrun):
        catalog.write(stores.change_store, seen, replace(seen, epoch=2, leader="s0.n1", backups=()))


def test_an_election_is_won_by_one_of_those_in_sync_and_once(catalog: Catalog, open_catalog: Open) -> None:
    catalog.write(begin)
    catalog.write(lead, A, "s0.n0", "s0.n1")
    seen = catalog.read(stores.store, A)
    other = open_catalog()
    won = catalog.write(elections.take_epoch, seen, 2, "s0.n1", ())
    assert (won.epoch, won.leader, won.backups) == (2, "s0.n1", ())
    assert catalog.write(elections.take_epoch, seen, 2, "s0.n1", ()) == won
    for epoch, leader in ((2, "s0.n0"), (3, "s0.n0"), (3, "s0.n1")):
        with pytest.raises(Outrun):
            other.write(elections.take_epoch, seen, epoch, leader, ())
    for epoch, leader in ((2, "s0.n1"), (1, "s0.n1"), (3, "s0.n0")):
        if (epoch, leader) != (won.epoch, won.leader):
            with pytest.raises(Outrun):
                other.write(elections.take_epoch, won, epoch, leader, ())


def test_a_process_that_lost_its_part_leads_no_more(catalog: Catalog) -> None:
    catalog.write(begin)
    catalog.write(lead, A, "s0.n0", "s0.n1")
    assert catalog.write(elections.lose_part, "s0.n0") == A
    assert catalog.write(elections.lose_part, "s0.n0") is None
    assert placed(catalog).store(A).primary == ""


def test_a_copy_that_leaves_is_not_added(catalog: Catalog) -> None:
    catalog.write(begin)
    epoch = catalog.write(lead, A, "s0.n0")
    catalog.write(stores.set_copy_state, "s0.n1", CopyState.LEAVING)
    assert catalog.write(stores.member_change, A, (epoch, 8), "s0.n1", True) == ()


# copies


def test_a_copy_ends_only_when_it_is_not_in_sync(catalog: Catalog) -> None:
    catalog.write(begin)
    with pytest.raises(Outrun, match="in sync"):
        catalog.write(stores.set_copy_state, "s0.n1", CopyState.GONE)
    catalog.write(lead, A, "s0.n0")
    with pytest.raises(Outrun, match="not being wiped"):
        catalog.write(stores.remove_copy, "s0.n1")
    catalog.write(stores.set_copy_state, "s0.n1", CopyState.GONE)
    with pytest.raises(Outrun, match="being wiped"):
        catalog.write(stores.set_copy_state, "s0.n1", CopyState.STAYING)
    with pytest.raises(Outrun, match="being wiped"):
        catalog.write(stores.add_copy, A, "y")
    catalog.write(stores.remove_copy, "s0.n1")
    assert catalog.read(stores.copy, "s0.n1") is None
    assert catalog.write(stores.add_copy, A, "y") == "s0.n1"


def test_a_copy_is_added_once_and_not_on_a_node_that_leaves(catalog: Catalog) -> None:
    catalog.write(begin)
    assert catalog.write(stores.add_copy, A, "z") == "s0.n2"
    assert catalog.write(stores.add_copy, A, "z") == "s0.n2"
    catalog.write(stores.set_node_state, "z", NodeState.LEAVING)
    with pytest.raises(Outrun, match="takes no copies"):
        catalog.write(stores.add_copy, A, "z")
    with pytest.raises(Outrun, match="2 copies"):
        catalog.write(stores.remove_node, "z")
    with pytest.raises(InvalidArgument, match="no node 'q'"):
        catalog.write(stores.set_node_state, "q", NodeState.LEAVING)


def test_a_process_that_reports_has_to_be_told_its_part(catalog: Catalog) -> None:
    catalog.write(begin)
    epoch = catalog.write(lead, A, "s0.n0", "s0.n1")
    row = catalog.write(stores.greet, "s0.n0", 2, epoch)
    assert row is not None
    assert (row.pid, row.told) == (2, -1)
    assert not catalog.write(stores.set_told, "s0.n0", 1, epoch)
    assert catalog.write(stores.set_told, "s0.n0", 2, epoch)
    assert catalog.write(stores.greet, "nobody", 2, 0) is None


def test_a_late_report_of_a_process_that_leads_changes_nothing(catalog: Catalog) -> None:
    catalog.write(begin)
    epoch = catalog.write(lead, A, "s0.n0", "s0.n1")
    late = catalog.write(stores.greet, "s0.n0", 1, epoch - 1)
    assert late is not None
    assert late.told == epoch
    restarted = catalog.write(stores.greet, "s0.n0", 1, epoch)
    assert restarted is not None
    assert restarted.told == -1


# placements


def placed(catalog: Catalog) -> Any:
    return catalog.read(placements.placement, {"x": (True, True), "y": (False, False)})


def test_a_copy_leads_in_the_placement_once_it_was_told_to(catalog: Catalog) -> None:
    catalog.write(begin)
    assert placed(catalog).store(A).primary == ""
    catalog.write(lead, A, "s0.n0", "s0.n1")
    led = placed(catalog)
    assert (led.store(A).primary, led.store(A).node) == ("s0.n0", "x")
    assert led.store(A).backups == ("s0.n1",)
    catalog.write(stores.greet, "s0.n0", 2, 1)
    restarted = placed(catalog)
    assert (restarted.store(A).primary, restarted.store(A).epoch) == ("", 1)
    assert restarted.version > led.version
    assert [(n.id, n.alive, n.is_head) for n in restarted.nodes] == [("x", True, True), ("y", False, False)]


def test_slots_move_from_one_store_to_another(catalog: Catalog) -> None:
    catalog.write(begin)
    owners = catalog.read(placements.slot_owners)
    mine = [slot for slot, owner in enumerate(owners) if owner == A][:10]
    assert catalog.write(placements.move_slots, mine, A, B)
    assert not catalog.write(placements.move_slots, mine, A, B)
    after = placed(catalog)
    assert set(mine) <= set(after.slots_of(B))
    with pytest.raises(Outrun):
        catalog.write(placements.move_slots, mine, A, A)
    with pytest.raises(Outrun):
        catalog.write(placements.place_all_slots, owners)


def test_a_change_for_another_version_of_the_placement_is_refused(catalog: Catalog) -> None:
    with pytest.raises(Outrun, match="has version 0"):
        catalog.write(versions.raise_version, 7)
    assert catalog.write(versions.raise_version, 0) == 1


def test_an_object_is_placed_by_exception_until_it_comes_home(catalog: Catalog) -> None:
    catalog.write(begin)
    partition = partition_of("User", "alice")
    home = catalog.read(placements.holder, partition)
    away = B if home == A else A
    catalog.write(placements.place_one, partition, home, away)
    catalog.write(placements.place_one, partition, home, away)
    assert catalog.read(placements.holder, partition) == away
    assert [row.partition for row in catalog.read(placements.all_placed)] == [partition]
    with pytest.raises(Outrun):
        catalog.write(placements.place_one, partition, b"c" * 16, home)
    catalog.write(placements.place_one, partition, away, home)
    assert catalog.read(placements.all_placed) == []


# types


def test_each_new_code_of_a_type_is_a_new_version(catalog: Catalog) -> None:
    one = DeployedType("User", 0, "app:User", b"", b"1")
    two = DeployedType("User", 0, "", b"\x80code", b"2")
    assert [made.version for made in catalog.write(deployments.add_types, [one])] == [1]
    assert [made.version for made in catalog.write(deployments.add_types, [one])] == [1]
    assert [made.version for made in catalog.write(deployments.add_types, [two, one])] == [2, 3]
    newest = catalog.read(deployments.newest_types)
    assert [(made.name, made.version, made.reference) for made in newest] == [("User", 3, "app:User")]


def test_a_read_sees_one_state_of_all_tables(catalog: Catalog, open_catalog: Open) -> None:
    catalog.write(begin)
    other = open_catalog()

    def look(connection: Connection) -> tuple[int, int]:
        before = versions.placement_version(connection)
        other.write(versions.raise_version)
        return before, versions.placement_version(connection)

    assert catalog.read(look) == (1, 1)
    assert catalog.read(versions.placement_version) == 2


def test_tables_are_as_documented(catalog: Catalog, url: str) -> None:
    engine = sqlalchemy.create_engine(url)
    names = sqlalchemy.inspect(engine).get_table_names()
    engine.dispose()
    assert sorted(names) == [
        "copies", "meta", "modules", "nodes", "owners", "placed", "slots", "stores", "types", "uploads"
    ]  # fmt: skip
