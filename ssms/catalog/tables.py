"""The tables of the catalog (SSMS §3.3). `docs/CATALOG.md` explains each column.

The schema has a version, in `meta`. A release that changes a table raises SCHEMA_VERSION and says how to come from the
one before: what is new here is made when an older catalog is opened.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

SCHEMA_VERSION = 4
OLDEST_SCHEMA = 2
"""Of those that are brought to the newest when they are opened: 3 added uploads and modules, 4 owners."""

metadata = MetaData()

meta = Table(
    "meta",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
"""Single values: schema, cluster, placement, state, replicas, hosts_per_node."""

types = Table(
    "types",
    metadata,
    Column("name", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("reference", Text, nullable=False),
    Column("code", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
)
"""Automata types and their code, all versions."""

uploads = Table(
    "uploads",
    metadata,
    Column("name", Text, primary_key=True),
    Column("uploader", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("record", LargeBinary, nullable=False),
)
"""Uploaded modules, as the sandbox of each host runs them."""

owners = Table(
    "owners",
    metadata,
    Column("type", Text, primary_key=True),
    Column("upload", Text, nullable=False),
    Column("uploader", Text, nullable=False),
)
"""Whose the types are that uploads have, or had before they were removed."""

modules = Table(
    "modules",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("data", LargeBinary, nullable=False),
    Column("added", Float, nullable=False),
)
"""The bytes of uploaded modules, by their SHA-256."""

nodes = Table(
    "nodes",
    metadata,
    Column("id", Text, primary_key=True),
    Column("number", Integer, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("load", Float, nullable=False),
    Column("state", Text, nullable=False),
)
"""Machines."""

stores = Table(
    "stores",
    metadata,
    Column("identity", LargeBinary, primary_key=True),
    Column("number", Integer, nullable=False, unique=True),
    Column("name", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("load", Float, nullable=False),
    Column("replicas", Integer, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("leader", Text, nullable=False),
    Column("backups", Text, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("changes", BigInteger, nullable=False),
    Column("led", Boolean, nullable=False),
)
"""Logical stores, and who leads them. `primary` is a word of SQL, hence `leader`."""

copies = Table(
    "copies",
    metadata,
    Column("name", Text, primary_key=True),
    Column("store", LargeBinary, ForeignKey("stores.identity"), nullable=False),
    Column("node", Text, ForeignKey("nodes.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("load", Float, nullable=False),
    Column("state", Text, nullable=False),
    Column("pid", BigInteger, nullable=False),
    Column("told", BigInteger, nullable=False),
    UniqueConstraint("store", "node"),
)
"""Copies of stores: one process and one directory each."""

slots = Table(
    "slots",
    metadata,
    Column("slot", Integer, primary_key=True, autoincrement=False),
    Column("store", LargeBinary, ForeignKey("stores.identity"), nullable=False),
)
"""Which store has each of the 4,096 slots."""

placed = Table(
    "placed",
    metadata,
    Column("partition", LargeBinary, primary_key=True),
    Column("type", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("store", LargeBinary, ForeignKey("stores.identity"), nullable=False),
)
"""Automata that live elsewhere than where their slot is."""
