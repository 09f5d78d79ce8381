"""`ssms up`: a cluster, on this machine or on a running Ray cluster."""

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

import typer

from automata.errors import InvalidArgument
from ssms.cli.cluster_options import AddressOption, PathOption
from ssms.cli.options import JsonOption, TokenOption, takes_from
from ssms.cli.output import err, out, print_json, reported
from ssms.cluster_order import ClusterOrder
from ssms.ray_room import ray_room
from ssms.running_cluster import begin

NodesOption = Annotated[int, typer.Option("--nodes", min=1, help="Ray nodes to start on this machine.")]
ReplicasOption = Annotated[int, typer.Option("--replicas", min=1, help="Copies of each store in all.")]
HostsOption = Annotated[
    int,
    typer.Option("--hosts", min=0, help="Stores that each node leads; 0: one a core."),
]
InSyncOption = Annotated[
    int,
    typer.Option(
        "--min-in-sync",
        min=1,
        help="Copies that must hold what is acknowledged. 1: a store goes on with what is left of its copies.",
    ),
]
CatalogOption = Annotated[
    str, typer.Option("--catalog", metavar="URL", help="SQL database of the catalog; SQLite on the head by default.")
]
JoinOption = Annotated[
    bool, typer.Option("--join/--no-join", help="Ray nodes that come later take their share by themselves.")
]


@dataclass(frozen=True)
class Wanted:
    """The cluster that is asked for."""

    nodes: NodesOption = 1
    replicas: ReplicasOption = 1
    hosts: HostsOption = 0
    path: PathOption = Path("cluster")
    catalog: CatalogOption = ""
    token: TokenOption = ""
    join: JoinOption = True
    min_in_sync: InSyncOption = 1


@takes_from(Wanted, "wanted", *(field.name for field in fields(Wanted)))
def up(*, wanted: Wanted, address: AddressOption = "", json: JsonOption = False) -> None:
    """Start a cluster, and leave it running: on this machine, or on a Ray cluster that runs already (--address).

    With --address it has the nodes of that Ray cluster, and keeps its data in --path on each of them.

    Example: ssms up --nodes 3 --replicas 2 --path ./data

    Example: ssms up --address auto --replicas 3 --path /var/lib/ssms
    """
    order = ClusterOrder(
        nodes=wanted.nodes,
        replicas=wanted.replicas,
        hosts_per_node=wanted.hosts or max(1, (os.cpu_count() or 1) // (1 if address else wanted.nodes)),
        root=str(wanted.path.absolute()),
        catalog=wanted.catalog,
        token=wanted.token,
        auto_join=wanted.join,
        min_in_sync=wanted.min_in_sync,
        dashboard=True,
        stays=True,
    )
    with reported(json):
        order.check()
        if address:
            _install(address, order)
            result: dict[str, object] = {"address": address}
        else:
            if order.replicas > order.nodes:
                raise InvalidArgument(
                    f"{order.replicas} copies of a store need as many nodes: --nodes {order.replicas}"
                )
            running = begin(order)
            result = {"address": running.address, "dashboard": running.dashboard, "nodes": running.nodes}
    if json:
        print_json(result)
        return
    out().print(f"up at {result['address']}", markup=False, highlight=False)
    err().print(warning(wanted), end="")
    if result.get("dashboard"):
        err().print(f"jobs: RAY_AUTH_MODE=token ray job submit --address {result['dashboard']} ...", markup=False)
    err().print(f"connect with ssms.connect(), take it down with: ssms down --path {wanted.path}", markup=False)


def warning(wanted: Wanted) -> str:
    """What whoever starts such a cluster should know; "" if nothing."""
    if wanted.nodes == 1 or wanted.replicas > 1:
        return ""
    return "each store has one copy: the loss of a node loses what it holds. Use --replicas 2 or more\n"


def _install(address: str, order: ClusterOrder) -> None:
    ray_room("connection").attach(address, working_folder="/")
    ray_room("installing").install_order(order)
