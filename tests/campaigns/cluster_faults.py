"""A campaign against a real Ray cluster: money moves while processes are killed, stood still, and machines are lost.

`python -m tests.campaigns.cluster_faults SECONDS [SEED]` prints a line for each fault, and at the end whether every
acknowledged move has happened exactly once and no money was lost. Exits with 1 if not.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from typing import Any

import ssms
from automata import call, gather, object_type, readonly, ref, send

WALLETS, CALLERS = 40, 16
REST_SECONDS = (2.0, 6.0)
"""Between two faults: less and more than it takes to mend one."""
PAUSE_SECONDS_MAX = 4.0
PATIENCE_SECONDS = 60.0


@object_type(name="CampaignWallet")
class Wallet:
    key: str
    balance: int = 0
    moves: int = 0

    async def move(self, to: str, amount: int) -> int:
        self.balance -= amount
        self.moves += 1
        send(ref(Wallet, to)._take(amount))
        return self.moves

    async def move_and_wait(self, to: str, amount: int) -> int:
        self.balance -= amount
        self.moves += 1
        return await ref(Wallet, to)._take(amount)

    async def _take(self, amount: int) -> int:
        self.balance += amount
        return self.balance

    @readonly
    async def look(self) -> tuple[int, int]:
        return self.balance, self.moves


class Campaign:
    """Load, faults and checks of one run."""

    def __init__(self, cluster: Any, seed: int) -> None:
        self.cluster = cluster
        self.random = random.Random(seed)
        self.acknowledged = [0] * WALLETS
        self.slowest = 0.0
        self.stopping = False
        self.backwards: list[str] = []

    async def caller(self, app: Any, n: int) -> None:
        rng = random.Random(n)
        while not self.stopping:
            source, to = rng.sample(range(WALLETS), 2)
            begun = time.monotonic()
            wallet = app.ref(Wallet, f"w{source}")
            move = wallet.move if rng.random() < 0.7 else wallet.move_and_wait
            await call(move(f"w{to}", 1), timeout=PATIENCE_SECONDS)
            self.acknowledged[source] += 1
            self.slowest = max(self.slowest, time.monotonic() - begun)
            if rng.random() < 0.2:
                before = self.acknowledged[source]
                _, moves = await wallet.look()
                if moves < before:
                    self.backwards.append(f"w{source}: {before} moves were acknowledged, and {moves} read")

    async def fault(self, app: Any) -> str:
        nodes = [node async for node in app.nodes() if node.alive]
        node = self.random.choice([node for node in nodes if not node.is_head]).id
        anywhere = self.random.choice(nodes).id
        kind = self.random.choice(["kill", "kill", "pause", "lose", "move", "move"])
        if kind == "kill":
            return f"killed the {self.cluster.kill_host(anywhere)} hosts of {anywhere}"
        if kind == "pause":
            seconds = self.random.uniform(0.5, PAUSE_SECONDS_MAX)
            self.cluster.pause(anywhere)
            await asyncio.sleep(seconds)
            self.cluster.resume(anywhere)
            return f"{anywhere} stood still for {seconds:.1f} s"
        if kind == "lose" and len(nodes) >= 3:
            new = await asyncio.to_thread(self.cluster.add_node)
            await asyncio.sleep(8)
            await asyncio.to_thread(self.cluster.remove_node, node)
            await asyncio.sleep(12)
            return f"{new} came, and {node} was lost with its disk"
        key = f"w{self.random.randrange(WALLETS)}"
        await app.move(app.ref(Wallet, key), anywhere)
        return f"moved {key} to {anywhere}"

    async def run(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        async with self.cluster.connect() as app:
            await app.deploy(Wallet)
            callers = [asyncio.create_task(self.caller(app, n)) for n in range(CALLERS)]
            while time.monotonic() < until and not any(caller.done() for caller in callers):
                await asyncio.sleep(self.random.uniform(*REST_SECONDS))
                before, begun = sum(self.acknowledged), time.monotonic()
                what = await self.fault(app)
                print(
                    f"{time.strftime('%X')} {what}; {sum(self.acknowledged) - before} moves meanwhile, "
                    f"slowest call so far {self.slowest:.1f} s, {time.monotonic() - begun:.1f} s",
                    flush=True,
                )
            self.stopping = True
            failed = [e for e in await asyncio.gather(*callers, return_exceptions=True) if e is not None]
            return await self.check(app, failed)

    async def check(self, app: Any, failed: list[Any]) -> bool:
        last = time.monotonic() + PATIENCE_SECONDS
        while True:
            looks = await gather(*(app.ref(Wallet, f"w{n}").look() for n in range(WALLETS)))
            total = sum(balance for balance, _ in looks)
            if total == 0 or time.monotonic() > last:
                break
            await asyncio.sleep(0.5)
        wrong = [
            f"w{n}: {moves} moves, {told} acknowledged"
            for n, ((_, moves), told) in enumerate(zip(looks, self.acknowledged, strict=True))
            if moves != told
        ]
        for sentence in [*wrong, *self.backwards, *map(repr, failed)]:
            print(sentence)
        print(f"{sum(self.acknowledged)} moves acknowledged, balance {total}, slowest call {self.slowest:.1f} s")
        return total == 0 and not wrong and not self.backwards and not failed


def main() -> None:
    """Run one campaign."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 30)
    print(f"seed {seed}")
    with ssms.local_cluster(nodes=3, replicas=2) as cluster:
        good = asyncio.run(Campaign(cluster, seed).run(seconds))
    print("ok" if good else "WRONG")
    sys.exit(not good)


if __name__ == "__main__":
    main()
