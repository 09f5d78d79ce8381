"""Single values of the catalog, and the version of the placement, rising with each change that routers must see."""

from __future__ import annotations

from sqlalchemy import Connection, select, update

from ssms.catalog.errors import Outrun
from ssms.catalog.rows import ClusterState
from ssms.catalog.tables import meta

CLUSTER = "cluster"
PLACEMENT = "placement"
STATE = "state"


def value(connection: Connection, name: str) -> str:
    """One value of `meta`; "" where there is none."""
    return connection.scalar(select(meta.c.value).where(meta.c.name == name)) or ""


def placement_version(connection: Connection) -> int:
    """The version of the placement."""
    return int(value(connection, PLACEMENT))


def raise_version(connection: Connection, expected: int | None = None) -> int:
    """The placement's next version, which the transaction makes true. Raises Outrun unless it is `expected` now."""
    now = placement_version(connection)
    if expected is not None and now != expected:
        raise Outrun(f"the placement has version {now}, and the change was made for {expected}")
    changed = connection.execute(
        update(meta).where(meta.c.name == PLACEMENT, meta.c.value == str(now)).values(value=str(now + 1))
    )
    if changed.rowcount != 1:
        raise Outrun(f"the placement has no longer version {now}")
    return now + 1


def set_value(connection: Connection, name: str, new: str) -> None:
    """Set one value of `meta`."""
    if connection.execute(update(meta).where(meta.c.name == name).values(value=new)).rowcount == 0:
        connection.execute(meta.insert().values(name=name, value=new))


def state(connection: Connection) -> ClusterState:
    """Whether the cluster shall run."""
    return ClusterState(value(connection, STATE))
