"""The two kinds of actors of a cluster, each a thin shell around a server. Ray shows them by their class names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import ray
from ray.actor import ActorHandle
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from ssms.on_ray.names import NAMESPACE
from ssms.on_ray.serving import Served, Serving

CALLS_MAX = 100_000
"""How many calls of one actor may be open: calls that wait (for a lease, a lock, an end) must not keep others out."""


class ServingActor:
    """An async actor: Ray makes it inside its loop, and restarts its process whenever that ends."""

    def __init__(self, make: Callable[[], Served]) -> None:
        self._serving = Serving(make)

    @ray.method(enable_task_events=False)
    async def serve(self, what: str, *args: Any) -> Any:
        """One call, answered by the server. Ray keeps no record of it: that would cost as much as a few calls in it."""
        return await self._serving.serve(what, args)

    async def stop(self) -> None:
        """Close the server, before the process is ended."""
        await self._serving.stop()


class StoreCopy(ServingActor):
    """Holds one copy of a store."""


class Coordinator(ServingActor):
    """Keeps the catalog."""


def launch(
    kind: type[ServingActor], name: str, node: str, make: Callable[[], Served], environment: dict[str, str]
) -> ActorHandle[Any]:
    """The actor of this name, started on the node unless there is one already.

    It takes no CPUs of Ray's account: a host waits for its disk and its callers most of the time, and a cluster whose
    CPUs are all taken by tasks must go on. No call is repeated by Ray: whoever asks decides that. node: Ray's id.
    """
    options: dict[str, Any] = {"runtime_env": {"env_vars": environment}} if environment else {}
    pinned = NodeAffinitySchedulingStrategy(node, soft=False)
    actor = ray.remote(kind).options(
        name=name,
        namespace=NAMESPACE,
        lifetime="detached",
        get_if_exists=True,
        num_cpus=0,
        max_restarts=-1,
        max_task_retries=0,
        max_concurrency=CALLS_MAX,
        scheduling_strategy=pinned,
        **options,
    )
    return cast("ActorHandle[Any]", actor.remote(make))
