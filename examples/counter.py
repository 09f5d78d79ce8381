"""A counter that survives everything: run this twice with the same folder, and it goes on where it was.

python examples/counter.py ./counter-data
"""

import asyncio
import sys
import tempfile

import ssms
from automata import object_type, readonly, ref


@object_type
class Counter:
    """How many visits there were, ever."""

    key: str
    value: int = 0

    async def add(self, amount: int) -> int:
        self.value += amount  # one atomic, durable step: no save(), no lock, no retry
        return self.value

    @readonly
    async def get(self) -> int:
        return self.value


async def main(path: str) -> None:
    """Count a hundred visits."""
    async with ssms.open(path):
        visits = ref(Counter, "visits")
        before = await visits.get()
        await asyncio.gather(*(visits.add(1) for _ in range(100)))  # a hundred callers at once; none is lost
        print(f"visits: {before} -> {await visits.get()}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else folder))
