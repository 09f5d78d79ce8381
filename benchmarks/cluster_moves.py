"""An object of 1 MB that is moved back and forth under load: how long its callers pause, and those of other objects.

Others are held against themselves: their longest pause while nothing moves, in stretches as long as a move takes.
"""

import asyncio
import itertools
import time
from statistics import median

from automata import ref
from benchmarks.clusters import IS_THERE, Place, Shape, opened
from benchmarks.pauses import CHUNK_BYTES, CHUNKS, Callers, Cargo
from benchmarks.results import Result, absolute, against_floor, print_json, told

TWO_NODES = Shape(nodes=2)
OTHERS, CALLERS = 100, 8
STRETCH_SECONDS_MIN = 0.5


async def move(place: Place, name: str) -> None:
    """Move the object to another node than it is on."""
    if place.cluster is None:
        return
    cargo = ref(Cargo, name)
    here = (await place.app.explain(cargo)).node
    there = [node.id async for node in place.app.nodes() if node.alive and node.id != here]
    await place.app.move(cargo, there[0])


async def stretch(place: Place, moved: Callers, others: Callers, moving: bool) -> tuple[float, float, float]:
    """(pause of the object, of the others, seconds of the move): one move under load, or as long without one."""
    moved.begin()
    others.begin()
    begun = time.perf_counter()
    if moving:
        await move(place, "heavy")
    took = time.perf_counter() - begun
    await asyncio.sleep(max(0.0, STRETCH_SECONDS_MIN - took))
    await moved.all_answered()
    return moved.longest_seconds(), others.longest_seconds(), took


async def _measure(moves: int, embedded: bool) -> list[Result]:
    async with opened(TWO_NODES, Cargo, embedded=embedded) as place:
        await ref(Cargo, "heavy").fill()
        moved, others = Callers(["heavy"], 2), Callers([f"light-{n}" for n in range(OTHERS)], CALLERS)
        async with moved, others:
            await asyncio.sleep(1)
            pairs = itertools.islice(itertools.cycle((False, True)), 2 * moves)
            found = [(moving, await stretch(place, moved, others, moving)) for moving in pairs]
        await moved.check()
        await others.check()
        assert await ref(Cargo, "heavy").carried_bytes() == CHUNKS * CHUNK_BYTES, "it has lost of its load"
    during = [figures for moving, figures in found if moving]
    calm = [figures for moving, figures in found if not moving]
    own, beside, took = ([figures[n] for figures in during] for n in range(3))
    return [
        absolute(
            f"an object of 1 MB moved {moves} times under load: its longest pause", "ms", max(own) * 1e3, 300, 100
        ),
        told("the same, p50", "ms", median(own) * 1e3),
        told("its longest pause while nothing moves, p50", "ms", median(f[0] for f in calm) * 1e3),
        against_floor(
            "longest pause of others, p50, against the same while nothing moves",
            "ms",
            (median(beside) * 1e3, median(f[1] for f in calm) * 1e3),
            2,
            1.2,
        ),
        told("a move, p50", "ms", median(took) * 1e3),
    ]


def measure(quick: bool, embedded: bool = False) -> list[Result]:
    """Pauses of callers. embedded: nothing is moved, to see that the benchmark works."""
    if not (IS_THERE or embedded):
        return [told("a cluster: not there", "ms", None)]
    return asyncio.run(_measure(2 if quick else 8, embedded))


if __name__ == "__main__":
    print_json(measure)
