"""All that the catalog says about one store and its surroundings, in one state of all tables."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from ssms.catalog import stores, versions
from ssms.catalog.rows import ClusterState, CopyRow, NodeRow, StoreRow


@dataclass(frozen=True)
class Outlook:
    """One state of the catalog without types and slots."""

    state: ClusterState
    nodes: tuple[NodeRow, ...]
    stores: tuple[StoreRow, ...]
    copies: tuple[CopyRow, ...]


def outlook(connection: Connection) -> Outlook:
    """What there is."""
    return Outlook(
        versions.state(connection),
        tuple(stores.all_nodes(connection)),
        tuple(stores.all_stores(connection)),
        tuple(stores.all_copies(connection)),
    )
