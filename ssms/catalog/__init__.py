"""The catalog: the one state that a cluster has to agree on, in a SQL database (SSMS §3.3)."""

from ssms.catalog.catalog import Catalog
from ssms.catalog.errors import CatalogAway, NewerCatalog, Outrun

__all__ = ["Catalog", "CatalogAway", "NewerCatalog", "Outrun"]
