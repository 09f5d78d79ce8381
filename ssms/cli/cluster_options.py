"""The options of commands that speak to a cluster."""

from pathlib import Path
from typing import Annotated

import typer

PathOption = Annotated[Path, typer.Option("--path", metavar="DIR", help="Folder of the cluster's data.")]
AddressOption = Annotated[
    str, typer.Option("--address", metavar="ADDR", help="A running Ray cluster: auto, or HOST:PORT of its head.")
]
ClusterOption = Annotated[
    str, typer.Option("--address", metavar="ADDR", help="The Ray cluster: auto (this machine's), or HOST:PORT.")
]
