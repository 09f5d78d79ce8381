"""`ssms status`: the machines, stores and copies of a cluster."""

import asyncio
from typing import Any

from ssms.cli.cluster_options import ClusterOption
from ssms.cli.options import JsonOption
from ssms.cli.output import fail, out, print_json, print_table, reported
from ssms.peers import Unreachable
from ssms.ray_room import ray_room

SECONDS_MAX = 10.0


def status(address: ClusterOption = "auto", json: JsonOption = False) -> None:
    """Show the nodes of a cluster, who leads which store, the state of every copy, and the deployed types.

    Example: ssms status
    """
    with reported(json):
        ray_room("connection").attach(address)
        try:
            found = asyncio.run(_asked())
        except (Unreachable, TimeoutError) as error:
            fail("Unreachable", f"the coordinator does not answer; it is restarted if it has died: {error}", json)
    if json:
        print_json(found)
        return
    out().print(f"{found['state']}, catalog {found['catalog']}", markup=False, highlight=False)
    print_table("nodes", ["node", "state", "alive"], [_row(node, "id", "state", "alive") for node in found["nodes"]])
    rows = [_row(store, "name", "leader", "epoch", "backups", "slots") for store in found["stores"]]
    print_table("stores", ["store", "leader", "epoch", "in sync", "slots"], rows)
    for store in found["stores"]:
        if store["trouble"]:
            out().print(f"store {store['name']}: {store['trouble']}", markup=False, highlight=False)
    rows = [_row(copy, "name", "node", "state", "pid", "suspect") for copy in found["copies"]]
    print_table("copies", ["copy", "node", "state", "pid", "suspect"], rows)
    for copy in found["copies"]:
        if copy["unloadable"]:
            out().print(
                f"copy {copy['name']} cannot load all types: {copy['unloadable']}", markup=False, highlight=False
            )
    for upload in found["uploads"]:
        if upload["trouble"]:
            text = f"upload {upload['name']} cannot be run {upload['trouble']}"
            out().print(text, markup=False, highlight=False)
    rows = [[made["name"], str(made["version"]), made["reference"] or "by value"] for made in found["types"]]
    rows += [
        [name, str(upload["version"]), f"upload {upload['name']}"]
        for upload in found["uploads"]
        for name in upload["types"]
    ]
    print_table("types", ["type", "version", "code"], rows)


async def _asked() -> dict[str, Any]:
    async with asyncio.timeout(SECONDS_MAX):
        found: dict[str, Any] = await ray_room("peers").RayPeers().coordinator.call("status")
        return found


def _row(found: dict[str, Any], *names: str) -> list[str]:
    return [_text(found[name]) for name in names]


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(value) if isinstance(value, tuple | list) else str(value)
