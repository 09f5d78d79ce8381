"""The workers of one host on Ray: actors with the resources that a type asks for, near the host (SSMS §4.1, §4.4).

A worker is on the host's node where that has the resources, else on another. It is kept for a while when it has nothing
to do, since starting one takes most of a second, and then lets go of its resources.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import RayActorError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from automata.errors import WorkerDied
from automata.worker import Done, Source, Task, Want, decode_answer, encode
from automata.worker_turn import Surroundings
from darq.errors import StoreClosed
from ssms.on_ray.worker import Worker

IDLE_SECONDS_MAX = 30.0

_Needs = tuple[float, float]
_actor: Any = ray.remote(Worker)  # Ray's handles carry no types of what runs behind them


def _no_types() -> Sequence[bytes]:
    return ()


@dataclass(frozen=True)
class WorkerPlaces:
    """Where workers are, and what they know. node_id: the node to prefer, the host's own if None; strictly: no other.

    types: deployed types, encoded, as they are when a worker is started. running_max: workers that work at a time.
    """

    node_id: str | None = None
    strictly: bool = False
    types: Callable[[], Sequence[bytes]] = _no_types
    running_max: int = 64

    def workers(self, surroundings: Surroundings) -> RayWorkers:
        """The workers of one host, as `automata.options.Options.workers` makes them."""
        return RayWorkers(self)


class RayWorkers:
    """Runs each task in an actor of its own, and uses actors again for types that need the same."""

    def __init__(self, places: WorkerPlaces) -> None:
        self._places = places
        self._free: dict[_Needs, list[Any]] = {}
        self._retiring: dict[Any, asyncio.TimerHandle] = {}
        self._running = asyncio.Semaphore(places.running_max)
        self._closed = False

    async def run(self, task: Task, source: Source) -> Done:
        """Have a free actor run it, or a new one. Raises WorkerDied."""
        async with self._running:
            if self._closed:
                raise StoreClosed("the host is closed: no worker takes a task any more")
            needs = task.num_cpus, task.num_gpus
            actor = self._take(needs)
            try:
                answer = decode_answer(await actor.begin.remote(encode(task)))
                while isinstance(answer, Want):
                    answer = decode_answer(await actor.give.remote(encode(source.rows(answer))))
            except RayActorError as error:
                raise WorkerDied(
                    f"the worker that ran {task.type_name}/{task.key} {task.method} has ended, or its machine was "
                    f"lost: nothing of the method happened ({error})"
                ) from error
            except BaseException:
                ray.kill(actor)
                raise
            self._keep(needs, actor)
            return answer

    async def close(self) -> None:
        """End all actors. What still ran was cancelled before."""
        self._closed = True
        for timer in self._retiring.values():
            timer.cancel()
        for actor in list(self._retiring):
            ray.kill(actor)
        self._free, self._retiring = {}, {}

    def _take(self, needs: _Needs) -> Any:
        free = self._free.get(needs)
        if not free:
            return self._start(needs)
        actor = free.pop()
        self._retiring.pop(actor).cancel()
        return actor

    def _keep(self, needs: _Needs, actor: Any) -> None:
        self._free.setdefault(needs, []).append(actor)
        self._retiring[actor] = asyncio.get_running_loop().call_later(IDLE_SECONDS_MAX, self._retire, needs, actor)

    def _retire(self, needs: _Needs, actor: Any) -> None:
        del self._retiring[actor]
        self._free[needs].remove(actor)
        ray.kill(actor)

    def _start(self, needs: _Needs) -> Any:
        places, (cpus, gpus) = self._places, needs
        node = places.node_id or ray.get_runtime_context().get_node_id()
        near = NodeAffinitySchedulingStrategy(node, soft=not places.strictly)
        actor = _actor.options(num_cpus=cpus, num_gpus=gpus, max_concurrency=1, scheduling_strategy=near)
        return actor.remote(tuple(places.types()))
