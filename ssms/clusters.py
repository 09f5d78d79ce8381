"""`ssms.local_cluster()`: a cluster on this machine."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from automata.errors import InvalidArgument
from ssms.cluster_order import ClusterOrder
from ssms.ray_room import ray_room

if TYPE_CHECKING:
    from ssms.on_ray.local_cluster import LocalCluster


def local_cluster(
    nodes: int = 3, replicas: int = 2, *, hosts_per_node: int = 1, path: str | os.PathLike[str] | None = None
) -> LocalCluster:
    """A real Ray cluster of several nodes on this machine: `with ssms.local_cluster() as cluster:`.

    replicas: copies of each store in all; hosts_per_node: stores that each node leads. path: a folder for its data,
    which then stays: the same cluster starts again there. Without it, data is deleted in the end.
    """
    if nodes < 1 or replicas < 1 or hosts_per_node < 1:
        raise InvalidArgument("a cluster has at least one node, one copy of each store and one host on each node")
    root = "" if path is None else os.path.abspath(path)  # noqa: PTH100 - also of what is not there yet
    order = ClusterOrder(nodes=nodes, replicas=replicas, hosts_per_node=hosts_per_node, root=root)
    cluster: LocalCluster = ray_room("local_cluster").LocalCluster(order)
    return cluster
