"""The database under a catalog: SQLite in a file, or PostgreSQL by URL; transactions, faults, the schema's version.

Writers are serial: each transaction that changes anything takes the database (SQLite) or the catalog's one lock row
(PostgreSQL) before it reads, so what it compares with cannot change under it. A read sees one state of all tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from darq.errors import InvalidArgument
from ssms.catalog.errors import CatalogAway, NewerCatalog
from ssms.catalog.tables import OLDEST_SCHEMA, SCHEMA_VERSION, meta, metadata

BUSY_SECONDS_MAX = 10.0
CONNECT_SECONDS_MAX = 5
_LOCK_ROW = "placement"


class Database:
    """Connections to one catalog's database, from any thread. url: as SQLAlchemy writes it: `sqlite:///PATH` or
    `postgresql+psycopg://USER:PASSWORD@HOST/NAME`. Raises InvalidArgument for another; connects only when used.
    """

    def __init__(self, url: str) -> None:
        parsed = _checked(url)
        self.where = parsed.render_as_string(hide_password=True)
        self._sqlite = parsed.get_backend_name() == "sqlite"
        try:
            self._engine = _sqlite_engine(parsed) if self._sqlite else _postgres_engine(parsed)
        except ImportError as error:
            raise InvalidArgument(f"a catalog at {self.where} needs its driver: {error}. Install [postgres]") from None

    def open(self, initial: dict[str, str]) -> None:
        """Create what is missing, and check the version. initial: of `meta`, where the catalog is new.

        Raises NewerCatalog, CatalogAway, and InvalidArgument for one of before the first release.
        """
        with self.faults():
            with self._engine.begin() as connection:
                tables = inspect(connection).get_table_names()
            if meta.name not in tables:
                self._create(initial)
            with self._engine.begin() as connection:
                found = connection.scalar(select(meta.c.value).where(meta.c.name == "schema"))
        if found is None:
            raise CatalogAway(f"the database at {self.where} has a table 'meta' that is no catalog's: name another one")
        if int(found) > SCHEMA_VERSION:
            raise NewerCatalog(
                f"the catalog at {self.where} has schema {found}, and this release knows {SCHEMA_VERSION}: "
                "open it with the release that made it, or a later one"
            )
        if int(found) < OLDEST_SCHEMA:
            raise InvalidArgument(
                f"the catalog at {self.where} has schema {found}, which no release has made: begin a new one"
            )
        if int(found) < SCHEMA_VERSION:
            with self.faults():
                self._upgrade()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one state of all tables. Raises CatalogAway."""
        with self.faults(), self._engine.connect() as connection:
            if self._sqlite:
                connection.info["begin"] = "BEGIN"
            else:
                connection = connection.execution_options(isolation_level="REPEATABLE READ")  # noqa: PLW2901
            with connection.begin():
                yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that no other writer runs beside; it is undone by whatever the block raises.

        Raises CatalogAway, also when nobody knows whether the change was made.
        """
        with self.faults(), self._engine.connect() as connection:
            if self._sqlite:
                connection.info["begin"] = "BEGIN IMMEDIATE"
            with connection.begin():
                if not self._sqlite:
                    connection.execute(select(meta.c.value).where(meta.c.name == _LOCK_ROW).with_for_update())
                yield connection

    def close(self) -> None:
        """Let go of all connections."""
        self._engine.dispose()

    @contextmanager
    def faults(self) -> Iterator[None]:
        """Whatever the database raises, as an error of the catalog."""
        try:
            yield
        except SQLAlchemyError as error:
            cause = getattr(error, "orig", None) or error
            raise CatalogAway(f"the catalog's database at {self.where} is away: {cause}") from error

    def _create(self, initial: dict[str, str]) -> None:
        """All tables and the first values in one transaction. One of two who do so at once fails, and tries no more."""
        try:
            with self._engine.connect() as connection:
                connection.info["begin"] = "BEGIN IMMEDIATE"
                with connection.begin():
                    metadata.create_all(connection)
                    found = connection.scalar(select(meta.c.value).where(meta.c.name == "schema"))
                    if found is None:
                        rows = {"schema": str(SCHEMA_VERSION), **initial}
                        connection.execute(meta.insert(), [{"name": n, "value": v} for n, v in rows.items()])
        except SQLAlchemyError:
            with self._engine.begin() as connection:
                if meta.name not in inspect(connection).get_table_names():
                    raise

    def _upgrade(self) -> None:
        """Add the tables that are new. Whoever does so at the same time waits, and finds them."""
        with self.write() as connection:
            metadata.create_all(connection)
            connection.execute(meta.update().where(meta.c.name == "schema").values(value=str(SCHEMA_VERSION)))


def _checked(url: str) -> URL:
    try:
        parsed = make_url(url)
        dialect = parsed.get_dialect().name
    except (ArgumentError, NoSuchModuleError) as error:
        raise InvalidArgument(f"{url!r} is no URL of a database: {error}") from None
    except ImportError as error:
        raise InvalidArgument(f"a catalog at {url!r} needs its driver: {error}. Install the [postgres] extra") from None
    if dialect not in {"sqlite", "postgresql"}:
        raise InvalidArgument(f"a catalog is kept by sqlite or postgresql, not by {dialect}")
    if dialect == "sqlite" and parsed.database in {None, "", ":memory:"}:
        raise InvalidArgument(
            "a catalog in memory would be lost: name a file, as in sqlite:////var/lib/ssms/catalog.db"
        )
    return parsed


def _sqlite_engine(url: URL) -> Engine:
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS_MAX})

    @event.listens_for(engine, "connect")
    def connected(connection: Any, record: object) -> None:
        connection.isolation_level = None  # the driver begins no transactions of its own
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        connection.exec_driver_sql(connection.info.get("begin", "BEGIN"))

    return engine


def _postgres_engine(url: URL) -> Engine:
    return create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": CONNECT_SECONDS_MAX})
