"""Each test of the catalog runs on SQLite and on PostgreSQL."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy

from ssms.catalog import Catalog
from tests import postgres

Open = Callable[[], Catalog]


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    with postgres.server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database that is empty."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/catalog.db"
        return
    shared = request.getfixturevalue("postgres_url")
    yield shared
    engine = sqlalchemy.create_engine(shared)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("DROP SCHEMA public CASCADE"))
        connection.execute(sqlalchemy.text("CREATE SCHEMA public"))
    engine.dispose()


@pytest.fixture
def open_catalog(url: str) -> Iterator[Open]:
    """Opens further connections to the one catalog."""
    opened = []

    def open_one() -> Catalog:
        opened.append(Catalog(url, "c1"))
        return opened[-1]

    yield open_one
    for catalog in opened:
        catalog.close()


@pytest.fixture
def catalog(open_catalog: Open) -> Catalog:
    return open_catalog()
