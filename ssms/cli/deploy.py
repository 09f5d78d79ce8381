"""`ssms deploy FILE`: the types of a file, for a cluster."""

from pathlib import Path
from typing import Annotated

import typer

from automata.errors import InvalidArgument
from automata.types import REGISTRY
from ssms.cli.app_file import load_types
from ssms.cli.cluster_options import ClusterOption
from ssms.cli.options import JsonOption, TokenOption
from ssms.cli.output import out, print_json, reported
from ssms.connecting import connect

FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, readable=True, help="Python file with the types.")
]


def deploy(
    file: FileArgument, address: ClusterOption = "auto", token: TokenOption = "", json: JsonOption = False
) -> None:
    """Register the types that a file defines with a cluster, which runs their code from then on.

    The file is imported here: guard its main part with `if __name__ == "__main__":`.

    Example: ssms deploy examples/bank.py
    """
    with reported(json):
        known = set(REGISTRY.names())
        load_types(file)
        names = sorted(set(REGISTRY.names()) - known)
        if not names:
            raise InvalidArgument(f"{file} defines no types: decorate its classes with @object_type or @automaton")
        with connect(address, token=token) as app:
            app.run(app.deploy(*(REGISTRY.get(name).cls for name in names)))
    if json:
        print_json({"deployed": names})
    else:
        out().print(f"deployed {', '.join(names)}", markup=False, highlight=False)
