"""What Ray's control store (GCS) knows of nodes and actors. All calls block for a few ms.

Ray has no public call for the state of one actor that works without its dashboard: the private one is used here alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ray
from ray._private.state import actors
from ray.actor import ActorHandle

from ssms.on_ray.names import NAMESPACE, NODE_LABEL

_HEAD = "node:__internal_head__"  # a resource that Ray gives to the head node alone


@dataclass(frozen=True)
class RayNode:
    """One run of Ray on a machine. name: of the machine and its disk, the same when Ray is started there again."""

    id: str
    name: str
    alive: bool
    is_head: bool


@dataclass(frozen=True)
class ActorRow:
    """An actor as the control store has it. state: ALIVE, RESTARTING, DEAD...; node: Ray's id of the node that its
    last process was on; pid: of that process.
    """

    state: str
    node: str
    pid: int


def ray_nodes() -> list[RayNode]:
    """All nodes that the control store remembers, dead ones too: a machine may appear several times."""
    rows = ray.nodes()  # type: ignore[no-untyped-call]
    return [RayNode(row["NodeID"], _name(row), bool(row["Alive"]), _HEAD in row["Resources"]) for row in rows]


def find_actor(name: str) -> ActorHandle[Any] | None:
    """The actor of this name, if there is one; one that is being restarted is one."""
    try:
        return ray.get_actor(name, namespace=NAMESPACE)
    except ValueError:
        return None


def actor_row(actor: ActorHandle[Any]) -> ActorRow:
    """What is known of an actor now."""
    row = actors(actor._actor_id.hex())  # noqa: SLF001 - Ray gives the id of another's handle no public name
    return ActorRow(row["State"], row["Address"]["NodeID"], int(row["Pid"]))


def actor_names() -> list[str]:
    """The names of all actors of the cluster, the coordinator among them."""
    return sorted(
        row["name"] for row in ray.util.list_named_actors(all_namespaces=True) if row["namespace"] == NAMESPACE
    )


def _name(row: dict[str, object]) -> str:
    labels = row.get("Labels") or {}
    assert isinstance(labels, dict)
    return str(labels.get(NODE_LABEL) or row["NodeManagerAddress"])
