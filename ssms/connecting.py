"""`ssms.connect()`: an app on a running cluster."""

from __future__ import annotations

import asyncio

from ssms.cluster_app import ClusterApp
from ssms.peers import Peers
from ssms.ray_room import ray_room


def connect(address: str = "auto", *, token: str = "") -> ClusterApp:
    """An app on a running cluster, used as the one of `ssms.open`: with `async with`, or `with` in synchronous code.

    address: of its Ray cluster; "auto": the one that this Ray job or this machine runs in. token: what `ssms up` was
    given, if anything: needed to deploy. Raises InvalidArgument on entry if there is no such cluster.
    """

    async def dial(loop: asyncio.AbstractEventLoop) -> Peers:  # the app has its loop; Ray has none
        return await asyncio.to_thread(_peers, address)

    return ClusterApp(dial, token)


def _peers(address: str) -> Peers:
    ray_room("connection").attach(address)
    peers: Peers = ray_room("peers").RayPeers()
    return peers
