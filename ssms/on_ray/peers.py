"""Peers as Ray actors: a call to a process of the cluster is one call of its actor, and nothing beside."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import ray
from ray.exceptions import ActorDiedError, RayError, RayTaskError

from ssms.on_ray.names import COORDINATOR, NAMESPACE
from ssms.on_ray.raised import Raised
from ssms.peers import Unreachable


class RayPeer:
    """One named actor. Its handle stays good when Ray restarts it, and is looked up anew when it has died for good."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._serve: Callable[..., Awaitable[Any]] | None = None

    async def call(self, what: str, *args: Any) -> Any:
        """Ask it, as ssms.peers.Peer says. While it is restarted, calls raise Unreachable after about 50 ms."""
        serve = self._serve
        try:
            if serve is None:
                serve = await asyncio.to_thread(self._look_up)
            answer = await serve(what, *args)
        except RayTaskError:
            raise  # it has answered, and the answer could not be sent: a fault in the code, which a retry repeats
        except RayError as error:
            if isinstance(error, ActorDiedError):
                self._serve = None
            raise Unreachable(f"{self._name} does not answer: {error}") from error
        if type(answer) is Raised:
            answer.throw()
        return answer

    def _look_up(self) -> Callable[..., Awaitable[Any]]:
        if not ray.is_initialized():  # get_actor would start a cluster of its own
            raise Unreachable(f"this process is not connected to Ray, so that {self._name} cannot be asked")
        try:
            actor = ray.get_actor(self._name, namespace=NAMESPACE)
        except ValueError as error:
            raise Unreachable(f"there is no process {self._name} now") from error
        self._serve = actor.serve.remote
        return actor.serve.remote


class RayPeers:
    """All processes of the cluster that this process is connected to (ssms.peers.Peers)."""

    def __init__(self) -> None:
        self._coordinator = RayPeer(COORDINATOR)
        self._copies: dict[str, RayPeer] = {}

    @property
    def coordinator(self) -> RayPeer:
        """Who keeps the catalog."""
        return self._coordinator

    def copy(self, name: str) -> RayPeer:
        """The process that holds this copy of a store."""
        peer = self._copies.get(name)
        if peer is None:
            peer = self._copies[name] = RayPeer(name)
        return peer
