"""`transaction(fn, ...)`: money moves among accounts while everybody moves some; a refusal undoes all of a payment.

python examples/bank_transactions.py ./accounts-data
"""

import asyncio
import sys
import tempfile

import ssms
from automata import Ref, call, object_type, ref, transaction


@object_type
class Account:
    """Somebody's money."""

    balance: int = 0

    async def add(self, amount: int) -> int:
        self.balance += amount
        if self.balance < 0:
            raise ValueError("not so much money there")
        return self.balance


async def share(giver: Ref[Account], takers: list[Ref[Account]], amount: int) -> None:
    """Pay each of them. If the giver cannot pay the last one, nobody has got anything."""
    for taker in takers:
        await taker.add(amount)
        await giver.add(-amount)


@object_type
class Bank:
    """Transactions belong to methods: they commit with a method's step, and resume with it."""

    async def pay(self, giver: Ref[Account], takers: list[Ref[Account]], amount: int) -> None:
        await transaction(share, giver, takers, amount)


async def main(path: str) -> None:
    """Everybody pays all others at once, again and again, until many cannot."""
    async with ssms.open(path) as app:
        accounts = [ref(Account, name) for name in ("alice", "bob", "carol", "dave")]
        for account in accounts:
            await call(account.add(100), idempotency_key="opening gift")
        payments = [ref(Bank, "b").pay(one, [a for a in accounts if a != one], 7) for one in accounts for _ in range(9)]
        outcomes = await asyncio.gather(*payments, return_exceptions=True)
        refused = sum(isinstance(outcome, ValueError) for outcome in outcomes)
        balances = [(await app.inspect(account))["balance"] for account in accounts]
        print(f"{36 - refused} payments, {refused} refused: {balances}, in all {sum(balances)}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else folder))
