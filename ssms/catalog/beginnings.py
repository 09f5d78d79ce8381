"""How a cluster begins, rests, grows and shrinks, in the catalog."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import Connection, update

from ssms import slots as slot_numbers
from ssms.catalog import placements, stores, versions
from ssms.catalog.rows import ClusterState, NewStore, NodeState
from ssms.catalog.tables import copies

REPLICAS = "replicas"
HOSTS_PER_NODE = "hosts_per_node"
APART = "apart"


def begin(connection: Connection, new: Sequence[NewStore], nodes: Sequence[str], sizes: tuple[int, int]) -> None:
    """The cluster runs from now on. A new one gets these stores. sizes: (replicas, hosts_per_node) of a new one."""
    state = versions.state(connection)
    if state is ClusterState.RUNNING:
        return
    if state is ClusterState.NEW:
        replicas, hosts_per_node = sizes
        for node in nodes:
            stores.add_node(connection, node)
        made = stores.add_stores(connection, new, replicas)
        placements.place_all_slots(connection, slot_numbers.assign([row.identity for row in made]))
        versions.set_value(connection, REPLICAS, str(replicas))
        versions.set_value(connection, HOSTS_PER_NODE, str(hosts_per_node))
    versions.set_value(connection, versions.STATE, ClusterState.RUNNING.value)


def rest(connection: Connection) -> None:
    """The cluster's processes shall end. What they were told is forgotten with them; nobody leads."""
    versions.set_value(connection, versions.STATE, ClusterState.STOPPED.value)
    connection.execute(update(copies).values(pid=0, told=-1))
    versions.raise_version(connection)


def grow(connection: Connection, node: str, identities: Sequence[bytes]) -> int:
    """A node joins; stores that the cluster has too few of are led by it. How many there are now.

    identities: of new stores, as many as a node can need.
    """
    stores.add_node(connection, node)
    _set_apart(connection, apart(connection) - {node})
    replicas, hosts_per_node = sizes(connection)
    active = [row.id for row in stores.all_nodes(connection) if row.state is NodeState.ACTIVE]
    known = {row.identity for row in stores.all_stores(connection)}
    missing = min(len(active) * hosts_per_node - len(known), hosts_per_node)
    fresh = [identity for identity in identities if identity not in known][: max(missing, 0)]
    held = {other: sum(copy.node == other for copy in stores.all_copies(connection)) for other in active}
    new = []
    for identity in fresh:
        others = sorted((other for other in active if other != node), key=lambda other: held[other])[: replicas - 1]
        for other in others:
            held[other] += 1
        new.append(NewStore(identity, (node, *others)))
    if new:
        stores.add_stores(connection, new, replicas)
    versions.raise_version(connection)
    return len(known) + len(new)


def shrink(connection: Connection, node: str) -> None:
    """A node is to be emptied, and joins by itself no more."""
    stores.set_node_state(connection, node, NodeState.LEAVING)
    keep_out(connection, node)


def keep_out(connection: Connection, node: str) -> None:
    """A node does not join by itself."""
    _set_apart(connection, apart(connection) | {node})


def newcomers(connection: Connection, alive: Sequence[str]) -> list[str]:
    """Of the nodes that are there, those that a running cluster has never had, nor dropped."""
    if versions.state(connection) is not ClusterState.RUNNING:
        return []
    known = {row.id for row in stores.all_nodes(connection)} | apart(connection)
    return [node for node in alive if node not in known]


def apart(connection: Connection) -> frozenset[str]:
    """The nodes that were dropped, and have not been asked to join since."""
    return frozenset(json.loads(versions.value(connection, APART) or "[]"))


def _set_apart(connection: Connection, nodes: frozenset[str]) -> None:
    if nodes != apart(connection):
        versions.set_value(connection, APART, json.dumps(sorted(nodes)))


def sizes(connection: Connection) -> tuple[int, int]:
    """(replicas, hosts_per_node) of this cluster."""
    return int(versions.value(connection, REPLICAS) or 1), int(versions.value(connection, HOSTS_PER_NODE) or 1)
