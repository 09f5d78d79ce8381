"""What the processes of a cluster are given when they are started, and where on a machine's disk they live."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ssms.on_ray.serving import Served


@dataclass(frozen=True)
class CopyHome:
    """One copy of a store. node: the machine's name; store: identity, 16 bytes; folder: where its data is;
    min_in_sync: as in the plan.
    """

    node: str
    store: bytes
    copy: str
    folder: str
    min_in_sync: int = 1


@dataclass(frozen=True)
class Plan:
    """A cluster as it was asked for. root: the folder of its data, the same path on each machine.

    replicas: copies of each store in all; hosts_per_node: stores that each machine leads at first; catalog: URL of the
    SQL database, "" for SQLite beside the coordinator's own store; token: what deployers have to show, if anything;
    environment: of all processes of the cluster. auto_join: machines that join the Ray cluster take their share.
    min_in_sync: copies that must hold what is acknowledged.
    """

    root: str
    replicas: int = 2
    hosts_per_node: int = 1
    catalog: str = ""
    token: str = ""
    environment: tuple[tuple[str, str], ...] = ()
    auto_join: bool = True
    min_in_sync: int = 1


@dataclass(frozen=True)
class CoordinatorHome:
    """The coordinator. folder: of its own store and of the catalog, on the head node's disk."""

    folder: str
    plan: Plan
    roles: Roles


@dataclass(frozen=True)
class Roles:
    """Which servers the processes run: functions of a module that every machine can import, as Ray names them."""

    copy: Callable[[CopyHome], Served]
    coordinator: Callable[[CoordinatorHome], Served]


def node_folder(root: str, node: str) -> Path:
    """Everything that one machine holds. Several nodes of one machine have a folder each."""
    return Path(root) / node


def copy_folder(root: str, node: str, copy: str) -> Path:
    """The data of one copy."""
    return node_folder(root, node) / "copies" / copy


def coordinator_folder(root: str, node: str) -> Path:
    """What the coordinator keeps."""
    return node_folder(root, node) / "coordinator"
