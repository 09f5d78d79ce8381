"""The load: so many clients, each one operation at a time, of one kind or of all three in turn (LambdaObjects §5)."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from statistics import quantiles

from benchmarks.disaggregated.accounts import Accounts
from benchmarks.disaggregated.variants import Variant

TEXT = "what somebody writes on an ordinary day: a sentence or two, seldom three"

Operation = Callable[[random.Random], Awaitable[None]]


@dataclass(frozen=True)
class Run:
    """One kind of operation by so many clients of one variant. Latencies are of single operations."""

    variant: str
    accounts: str
    workload: str
    clients: int
    per_second: float
    p50_ms: float
    p99_ms: float


def operation(variant: Variant, accounts: Accounts, workload: str) -> Operation:
    """What a client does again and again, on accounts drawn evenly."""
    names = accounts.names

    async def post(rng: random.Random) -> None:
        await variant.create_post(rng.choice(names), TEXT)

    async def get_timeline(rng: random.Random) -> None:
        await variant.get_timeline(rng.choice(names))

    async def follow(rng: random.Random) -> None:
        await variant.follow(*rng.sample(names, 2))

    return {"Post": post, "GetTimeline": get_timeline, "Follow": follow}[workload]


async def run(variant: Variant, accounts: Accounts, workload: str, clients: int, seconds: float) -> Run:
    """Let the clients work for so long. The clock stops when all that they have posted is where it belongs."""
    work = operation(variant, accounts, workload)
    took: list[float] = []
    begun = time.perf_counter()

    async def client(n: int) -> None:
        rng = random.Random(f"{workload}-{clients}-{n}")
        last = time.perf_counter()
        while last < begun + seconds:
            await work(rng)
            now = time.perf_counter()
            took.append(now - last)
            last = now

    await asyncio.gather(*(client(n) for n in range(clients)))
    if workload == "Post":
        await variant.settle()
    lasted = time.perf_counter() - begun
    cuts = quantiles(took, n=100)
    return Run(variant.name, accounts.label, workload, clients, len(took) / lasted, cuts[49] * 1e3, cuts[98] * 1e3)
