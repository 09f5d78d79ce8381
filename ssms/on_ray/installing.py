"""Putting a cluster onto the Ray cluster that this process is connected to, and taking it off."""

from __future__ import annotations

import asyncio
import pkgutil
import time
from functools import partial

from darq.errors import AutomataError
from ssms.cluster_order import ClusterOrder
from ssms.on_ray.actors import Coordinator, launch
from ssms.on_ray.control_store import RayNode, actor_names, find_actor, ray_nodes
from ssms.on_ray.failure_detection import CALLER_ENVIRONMENT
from ssms.on_ray.homes import CoordinatorHome, Plan, Roles, coordinator_folder
from ssms.on_ray.machines import end
from ssms.on_ray.names import COORDINATOR
from ssms.on_ray.peers import RayPeer, RayPeers
from ssms.on_ray.serving import Served
from ssms.peers import NotStanding, Unreachable
from ssms.placement import Placement

ANSWER_SECONDS_MAX = 60.0
STARTS_SECONDS_MAX = 5.0
"""A coordinator that cannot start is started again for so long: what is in its way may be the one before it."""
_AGAIN_SECONDS = 0.1


class NotInstalled(AutomataError):
    """The coordinator was started and does not answer: read its log in Ray's session folder (`worker-*.err`)."""


def install(plan: Plan, roles: Roles) -> None:
    """Start the coordinator on the head node, unless it runs, and wait until it answers. It starts all else.

    Raises NotInstalled.
    """
    head = next(node for node in ray_nodes() if node.is_head and node.alive)
    launch(Coordinator, COORDINATOR, head.id, _coordinator(plan, roles, head), dict(plan.environment))
    asyncio.run(_begun(plan))


def plan_of(order: ClusterOrder, root: str, environment: tuple[tuple[str, str], ...] = ()) -> Plan:
    """What the processes of an ordered cluster are given. root: the folder of its data."""
    return Plan(
        root,
        order.replicas,
        order.hosts_per_node,
        order.catalog,
        order.token,
        environment,
        order.auto_join,
        order.min_in_sync,
    )


def install_order(order: ClusterOrder) -> None:
    """The same for an order of `ssms up --address`: on a Ray cluster that others have started, with their settings."""
    environment = tuple(CALLER_ENVIRONMENT.items())
    plan = plan_of(order, order.root, environment)
    roles = pkgutil.resolve_name(order.roles)
    assert isinstance(roles, Roles)
    install(plan, roles)


def uninstall() -> int:
    """End the coordinator and all copies, closed properly where that is quickly done; the data stays.

    The number of processes that were there.
    """
    names = sorted(actor_names(), key=lambda name: name != COORDINATOR)  # first whoever would start the others anew
    asyncio.run(_ended(names))
    return len(names)


def _coordinator(plan: Plan, roles: Roles, head: RayNode) -> partial[Served]:
    return partial(roles.coordinator, CoordinatorHome(str(coordinator_folder(plan.root, head.name)), plan, roles))


async def _ended(names: list[str]) -> None:
    try:
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            await RayPeers().coordinator.call("stop")
    except (Unreachable, TimeoutError):
        pass  # its workflow is finished when it is started again; what there is now is ended all the same
    for name in names:
        actor = find_actor(name)
        if actor is not None:
            await end(actor)


async def _begun(plan: Plan) -> None:
    coordinator = RayPeers().coordinator
    begun = time.monotonic()
    last = begun + ANSWER_SECONDS_MAX
    while True:
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                await coordinator.call("start", plan.replicas, plan.hosts_per_node)
        except NotStanding as error:
            if time.monotonic() > begun + STARTS_SECONDS_MAX:
                raise NotInstalled(f"the coordinator cannot start: {error}") from error
            await asyncio.sleep(_AGAIN_SECONDS)
        except (Unreachable, TimeoutError) as error:
            if time.monotonic() > last:
                raise NotInstalled(f"the coordinator does not answer: {error}") from error
            await asyncio.sleep(_AGAIN_SECONDS)
        else:
            break
    while not await _led(coordinator):
        if time.monotonic() > last:
            raise NotInstalled("the coordinator stands, and some store is not led yet: `ssms status` shows which")
        await asyncio.sleep(_AGAIN_SECONDS)


async def _led(coordinator: RayPeer) -> bool:
    """Whether there are stores, and all are led: calls find somebody."""
    try:
        data = await coordinator.call("placement", 0)
    except Unreachable:
        return False
    stores = () if data is None else Placement.decode(data).stores
    return bool(stores) and all(store.primary for store in stores)
