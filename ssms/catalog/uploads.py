"""Uploaded modules in the catalog: what all hosts run, under which name, in which version (docs/CATALOG.md).

What becomes of an upload is decided by `automata.sandbox.record`, as in an embedded store; it is kept in the same form.
"""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select

from automata.errors import ModuleRefused
from automata.sandbox.record import UploadRecord, Version, no_upload, rolled_back, with_version
from ssms.catalog.tables import modules, types, uploads
from ssms.catalog.tables import owners as claims
from ssms.catalog.versions import set_value, value

REVISION = "uploads"
UNUSED_SECONDS_MAX = 3600.0
"""So long a module is kept that no upload has: it may be on its way to be one."""


def revision(connection: Connection) -> int:
    """How often uploads have changed."""
    return int(value(connection, REVISION) or 0)


def all_uploads(connection: Connection) -> tuple[int, list[UploadRecord]]:
    """Every upload, by name, and the revision that this is."""
    rows = connection.execute(select(uploads.c.record).order_by(uploads.c.name)).scalars()
    return revision(connection), [UploadRecord.decode(row) for row in rows]


def find(connection: Connection, name: str) -> UploadRecord:
    """One upload. Raises InvalidArgument if there is none of this name."""
    row = connection.scalar(select(uploads.c.record).where(uploads.c.name == name))
    if row is None:
        raise no_upload(name, list(connection.execute(select(uploads.c.name)).scalars()))
    return UploadRecord.decode(row)


def add_version(connection: Connection, name: str, uploader: str, version: Version) -> UploadRecord:
    """The next version of an upload, which runs from now on; nothing changes if just this runs already.

    Raises ModuleRefused for another's upload, for types that are known of elsewhere, and without its module.
    """
    _, known = all_uploads(connection)
    before = next((record for record in known if record.name == name), None)
    after = with_version(before, name, uploader, version)
    if before is not None and before.runs(version):
        return before
    if connection.scalar(select(modules.c.digest).where(modules.c.digest == version.digest)) is None:
        raise ModuleRefused(f"the module of {name!r} is in the catalog no more: upload it again")
    return _change(connection, after)


def roll_back(connection: Connection, name: str, version: int | None) -> UploadRecord:
    """Another version of an upload runs from now on: the one before, if none is named. Raises InvalidArgument."""
    before = find(connection, name)
    after = rolled_back(before, version)
    return before if after == before else _change(connection, after)


def remove(connection: Connection, name: str, now: float) -> None:
    """An upload is no more, if there is one of this name. Its types stay its uploader's. now: seconds since 1970."""
    row = connection.scalar(select(uploads.c.record).where(uploads.c.name == name))
    if row is not None:
        _claim(connection, UploadRecord.decode(row))
        connection.execute(delete(uploads).where(uploads.c.name == name))
        _changed(connection)
        _drop_unused(connection, now - UNUSED_SECONDS_MAX)


def owners(connection: Connection) -> dict[str, str]:
    """Which upload has a type, by the names of types that uploads have."""
    return {made: record.name for record in all_uploads(connection)[1] for made in record.types()}


def put_module(connection: Connection, digest: str, data: bytes, now: float) -> None:
    """Keep a module, which an upload is about to have. now: seconds since the epoch.

    Modules that have been without an upload for long are dropped: whoever has put them has given up.
    """
    connection.execute(delete(modules).where(modules.c.digest == digest))
    connection.execute(insert(modules).values(digest=digest, data=data, added=now))
    _drop_unused(connection, now - UNUSED_SECONDS_MAX)


def module(connection: Connection, digest: str) -> bytes | None:
    """The bytes of a module."""
    return connection.scalar(select(modules.c.data).where(modules.c.digest == digest))


def _change(connection: Connection, record: UploadRecord) -> UploadRecord:
    """An upload is as `record` from now on. Raises ModuleRefused if its types are known of elsewhere."""
    deployed = connection.execute(select(types.c.name).distinct()).scalars()
    taken = dict.fromkeys(deployed, "one that was deployed")
    taken |= {made: f"of the upload {name!r}" for made, name in owners(connection).items() if name != record.name}
    known = connection.execute(select(claims).where(claims.c.uploader != record.uploader))
    taken = {row.type: f"of {row.uploader!r}, whose upload {row.upload!r} had it" for row in known} | taken
    for name in record.types():
        if name in taken:
            raise ModuleRefused(f"a type {name} is known already, {taken[name]}: name yours otherwise")
    _claim(connection, record)
    connection.execute(delete(uploads).where(uploads.c.name == record.name))
    connection.execute(
        insert(uploads).values(
            name=record.name, uploader=record.uploader, version=record.current, record=record.encode()
        )
    )
    _changed(connection)
    return record


def _claim(connection: Connection, record: UploadRecord) -> None:
    """The types of an upload are its uploader's from now on, whatever becomes of it: there may be objects of them."""
    for name in record.types():
        connection.execute(delete(claims).where(claims.c.type == name))
        connection.execute(insert(claims).values(type=name, upload=record.name, uploader=record.uploader))


def _changed(connection: Connection) -> None:
    set_value(connection, REVISION, str(revision(connection) + 1))


def _drop_unused(connection: Connection, before: float) -> None:
    used = {version.digest for record in all_uploads(connection)[1] for version in record.versions}
    old = connection.execute(select(modules.c.digest).where(modules.c.added < before)).scalars()
    for digest in set(old) - used:
        connection.execute(delete(modules).where(modules.c.digest == digest))
