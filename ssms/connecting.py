"""`ssms.connect()`: an app on a running cluster."""

from __future__ import annotations

import asyncio
import os

from ssms.cluster_app import ClusterApp, Reads
from ssms.peers import Peers
from ssms.ray_room import ray_room

TOKEN_FROM = "SSMS_TOKEN"  # noqa: S105 - the name of a variable


def connect(
    address: str = "auto", *, token: str | None = None, deploy: bool = True, reads: Reads = "primary"
) -> ClusterApp:
    """An app on a running cluster, used as the one of `ssms.open`: with `async with`, or `with` in synchronous code.

    address: of its Ray cluster; "auto": the one that this Ray job or this machine runs in. token: what `ssms up` was
    given, if anything: needed to deploy; None: what SSMS_TOKEN in the environment says. deploy: when a type is first
    used that the cluster does not know, it is deployed, and with it the other types that this program's own modules
    declare; a class that has changed goes there by `app.deploy` alone. reads: "any" spreads readonly methods over all
    in-sync copies of each store, still linearizably: it relieves primaries on busy machines, and a read just after a
    write may take longer. Raises InvalidArgument on entry if there is no such cluster.
    """

    async def dial(loop: asyncio.AbstractEventLoop) -> Peers:  # the app has its loop; Ray has none
        return await asyncio.to_thread(_peers, address)

    app = ClusterApp(dial, os.environ.get(TOKEN_FROM, "") if token is None else token, deploy)
    app.spread_reads(reads)
    return app


def _peers(address: str) -> Peers:
    ray_room("connection").attach(address)
    peers: Peers = ray_room("peers").RayPeers()
    return peers
