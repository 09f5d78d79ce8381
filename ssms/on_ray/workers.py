"""The workers of one host on Ray: actors with the resources that a type asks for, near the host (SSMS §4.1, §4.4).

A worker is on the host's node where that has the resources, else on another. It is kept for a while when it has nothing
to do, since starting one takes most of a second, and then lets go of its resources: at once if another needs them. It
knows the types as they were when it was started, so that one of an older deployment is not used again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import ActorUnschedulableError, RayActorError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from automata.errors import Overloaded, WorkerDied
from automata.worker import Done, Source, Task, Want, decode_answer, encode
from automata.worker_turn import Surroundings
from darq.errors import StoreClosed
from ssms.on_ray.worker import Worker

IDLE_SECONDS_MAX = 20.0
STARTING_SECONDS_MAX = 30.0
"""How long a method waits for a machine that has room for its worker: longer than others are kept idle."""

_CROWDED_SECONDS = 1.0  # a worker that has not started by then waits for resources, perhaps those of idle ones

_Needs = tuple[float, float, Sequence[bytes]]
_actor: Any = ray.remote(Worker)  # Ray's handles carry no types of what runs behind them


def _no_types() -> Sequence[bytes]:
    return ()


@dataclass(frozen=True)
class WorkerPlaces:
    """Where workers are, and what they know. node_id: the node to prefer, the host's own if None; strictly: no other.

    types: deployed types, encoded, as they are when a worker is started. running_max: workers that work at a time.
    starting_seconds_max: after it a method that finds no worker fails.
    """

    node_id: str | None = None
    strictly: bool = False
    types: Callable[[], Sequence[bytes]] = _no_types
    running_max: int = 64
    starting_seconds_max: float = STARTING_SECONDS_MAX

    def workers(self, surroundings: Surroundings) -> RayWorkers:
        """The workers of one host, as `automata.options.Options.workers` makes them."""
        return RayWorkers(self)


class RayWorkers:
    """Runs each task in an actor of its own, and uses actors again for types that need the same."""

    def __init__(self, places: WorkerPlaces) -> None:
        self._places = places
        self._free: dict[_Needs, list[Any]] = {}
        self._retiring: dict[Any, tuple[_Needs, asyncio.TimerHandle]] = {}  # those that are free
        self._running = asyncio.Semaphore(places.running_max)
        self._closed = False

    async def run(self, task: Task, source: Source) -> Done:
        """Have a free actor run it, or a new one. Raises WorkerDied, and Overloaded if no machine has room for one."""
        async with self._running:
            if self._closed:
                raise StoreClosed("the host is closed: no worker takes a task any more")
            needs = task.num_cpus, task.num_gpus, self._places.types()
            actor = self._take(needs)
            try:
                if actor is None:
                    actor = self._start(needs)
                    await self._started(actor, task)
                answer = decode_answer(await actor.begin.remote(encode(task)))
                while isinstance(answer, Want):
                    answer = decode_answer(await actor.give.remote(encode(source.rows(answer))))
            except (RayActorError, ActorUnschedulableError) as error:
                raise WorkerDied(
                    f"the worker that ran {task.type_name}/{task.key} {task.method} has ended, or its machine was "
                    f"lost: nothing of the method happened ({error})"
                ) from error
            except BaseException:
                if actor is not None:
                    ray.kill(actor)
                raise
            self._keep(needs, actor)
            return answer

    async def close(self) -> None:
        """End all actors. What still ran was cancelled before."""
        self._closed = True
        for actor in list(self._retiring):
            self._retire(actor)

    def _take(self, needs: _Needs) -> Any:
        free = self._free.get(needs)
        if not free:
            return None
        actor = free.pop()
        _, timer = self._retiring.pop(actor)
        timer.cancel()
        return actor

    def _keep(self, needs: _Needs, actor: Any) -> None:
        self._free.setdefault(needs, []).append(actor)
        timer = asyncio.get_running_loop().call_later(IDLE_SECONDS_MAX, self._retire, actor)
        self._retiring[actor] = needs, timer

    def _retire(self, actor: Any) -> None:
        needs, timer = self._retiring.pop(actor)
        timer.cancel()
        free = self._free[needs]
        free.remove(actor)
        if not free:
            del self._free[needs]
        ray.kill(actor)

    def _start(self, needs: _Needs) -> Any:
        places, (cpus, gpus, types) = self._places, needs
        node = places.node_id or ray.get_runtime_context().get_node_id()
        near = NodeAffinitySchedulingStrategy(node, soft=not places.strictly)
        actor = _actor.options(num_cpus=cpus, num_gpus=gpus, max_concurrency=1, scheduling_strategy=near)
        return actor.remote(types)

    async def _started(self, actor: Any, task: Task) -> None:
        """Wait until the actor is there. Raises Overloaded if it cannot be, for too long."""
        there, limit = actor.pid.remote().future(), self._places.starting_seconds_max
        waiting = asyncio.wrap_future(there)
        done, _ = await asyncio.wait({waiting}, timeout=min(_CROWDED_SECONDS, limit))
        if not done:
            for idle in list(self._retiring):
                self._retire(idle)
            done, _ = await asyncio.wait({waiting}, timeout=max(0.0, limit - _CROWDED_SECONDS))
        if not done:
            raise Overloaded(await asyncio.to_thread(_no_room, task, limit))
        await waiting


def _no_room(task: Task, seconds: float) -> str:
    """Why a worker could not be started, as far as Ray says."""
    wanted = {"CPU": task.num_cpus, "GPU": task.num_gpus}
    alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    fits = any(all(has.get(name, 0) >= amount for name, amount in wanted.items()) for has in alive)
    there = "; ".join(", ".join(f"{has.get(name, 0):g} {name}s" for name in wanted) for has in alive)
    return (
        f"{task.type_name}/{task.key} {task.method} needs a worker with {task.num_cpus:g} CPUs and {task.num_gpus:g} "
        f"GPUs, and in {seconds:g} s no machine had them: "
        + ("all that have are taken. Call again later, or add a machine" if fits else "none is large enough")
        + f" (machines: {there}). Nothing of the method happened"
    )
