"""Deployed types in the catalog: all versions are kept, the newest of each name counts."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, insert, select

from darq.errors import InvalidArgument
from ssms.catalog import uploads
from ssms.catalog.tables import types
from ssms.deployed import DeployedType


def newest_types(connection: Connection) -> list[DeployedType]:
    """The newest version of each type, in order of names."""
    rows = connection.execute(select(types).order_by(types.c.name, types.c.version)).mappings()
    return list({row["name"]: DeployedType(**row) for row in rows}.values())


def add_types(connection: Connection, given: Sequence[DeployedType]) -> list[DeployedType]:
    """Register types. Each gets the version after the newest of its name, unless that one is the same code.

    Raises InvalidArgument for the name of a type that an upload has.
    """
    known = {made.name: made for made in newest_types(connection)}
    taken = uploads.owners(connection)
    made = []
    for one in given:
        if one.name in taken:
            raise InvalidArgument(
                f"the type {one.name} is that of the upload {taken[one.name]!r}: name yours otherwise"
            )
        newest = known.get(one.name)
        if newest is None or newest.hash != one.hash:
            number = 1 if newest is None else newest.version + 1
            newest = DeployedType(one.name, number, one.reference, one.code, one.hash)
            values = {name: getattr(newest, name) for name in newest.__struct_fields__}
            connection.execute(insert(types).values(**values))
            known[one.name] = newest
        made.append(newest)
    return made
