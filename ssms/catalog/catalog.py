"""The catalog of one cluster: types and their code, machines and stores, placements (SSMS §3.3).

What can be read and changed are functions of the modules beside this one. Each runs in one transaction:

    catalog.read(stores.all_copies)
    catalog.write(stores.member_change, identity, epoch, copy, False)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection

from ssms.catalog.database import Database
from ssms.catalog.rows import ClusterState
from ssms.catalog.versions import CLUSTER, PLACEMENT, STATE

P = ParamSpec("P")
T = TypeVar("T")


class Catalog:
    """One cluster's catalog, from any thread; several processes may hold it open. url: see `Database`.

    cluster: the id that a new catalog gets. Opening raises InvalidArgument, NewerCatalog and CatalogAway.
    """

    def __init__(self, url: str, cluster: str) -> None:
        self._database = Database(url)
        try:
            self._database.open({CLUSTER: cluster, PLACEMENT: "0", STATE: ClusterState.NEW.value})
        except BaseException:
            self._database.close()
            raise

    @property
    def where(self) -> str:
        """The database's URL, without its password."""
        return self._database.where

    def read(self, look: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `look` finds, in one state of all tables. Raises CatalogAway, and what `look` raises."""
        with self._database.read() as connection:
            return look(connection, *args, **kwargs)

    def write(self, change: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Make one change, alone among all who write. Raises CatalogAway, and what `change` raises, which undoes it.

        After CatalogAway the change may have been made: it can be made again, and finds out.
        """
        with self._database.write() as connection:
            return change(connection, *args, **kwargs)

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()
