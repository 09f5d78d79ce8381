"""What a cluster on this machine is to be like, as the process that keeps it is told."""

from __future__ import annotations

import msgspec

from automata.errors import InvalidArgument

REAL_ROLES = "ssms.on_ray.roles:ROLES"
"""The servers that the processes of a cluster run, as Ray finds them on each machine."""


class ClusterOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster on this machine. root: folder of its data, "" for one that is deleted in the end; stays: it does not
    end with whoever started it; cpus: of each node, for its users' tasks and actors; token: deployers have to show it;
    auto_join: machines that join its Ray cluster later take their share by themselves. min_in_sync: copies that must
    hold what is acknowledged.
    """

    nodes: int = 3
    replicas: int = 2
    hosts_per_node: int = 1
    root: str = ""
    roles: str = REAL_ROLES
    catalog: str = ""
    cpus: int = 2
    dashboard: bool = False
    stays: bool = False
    token: str = ""
    auto_join: bool = True
    min_in_sync: int = 1

    def check(self) -> None:
        """Raise InvalidArgument for what can never be."""
        if min(self.nodes, self.replicas, self.hosts_per_node, self.min_in_sync) < 1:
            raise InvalidArgument("a cluster has at least one node, one copy of each store and one host on each node")
        if self.min_in_sync > self.replicas:
            raise InvalidArgument(
                f"no store of {self.replicas} copies is ever held by {self.min_in_sync}: take more replicas, or a "
                "lower min_in_sync"
            )
