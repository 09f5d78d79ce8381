"""Slots and automata placed by exception in the catalog, and the placement that all of it makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, delete, insert, select, update

from automata.partitions import address_of
from ssms import slots as slot_numbers
from ssms.catalog.errors import Outrun
from ssms.catalog.rows import PlacedRow
from ssms.catalog.stores import all_copies, all_stores
from ssms.catalog.tables import placed, slots
from ssms.catalog.versions import placement_version, raise_version
from ssms.placement import NodePlace, Placement, StorePlace


def slot_owners(connection: Connection) -> tuple[bytes, ...]:
    """The store of each slot; empty before the first stores exist."""
    return tuple(connection.scalars(select(slots.c.store).order_by(slots.c.slot)))


def place_all_slots(connection: Connection, owners: Sequence[bytes]) -> None:
    """Give all slots their first stores. Raises Outrun if they have some."""
    if slot_owners(connection):
        raise Outrun("the slots were placed by somebody else")
    connection.execute(insert(slots), [{"slot": slot, "store": owner} for slot, owner in enumerate(owners)])
    raise_version(connection)


def move_slots(connection: Connection, numbers: Sequence[int], source: bytes, target: bytes) -> bool:
    """Slots of one store are another's from now on; False if all were already. Raises Outrun if a third has one."""
    owners = slot_owners(connection)
    if any(owners[slot] not in {source, target} for slot in numbers):
        raise Outrun("slots that are to be moved have been moved to another store")
    moving = [slot for slot in numbers if owners[slot] == source]
    if not moving or source == target:
        return False
    connection.execute(update(slots).where(slots.c.slot.in_(moving)).values(store=target))
    raise_version(connection)
    return True


def all_placed(connection: Connection) -> list[PlacedRow]:
    """All automata that were moved by themselves."""
    rows = connection.execute(select(placed.c.partition, placed.c.store).order_by(placed.c.partition))
    return [PlacedRow(*row) for row in rows]


def holder(connection: Connection, partition: bytes) -> bytes:
    """The store that has an automaton: by exception, else by its slot."""
    found = connection.scalar(select(placed.c.store).where(placed.c.partition == partition))
    if found is None:
        slot = slot_numbers.slot_of(partition)
        found = connection.scalar(select(slots.c.store).where(slots.c.slot == slot))
    if found is None:
        raise Outrun("the cluster has no stores yet")
    return bytes(found)


def place_one(connection: Connection, partition: bytes, source: bytes, target: bytes) -> None:
    """An automaton was moved. Raises Outrun if it is recorded elsewhere than at `source` or `target`."""
    now = holder(connection, partition)
    if now == target:
        return
    if now != source:
        raise Outrun("the automaton was moved by somebody else")
    connection.execute(delete(placed).where(placed.c.partition == partition))
    if holder(connection, partition) != target:
        type_name, key = address_of(partition)
        connection.execute(insert(placed).values(partition=partition, type=type_name, key=key, store=target))


def placement(connection: Connection, alive: Mapping[str, tuple[bool, bool]]) -> Placement:
    """What routers have to know. alive: whether each node lives, and is the head, which the catalog does not know.

    A copy leads in it once it was told to, and until another process of it reports.
    """
    owners = slot_owners(connection)
    rows = all_stores(connection)
    index = {row.identity: number for number, row in enumerate(rows)}
    known = {row.name: row for row in all_copies(connection)}
    places = []
    for row in rows:
        copy = known.get(row.leader)
        leads = copy is not None and copy.told == row.epoch
        node = copy.node if leads and copy is not None else ""
        places.append(StorePlace(row.identity, row.epoch, row.leader if leads else "", node, row.backups, row.name))
    return Placement(
        placement_version(connection),
        slot_numbers.encode(index[owner] for owner in owners) or bytes(2 * slot_numbers.SLOTS),
        tuple(places),
        tuple(NodePlace(node, lives, head) for node, (lives, head) in alive.items()),
    )
