"""Machines over Ray: each copy of a store is a detached actor, pinned to the node that has its folder."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import ray
from ray.actor import ActorHandle
from ray.exceptions import GetTimeoutError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from ssms.coordinator.machines import Machine, MachineFailed
from ssms.on_ray.actors import StoreCopy, launch
from ssms.on_ray.control_store import RayNode, actor_row, find_actor, ray_nodes
from ssms.on_ray.homes import CopyHome, Plan, Roles, copy_folder

STOP_SECONDS_MAX = 5.0
"""How long a copy may take to close before its process is killed, which loses nothing."""

WIPE_SECONDS_MAX = 60.0

T = TypeVar("T")


class RayMachines:
    """The nodes of the Ray cluster that this process is connected to (ssms.coordinator.machines.Machines)."""

    def __init__(self, plan: Plan, roles: Roles) -> None:
        self._plan = plan
        self._roles = roles
        self._actors: dict[str, ActorHandle[Any]] = {}

    async def nodes(self) -> list[Machine]:
        """One entry a machine: it is alive if any run of Ray on it is."""
        found: dict[str, Machine] = {}
        for node in await _asked(ray_nodes):
            known = found.get(node.name)
            if known is None or not known.alive:
                found[node.name] = Machine(node.name, node.alive, node.is_head)
        return list(found.values())

    async def start_copy(self, node: str, store: bytes, copy: str) -> None:
        """Start the actor of a copy, unless there is one. Raises MachineFailed."""
        plan = self._plan
        home = CopyHome(node, store, copy, str(copy_folder(plan.root, node, copy)), plan.min_in_sync)
        run = await _asked(partial(_run_of, node))
        make = partial(self._roles.copy, home)
        self._actors[copy] = await _asked(partial(launch, StoreCopy, copy, run.id, make, dict(plan.environment)))

    async def stop_copy(self, copy: str) -> None:
        """End the actor of a copy for good, closed if that is quickly done. Raises MachineFailed."""
        actor = await _asked(partial(find_actor, copy))
        self._actors.pop(copy, None)
        if actor is not None:
            await end(actor)

    async def wipe_copy(self, node: str, store: bytes, copy: str) -> None:
        """Delete the folder of a copy, on the machine that has it. Raises MachineFailed."""
        run = await _asked(partial(_run_of, node))
        pinned = NodeAffinitySchedulingStrategy(run.id, soft=False)
        task = ray.remote(wipe).options(num_cpus=0, max_retries=0, scheduling_strategy=pinned)
        try:
            async with asyncio.timeout(WIPE_SECONDS_MAX):
                await task.remote(str(copy_folder(self._plan.root, node, copy)))
        except (RayError, TimeoutError) as error:
            raise MachineFailed(f"copy {copy} was not deleted from {node}: {error}") from error

    async def is_dead(self, copy: str) -> bool:
        """Whether a living node has told Ray that the last process of this copy ended.

        A node that Ray has given up is no witness: its processes may run on, cut off from the rest.
        """
        return await _asked(partial(self._is_dead, copy))

    def _is_dead(self, copy: str) -> bool:
        actor = self._actors.get(copy) or find_actor(copy)
        if actor is None:
            return False
        self._actors[copy] = actor
        row = actor_row(actor)
        return row.state == "RESTARTING" and any(node.id == row.node and node.alive for node in ray_nodes())


async def end(actor: ActorHandle[Any]) -> None:
    """Close what an actor runs, if that is quickly done, and end it for good. Does nothing if it has ended."""
    try:
        async with asyncio.timeout(STOP_SECONDS_MAX):
            await actor.stop.remote()
    except (RayError, TimeoutError):
        pass  # it is killed now, which loses nothing that was acknowledged
    await _asked(partial(ray.kill, actor, no_restart=True))


def wipe(folder: str) -> None:
    """Delete a folder, if there is one, so that no crash in the middle leaves half of it under its name."""
    path = Path(folder)
    gone = path.with_name(f".{path.name}.deleted")
    shutil.rmtree(gone, ignore_errors=True)
    if path.exists():
        path.rename(gone)
        shutil.rmtree(gone)


def _run_of(node: str) -> RayNode:
    """The run of Ray that a machine has now."""
    for run in ray_nodes():
        if run.name == node and run.alive:
            return run
    raise MachineFailed(f"Ray does not run on node {node} now")


async def _asked(question: Callable[[], T]) -> T:
    """Ask Ray without keeping the loop; what it cannot do is MachineFailed."""
    try:
        return await asyncio.to_thread(question)
    except (RayError, GetTimeoutError, RuntimeError, ValueError) as error:
        raise MachineFailed(f"Ray could not do it: {error}") from error
