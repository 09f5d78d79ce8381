"""Money moves between two accounts: the withdrawal and the message with the money are one step, delivered exactly once.

python examples/bank.py ./bank-data
"""

import sys
import tempfile
import time

import ssms
from automata import Ref, call, object_type, readonly, ref, send


class InsufficientFunds(Exception):
    """There is less in the account than was to be paid."""


@object_type
class Account:
    """Somebody's money."""

    key: str
    balance: int = 0

    async def deposit(self, amount: int) -> int:
        self.balance += amount
        return self.balance

    async def pay(self, to: Ref["Account"], amount: int) -> int:
        self.balance -= amount
        send(to.deposit(amount))  # leaves if, and only if, this step commits
        if self.balance < 0:
            raise InsufficientFunds(f"{self.key} has {self.balance + amount}")  # rolls back all of the above
        return self.balance

    @readonly
    async def get_balance(self) -> int:
        return self.balance


def main(path: str) -> None:
    """Pay once what is there, and once what is not; from synchronous code."""
    with ssms.open(path) as app:
        alice, bob = ref(Account, "alice"), ref(Account, "bob")
        app.run(call(alice.deposit(100), idempotency_key="salary-1"))  # asked again under this key, it is no second one
        if app.run(alice.get_balance()) >= 30:
            app.run(alice.pay(bob, 30))
        try:
            app.run(alice.pay(bob, 1_000))
        except InsufficientFunds as refusal:
            print(f"refused: {refusal}")
        while app.run(alice.get_balance()) + app.run(bob.get_balance()) < 100:
            time.sleep(0.01)  # the money is on its way
        print(f"alice {app.run(alice.get_balance())}, bob {app.run(bob.get_balance())}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(sys.argv[1] if len(sys.argv) > 1 else folder)
