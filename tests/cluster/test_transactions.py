"""Transactions whose objects live in several stores: all or nothing, one after the other, whoever dies meanwhile."""

from __future__ import annotations

from automata import gather, ref
from tests.cluster.accounts import ACCOUNTS, Account, Teller
from tests.cluster.in_memory import cluster
from tests.memory_app import in_loop


@in_loop
async def test_objects_of_several_stores_change_together() -> None:
    async with cluster(stores=3) as running, running.connect():
        await gather(*(ref(Account, key).deposit(100) for key in ACCOUNTS))
        for n, key in enumerate(ACCOUNTS):
            assert await ref(Teller, "t").transfer(key, ACCOUNTS[(n + 3) % 8], 10) == (90 if n < 3 else 100)
        assert await ref(Teller, "t").total(ACCOUNTS) == [100] * 8
