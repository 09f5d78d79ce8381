"""A saga, killed and resumed: reserve in parallel, charge, ship; a refusal gives back what was reserved.

python examples/order_saga.py ./saga-data     # kills its own process while it ships, opens the folder again, goes on
"""

import asyncio
import os
import subprocess
import sys
import tempfile

import ssms
from automata import call, effect, gather, object_type, ref, uuid4


@object_type
class Supply:
    """So many units of something, or cents of somebody."""

    left: int = 0

    async def change(self, by: int) -> bool:
        self.left += by if (possible := self.left + by >= 0) else 0
        return possible


async def ship(token: str) -> str:
    """Tell the carrier, which is outside: killed meanwhile this runs again, with the same token."""
    return os._exit(9) if "--die" in sys.argv else f"parcel {token[:8]}"


@object_type
class Order:
    """Each await below is a commit point: killed anywhere, the method goes on behind the last one."""

    async def place(self, items: list[str]) -> str:
        token = str(uuid4())  # journaled: the same one after a crash
        got = await gather(*(ref(Supply, item).change(-1) for item in items))
        if all(got) and await ref(Supply, "purse").change(-300 * len(items)):
            return await effect(ship, token)
        await gather(*(ref(Supply, item).change(1) for item, taken in zip(items, got, strict=True) if taken))
        return "refused"


async def main(path: str) -> None:
    """Place three orders, under keys: asked again after a crash, they are the same three."""
    async with ssms.open(path):
        for name, amount in {"book": 2, "pen": 1, "purse": 900}.items():
            await call(ref(Supply, name).change(amount), idempotency_key="filled")
        for name, items in {"o1": ["book", "pen"], "o2": ["pen", "book"], "o3": ["book"]}.items():
            print(name, await call(ref(Order, name).place(items), idempotency_key="placed"))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        data = sys.argv[1] if len(sys.argv) > 1 else folder
        if "--die" not in sys.argv:  # the first of its two lives
            print("killed:", subprocess.run([sys.executable, __file__, data, "--die"], check=False).returncode == 9)
        asyncio.run(main(data))
