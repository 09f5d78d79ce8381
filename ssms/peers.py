"""How the parts of a cluster reach each other: calls by name to a copy of a store, or to the coordinator.

On Ray a peer is an actor (`ssms/on_ray`); in tests it is an object of the same process behind a faulty network.
"""

from __future__ import annotations

from typing import Any, Protocol


class Unreachable(ConnectionError):
    """A peer gave no answer: whether it has done what it was asked is unknown. Ask again, under the same request id."""


class NotStanding(Unreachable):
    """The peer's process cannot start what it is for, and says why. It ends and is started anew, to try again."""


class Peer(Protocol):
    """One process of the cluster."""

    async def call(self, what: str, *args: Any) -> Any:
        """Ask it to do something, and give its answer.

        Raises Unreachable when the answer is not to be had, and whatever AutomataError the peer raised.
        """


class Peers(Protocol):
    """All processes of one cluster, by name."""

    @property
    def coordinator(self) -> Peer:
        """Who keeps the catalog."""

    def copy(self, name: str) -> Peer:
        """The process that holds this copy of a store."""
