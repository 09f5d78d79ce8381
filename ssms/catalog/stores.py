"""Stores, their copies and their nodes in the catalog: every change is a compare-and-set of one transaction."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from darq.errors import Fenced, InvalidArgument
from ssms.catalog.errors import Outrun
from ssms.catalog.rows import CopyRow, CopyState, NewStore, NodeRow, NodeState, StoreRow, columns
from ssms.catalog.tables import copies, nodes, stores
from ssms.catalog.versions import raise_version


def all_nodes(connection: Connection) -> list[NodeRow]:
    """All nodes, in the order in which they joined."""
    rows = connection.execute(select(nodes).order_by(nodes.c.number)).mappings()
    return [NodeRow(**{**row, "state": NodeState(row["state"])}) for row in rows]


def add_node(connection: Connection, node: str) -> None:
    """A node that is new, or that was leaving, takes copies."""
    found = connection.execute(update(nodes).where(nodes.c.id == node).values(state=NodeState.ACTIVE.value))
    if found.rowcount == 0:
        last = connection.scalar(select(func.max(nodes.c.number)))
        row = NodeRow(node, 0 if last is None else last + 1)
        connection.execute(insert(nodes).values(columns(row)))


def set_node_state(connection: Connection, node: str, state: NodeState) -> None:
    """Raises InvalidArgument for a node that is not there."""
    if connection.execute(update(nodes).where(nodes.c.id == node).values(state=state.value)).rowcount == 0:
        raise InvalidArgument(f"there is no node {node!r} in this cluster: `nodes` lists them")


def remove_node(connection: Connection, node: str) -> None:
    """Forget a node. Raises Outrun while it has copies."""
    left = connection.scalar(select(func.count()).select_from(copies).where(copies.c.node == node))
    if left:
        raise Outrun(f"node {node} has {left} copies still")
    connection.execute(delete(nodes).where(nodes.c.id == node))


def all_stores(connection: Connection) -> list[StoreRow]:
    """All stores, in the order of their numbers."""
    return [_store(row) for row in connection.execute(select(stores).order_by(stores.c.number)).mappings()]


def store(connection: Connection, identity: bytes) -> StoreRow:
    """One store. Raises InvalidArgument if there is none of this identity."""
    row = connection.execute(select(stores).where(stores.c.identity == identity)).mappings().first()
    if row is None:
        raise InvalidArgument(f"there is no store {identity.hex()} in this cluster")
    return _store(row)


def add_stores(connection: Connection, new: Sequence[NewStore], replicas: int) -> list[StoreRow]:
    """Create stores and the rows of their copies. All copies are in sync: they hold nothing, and nothing exists."""
    numbers = {node.id: node.number for node in all_nodes(connection)}
    last = connection.scalar(select(func.max(stores.c.number)))
    first = 0 if last is None else last + 1
    made = []
    for number, one in enumerate(new, first):
        names = tuple(copy_name(f"s{number}", numbers[node]) for node in one.nodes)
        row = StoreRow(one.identity, number, f"s{number}", replicas, backups=names)
        connection.execute(insert(stores).values(columns(row)))
        for name, node in zip(names, one.nodes, strict=True):
            connection.execute(insert(copies).values(columns(CopyRow(name, one.identity, node))))
        made.append(row)
    return made


def copy_name(store_name: str, node_number: int) -> str:
    """The name of the copy of a store on a node: "s3.n2"."""
    return f"{store_name}.n{node_number}"


def change_store(connection: Connection, before: StoreRow, after: StoreRow) -> StoreRow:
    """Put `after` in the place of `before`, with the next revision, and raise the placement's version.

    Raises Outrun if the store is no longer as in `before`, or `after` would lower its epoch.
    """
    if after.epoch < before.epoch:
        raise Outrun(f"store {before.name} has epoch {before.epoch}: it can only rise")
    changed = connection.execute(
        update(stores)
        .where(
            stores.c.identity == before.identity,
            stores.c.revision == before.revision,
            stores.c.epoch == before.epoch,
        )
        .values(
            epoch=after.epoch,
            leader=after.leader,
            backups=json.dumps(after.backups),
            replicas=after.replicas,
            revision=before.revision + 1,
            changes=after.changes,
        )
    )
    if changed.rowcount != 1:
        raise Outrun(f"store {before.name} was changed by somebody else")
    raise_version(connection)
    return store(connection, before.identity)


def member_change(
    connection: Connection, identity: bytes, leading: tuple[int, int], copy: str, joins: bool
) -> tuple[str, ...]:
    """The primary of an epoch adds a backup to its in-sync set, or drops one; the new backups.

    leading: the epoch, and a number that is higher for each further call in it: one that comes late, after another,
    changes nothing. Raises Outrun for such a call, Fenced when the primary leads no longer, InvalidArgument for a copy
    that this store does not have. A copy that is leaving is not added.
    """
    row = store(connection, identity)
    epoch, number = leading
    if row.epoch != epoch:
        raise Fenced(f"store {row.name} has epoch {row.epoch}: what led it under {epoch} may change nothing any more")
    if number < row.changes:
        raise Outrun(f"store {row.name} has had change {row.changes} of its copies, and {number} came late")
    connection.execute(update(stores).where(stores.c.identity == identity).values(changes=number))
    if joins:
        state = connection.scalar(select(copies.c.state).where(copies.c.name == copy, copies.c.store == identity))
        if state is None:
            raise InvalidArgument(f"store {row.name} has no copy {copy!r}")
        joins = state == CopyState.STAYING.value
    others = tuple(name for name in row.backups if name != copy)
    wanted = (*others, copy) if joins and copy != row.leader else others
    if set(wanted) == set(row.backups):
        return row.backups
    after = StoreRow(**{**vars(row), "backups": wanted, "changes": number})
    return change_store(connection, row, after).backups


def all_copies(connection: Connection, identity: bytes | None = None) -> list[CopyRow]:
    """The copies of all stores, or of one, in order of names."""
    query = select(copies).order_by(copies.c.name)
    if identity is not None:
        query = query.where(copies.c.store == identity)
    return [CopyRow(**{**r, "state": CopyState(r["state"])}) for r in connection.execute(query).mappings()]


def copy(connection: Connection, name: str) -> CopyRow | None:
    """One copy, if there is one of this name."""
    row = connection.execute(select(copies).where(copies.c.name == name)).mappings().first()
    return None if row is None else CopyRow(**{**row, "state": CopyState(row["state"])})


def add_copy(connection: Connection, identity: bytes, node: str) -> str:
    """A further copy of a store on a node, which is not in sync yet; its name. One that is there stays, if it was
    leaving. Raises Outrun if it is being wiped, or the node takes none.
    """
    row = store(connection, identity)
    found = next((n for n in all_nodes(connection) if n.id == node and n.state is NodeState.ACTIVE), None)
    if found is None:
        raise Outrun(f"node {node} takes no copies")
    name = copy_name(row.name, found.number)
    known = copy(connection, name)
    if known is None:
        connection.execute(insert(copies).values(columns(CopyRow(name, identity, node))))
    elif known.state is CopyState.GONE:
        raise Outrun(f"copy {name} is being wiped")
    else:
        connection.execute(update(copies).where(copies.c.name == name).values(state=CopyState.STAYING.value))
    return name


def set_copy_state(connection: Connection, name: str, state: CopyState) -> None:
    """Change what shall become of a copy. Raises Outrun for a way back from GONE, and for one that is in sync."""
    row = copy(connection, name)
    if row is None or row.state is state:
        return
    if row.state is CopyState.GONE:
        raise Outrun(f"copy {name} is being wiped")
    if state is CopyState.GONE and name in store(connection, row.store).in_sync:
        raise Outrun(f"copy {name} is in sync")
    connection.execute(update(copies).where(copies.c.name == name).values(state=state.value))


def remove_copy(connection: Connection, name: str) -> None:
    """Forget a copy that is gone. Raises Outrun for any other."""
    row = copy(connection, name)
    if row is None:
        return
    if row.state is not CopyState.GONE:
        raise Outrun(f"copy {name} is not being wiped")
    connection.execute(delete(copies).where(copies.c.name == name))


def greet(connection: Connection, name: str, pid: int, epoch: int) -> CopyRow | None:
    """A process reports that it holds a copy. The copy, None if there is none.

    epoch: what its disk holds. A process that was told to lead, which it notes on its disk, and then reports an older
    epoch, has sent that report before: it changes nothing.
    """
    row = copy(connection, name)
    if row is None:
        return None
    leads = store(connection, row.store).leader == name and row.told >= 0
    if row.pid == pid and (row.told < 0 or (leads and epoch < row.told)):
        return row
    connection.execute(update(copies).where(copies.c.name == name).values(pid=pid, told=-1))
    if leads:
        raise_version(connection)  # nobody leads until it is told anew
    return copy(connection, name)


def set_told(connection: Connection, name: str, pid: int, epoch: int) -> bool:
    """The process `pid` of a copy knows its part under `epoch`; False if another process has reported meanwhile."""
    row = copy(connection, name)
    if row is None or row.pid != pid:
        return False
    if row.told != epoch:
        connection.execute(update(copies).where(copies.c.name == name).values(told=epoch))
        owner = store(connection, row.store)
        if owner.leader == name and owner.epoch == epoch:
            connection.execute(update(stores).where(stores.c.identity == row.store).values(led=True))
            raise_version(connection)
    return True


def set_untold(connection: Connection, names: Iterable[str]) -> None:
    """The processes of these copies have ended, or have lost their parts: they are told anew when they report."""
    for name in names:
        connection.execute(update(copies).where(copies.c.name == name).values(told=-1))


def set_loads(connection: Connection, loads: Mapping[str, float]) -> None:
    """How busy copies say that they are: by name, groups that they make durable a second."""
    for name, load in loads.items():
        connection.execute(update(copies).where(copies.c.name == name).values(load=load))


def _store(row: Any) -> StoreRow:
    return StoreRow(**{**row, "backups": tuple(json.loads(row["backups"]))})
