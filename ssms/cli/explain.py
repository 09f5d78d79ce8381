"""`ssms explain TYPE/KEY`: where on a cluster an object lives."""

from automata.refs import ref
from ssms.cli.cluster_options import ClusterOption
from ssms.cli.options import AddressArgument, JsonOption
from ssms.cli.output import out, print_json, reported
from ssms.connecting import connect


def explain(target: AddressArgument, address: ClusterOption = "auto", json: JsonOption = False) -> None:
    """Say on which node of a cluster an object lives, or will live once it is written to, and why.

    Example: ssms explain User/alice
    """
    with reported(json, define="ssms deploy FILE"), connect(address) as app:
        found = app.run(app.explain(ref(target.type_name, target.key)))
    if json:
        print_json(vars(found))
    else:
        out().print(f"{found.node}: {found.reason}", markup=False, highlight=False, soft_wrap=True)
