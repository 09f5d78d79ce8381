"""`ssms.local_cluster()`: a cluster on this machine."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ssms.cluster_order import ClusterOrder
from ssms.ray_room import ray_room

if TYPE_CHECKING:
    from ssms.on_ray.local_cluster import LocalCluster


def local_cluster(
    nodes: int = 3,
    replicas: int = 2,
    *,
    hosts_per_node: int = 1,
    path: str | os.PathLike[str] | None = None,
    min_in_sync: int = 1,
) -> LocalCluster:
    """A real Ray cluster of several nodes on this machine: `with ssms.local_cluster() as cluster:`.

    replicas: copies of each store in all; hosts_per_node: stores that each node leads. path: a folder for its data,
    which then stays: the same cluster starts again there. Without it, data is deleted in the end. min_in_sync: copies
    that must hold what is acknowledged; with 1, a store goes on with what is left of its copies.

    Raises InvalidArgument.
    """
    root = "" if path is None else os.path.abspath(path)  # noqa: PTH100 - also of what is not there yet
    order = ClusterOrder(
        nodes=nodes, replicas=replicas, hosts_per_node=hosts_per_node, root=root, min_in_sync=min_in_sync
    )
    order.check()
    cluster: LocalCluster = ray_room("local_cluster").LocalCluster(order)
    return cluster
