"""An object type whose objects pay each other by message and by nested call."""

from __future__ import annotations

from automata import List, cancel, gather, object_type, readonly, ref, send, transaction
from automata.partitions import partition_of
from ssms.placement import Placement


@object_type(name="ClusterPurse")  # names of types are those of one process, in which all tests are
class Purse:
    key: str
    balance: int = 0
    moves: int = 0
    seen: List[str]

    async def add(self, amount: int) -> int:
        self.balance += amount
        return self.balance

    async def pay(self, to: str, amount: int) -> int:
        self.balance -= amount
        self.moves += 1
        send(ref(Purse, to)._take(amount))
        return self.moves

    async def pay_and_wait(self, to: str, amount: int) -> int:
        self.balance -= amount
        self.moves += 1
        return await ref(Purse, to)._take(amount)

    async def _take(self, amount: int) -> int:
        self.balance += amount
        return self.balance

    async def set_timer(self) -> str:
        return send(ref(Purse, self.key)._note("late"), delay=3600).id

    async def cancel_for(self, message_id: str) -> bool:
        return await cancel(message_id)

    async def cancel_in_transaction(self, message_id: str) -> None:
        async def body() -> None:
            await cancel(message_id)

        await transaction(body)

    async def note_twice(self, to: str, n: int) -> None:
        send(ref(Purse, to)._note(f"sent {n}"))
        await ref(Purse, to)._note(f"called {n}")

    async def _note(self, text: str) -> None:
        self.seen.append(text)

    async def note(self, text: str) -> None:
        self.seen.append(text)

    async def fail(self) -> None:
        self.balance = -1
        raise ValueError("no")

    async def fail_there(self, to: str) -> None:
        await ref(Purse, to).fail()

    @readonly
    async def look(self) -> int:
        return self.balance

    @readonly
    async def notes(self) -> list[str]:
        return list(self.seen)

    @readonly
    async def sum_of(self, keys: list[str]) -> int:
        return sum(await gather(*(ref(Purse, key).look() for key in keys)))


KEYS = [f"p{n}" for n in range(8)]


def key_in_each(placement: Placement) -> list[str]:
    """The key of a purse in each store."""
    owners = {placement.owner(partition_of("ClusterPurse", key)).identity: key for key in KEYS}
    return [owners[store.identity] for store in placement.stores]
