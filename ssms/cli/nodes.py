"""`ssms join`, `drain` and `drop`: machines of a cluster."""

from typing import Annotated

import typer

from ssms.cli.cluster_options import ClusterOption
from ssms.cli.options import JsonOption
from ssms.cli.output import out, print_json, reported
from ssms.connecting import connect

NodeArgument = Annotated[str, typer.Argument(metavar="NODE", help="As `ssms status` names it.")]


def join(node: NodeArgument, address: ClusterOption = "auto", json: JsonOption = False) -> None:
    """Let a node take its share: one that was dropped, or any, if the cluster was started with --no-join.

    It gets stores of its own or copies of others at once, and slots in the background.

    Example: ssms join n4
    """
    _tell("join_node", node, "joins", address, json)


def drain(node: NodeArgument, address: ClusterOption = "auto", json: JsonOption = False) -> None:
    """Empty a node, and wait until it is: its copies are made elsewhere first. Its machine can be switched off then.

    It waits for ever where no other node is left to take them. The node joins again by `ssms join` alone.

    Example: ssms drain n2
    """
    _tell("drain", node, "is empty", address, json)


def drop(node: NodeArgument, address: ClusterOption = "auto", json: JsonOption = False) -> None:
    """The same without waiting; also for a node that is lost for good.

    Example: ssms drop n3
    """
    _tell("drop_node", node, "leaves", address, json)


def _tell(what: str, node: str, done: str, address: str, json: bool) -> None:
    with reported(json), connect(address) as app:
        app.run(getattr(app, what)(node))
    if json:
        print_json({"node": node, "done": what})
    else:
        out().print(f"{node} {done}", markup=False, highlight=False)
