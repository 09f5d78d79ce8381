"""`ssms down`: the end of a cluster."""

from pathlib import Path

from ssms.cli.cluster_options import AddressOption, PathOption
from ssms.cli.options import JsonOption
from ssms.cli.output import out, print_json, reported
from ssms.ray_room import ray_room
from ssms.running_cluster import end


def down(path: PathOption = Path("cluster"), address: AddressOption = "", json: JsonOption = False) -> None:
    """End a cluster. Its data stays, and `ssms up` over the same folder goes on with it.

    With --address its processes leave that Ray cluster, which goes on without them.

    Example: ssms down --path ./data
    """
    with reported(json):
        if address:
            ray_room("connection").attach(address)
            result: dict[str, object] = {"address": address, "processes": ray_room("installing").uninstall()}
        else:
            result = {"address": end(path.absolute()).address}
    if json:
        print_json(result)
    else:
        out().print(f"down: {result['address']}", markup=False, highlight=False)
