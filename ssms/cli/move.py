"""`ssms move TYPE/KEY NODE`: live migration by hand."""

from typing import Annotated

import typer

from automata.refs import ref
from ssms.cli.cluster_options import ClusterOption
from ssms.cli.options import AddressArgument, JsonOption
from ssms.cli.output import out, print_json, reported
from ssms.connecting import connect

NodeArgument = Annotated[str, typer.Argument(metavar="NODE", help="Where to, as `ssms status` names it.")]


def move(
    object: AddressArgument, node: NodeArgument, cluster: ClusterOption = "auto", json: JsonOption = False
) -> None:
    """Move an object to another node, with everything it holds (SSMS §4.2). Its callers wait a moment; nothing is lost.

    An object that was never written to moves too: it will be there when it is.

    Example: ssms move User/alice n2
    """
    with reported(json, define="ssms deploy FILE"), connect(cluster) as app:
        app.run(app.move(ref(object.type_name, object.key), node))
    if json:
        print_json({"moved": str(object), "node": node})
    else:
        out().print(f"{object} lives on {node}", markup=False, highlight=False)
