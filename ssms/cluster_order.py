"""What a cluster on this machine is to be like, as the process that keeps it is told."""

from __future__ import annotations

import msgspec

REAL_ROLES = "ssms.on_ray.roles:ROLES"
"""The servers that the processes of a cluster run, as Ray finds them on each machine."""


class ClusterOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster on this machine. root: folder of its data, "" for one that is deleted in the end; stays: it does not
    end with whoever started it; cpus: of each node, for its users' tasks and actors; token: deployers have to show it;
    auto_join: machines that join its Ray cluster later take their share by themselves.
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
