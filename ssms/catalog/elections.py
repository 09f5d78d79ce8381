"""Who leads a store: epochs are taken by compare-and-set, so that there is one leader at most in each (LambdaObjects
§4.2.1).
"""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection, update

from ssms.catalog import stores
from ssms.catalog.errors import Outrun
from ssms.catalog.rows import StoreRow
from ssms.catalog.tables import copies
from ssms.catalog.versions import raise_version


def take_epoch(connection: Connection, before: StoreRow, epoch: int, leader: str, backups: tuple[str, ...]) -> StoreRow:
    """`leader` has `epoch` from now on, with these in-sync backups. The store as it is then.

    Done again it changes nothing. Raises Outrun if the store is no longer as in `before`, if one of these was not in
    sync, or if the epoch does not rise.
    """
    now = stores.store(connection, before.identity)
    if (now.epoch, now.leader) == (epoch, leader):
        return now
    if epoch <= before.epoch or not {leader, *backups} <= set(before.in_sync):
        raise Outrun(f"store {before.name} cannot be led by {leader} with {backups} under epoch {epoch}")
    return stores.change_store(
        connection, before, replace(before, epoch=epoch, leader=leader, backups=backups, changes=0)
    )


def lose_part(connection: Connection, name: str) -> bytes | None:
    """A process has said that it does not act any more as it was told; the store, None if that was known."""
    row = stores.copy(connection, name)
    if row is None or row.told < 0:
        return None
    connection.execute(update(copies).where(copies.c.name == name).values(told=-1))
    raise_version(connection)
    return row.store
