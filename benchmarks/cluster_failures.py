"""The longest pause of any caller when a host process is killed under load, and when a machine is lost with its disk.

Every acknowledged call must be there exactly once afterwards: a benchmark of failures that loses something has failed.
"""

import asyncio
import time

from benchmarks.clusters import IS_THERE, Place, Shape, opened
from benchmarks.pauses import Callers, Cargo
from benchmarks.results import Result, absolute, print_json, told

ALONE, IN_PAIRS = Shape(), Shape(nodes=3, replicas=2)
OBJECTS, CALLERS = 200, 24
SETTLED_SECONDS = 3.0


async def longest_pause(place: Place, callers: Callers, fail: str, node: str) -> float:
    """Seconds that the caller who waited longest has waited when `fail` was done to a node."""
    callers.begin()
    if place.cluster is not None:
        await asyncio.to_thread(getattr(place.cluster, fail), node)  # while it works, calls go on
    await callers.all_answered()
    await asyncio.sleep(SETTLED_SECONDS)  # what comes later counts too: a promotion, another copy
    return callers.longest_seconds()


async def nodes(place: Place) -> list[str]:
    """Ids of the nodes that live and may be lost: the head last, which only a kill of its hosts may meet."""
    found = [node async for node in place.app.nodes() if node.alive]
    return [node.id for node in sorted(found, key=lambda node: node.is_head)]


async def calm(callers: Callers, seconds: float) -> float:
    """The longest pause while nothing happens, which explains the others."""
    callers.begin()
    await asyncio.sleep(seconds)
    return callers.longest_seconds()


async def restarted(kills: int, embedded: bool) -> list[Result]:
    """One host without a second copy: its process is killed, and it starts again on its disk."""
    async with opened(ALONE, Cargo, embedded=embedded) as place:
        async with Callers([f"cargo-{n}" for n in range(OBJECTS)], CALLERS) as callers:
            await calm(callers, 1)
            pauses = [await longest_pause(place, callers, "kill_host", node) for node in await nodes(place) * kills]
        await callers.check()
    return [absolute(f"a lone host killed {kills} times under load, longest pause", "s", max(pauses), 3, 1)]


async def taken_over(kills: int, embedded: bool) -> list[Result]:
    """Three machines, two copies: kill host processes, then lose a machine."""
    async with opened(IN_PAIRS, Cargo, embedded=embedded) as place:
        async with Callers([f"cargo-{n}" for n in range(OBJECTS)], CALLERS) as callers:
            before = await calm(callers, 2)
            there = await nodes(place)
            kill = [await longest_pause(place, callers, "kill_host", there[n % len(there)]) for n in range(kills)]
            begun, answered = time.perf_counter(), callers.total
            lost = await longest_pause(place, callers, "remove_node", there[0])
            rate = (callers.total - answered) / (time.perf_counter() - begun)
        await callers.check()
    return [
        told("three nodes, two copies, nothing happens, longest pause", "s", before),
        absolute(f"a host process killed {kills} times under load, longest pause", "s", max(kill), 3, 1),
        absolute("a node lost under load, longest pause", "s", lost, 10, 3),
        told("answered meanwhile", "calls/s", rate),
    ]


async def _measure(kills: int, embedded: bool) -> list[Result]:
    return [*await restarted(kills, embedded), *await taken_over(kills, embedded)]


def measure(quick: bool, embedded: bool = False) -> list[Result]:
    """Pauses of callers. embedded: nothing is killed, to see that the benchmark works."""
    if not (IS_THERE or embedded):
        return [told("a cluster: not there", "s", None)]
    return asyncio.run(_measure(1 if quick else 3, embedded))


if __name__ == "__main__":
    print_json(measure)
