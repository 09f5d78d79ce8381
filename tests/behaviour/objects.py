"""Objects whose behaviour is the same natively and in a sandbox: one source, imported, and built by `ssms build`."""

from __future__ import annotations

import datetime
import enum
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal
from uuid import UUID

from automata import (
    List,
    Map,
    Ref,
    Set,
    call,
    cancel,
    delete,
    gather,
    now,
    object_type,
    random,
    readonly,
    ref,
    send,
    sleep,
    uuid4,
)
from automata.errors import InvalidArgument, RemoteError


class Colour(enum.Enum):
    """An enum."""

    RED = "red"
    BLUE = "blue"


@dataclass
class Item:
    """A record."""

    name: str
    price: int = 1
    tags: list[str] = field(default_factory=list)


@object_type
class Box:
    """Values of each kind."""

    key: str
    count: int = 0
    ratio: float = 0.5
    name: str = "none"
    data: bytes = b"\x00\xff"
    big: int = 2**100
    maybe: int | None = None
    either: int | str = 1
    at: datetime.datetime = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)
    day: datetime.date = datetime.date(2030, 1, 2)
    exact: Decimal = Decimal("1.50")
    identity: UUID = UUID(int=7)
    colour: Colour = Colour.RED
    size: Literal["s", "m"] = "s"
    names: list[str] = []
    table: dict[str, list[int]] = {}
    item: Item = Item("first")
    friend: Ref[Box] | None = None
    pair: tuple[int, str] = (1, "one")

    async def values(self) -> dict[str, str]:
        """Each field as text."""
        names = ["count", "ratio", "name", "data", "big", "maybe", "either", "at", "day", "exact", "identity"]
        return {name: repr(getattr(self, name)) for name in [*names, "colour", "size", "names", "table", "pair"]}

    async def set_all(self) -> None:
        """Change each."""
        self.count, self.ratio, self.name, self.data = -5, 2, "Ω\x00x", bytes(range(256))
        self.big, self.maybe, self.either = -(2**90), 3, "text"
        self.at = datetime.datetime(2031, 2, 3, 4, 5, 6, 7, tzinfo=datetime.UTC)
        self.day, self.exact, self.identity = datetime.date(1999, 12, 31), Decimal("0.10"), UUID(int=2**127)
        self.colour, self.size, self.pair = Colour.BLUE, "m", (2, "two")
        self.names, self.table = ["a", "b"], {"x": [1, 2]}

    async def change_in_place(self) -> list[str]:
        """Changes of mutable values count."""
        self.names.append("more")
        self.table.setdefault("y", []).append(1)
        self.item.tags.append("new")
        self.item.price += 1
        return self.names

    async def items(self) -> tuple[str, int, list[str]]:
        """The record's fields."""
        return self.item.name, self.item.price, self.item.tags

    async def take(self, item: Item) -> Item:
        """A record comes and goes."""
        self.item = item
        return Item(item.name + "!", item.price)

    async def assign_badly(self) -> str:
        """What does not fit is refused, and nothing else of the step is kept but what was not refused."""
        self.count = 9
        try:
            self.count = "5"  # type: ignore[assignment]
        except InvalidArgument as error:
            return str(error)
        return "taken"

    async def assign_undeclared(self) -> None:
        """What is not declared cannot be assigned."""
        self.count = 11
        self.missing = 1

    async def fail_after(self, text: str) -> None:
        """An error rolls everything back."""
        self.count = 77
        self.names.append("lost")
        send(ref("Box", "other").note(text))
        raise ValueError(text)

    async def note(self, text: str) -> None:
        """Keep a text."""
        self.names.append(text)

    @readonly
    async def seen(self) -> tuple[int, list[str]]:
        """Count and names."""
        return self.count, self.names

    @readonly
    async def write_anyway(self) -> None:
        """Refused."""
        self.count = 1

    @readonly
    async def send_anyway(self) -> None:
        """Refused."""
        send(ref("Box", "other").note("never"))

    async def befriend(self, other: str) -> Ref[Box]:
        """Keep a ref, and give one's own."""
        self.friend = ref(Box, other)
        return ref(self)

    async def tell_friend(self, text: str) -> None:
        """Send to whoever is kept."""
        assert self.friend is not None
        send(self.friend.note(text))

    async def default_arguments(self, a: int, b: str = "b", *, c: float = 1.0) -> str:
        """Arguments by position and name."""
        return f"{a} {b} {c}"

    async def forget(self) -> None:
        """Delete the object."""
        self.count = 5
        delete()

    async def drawn(self) -> tuple[bool, bool, bool]:
        """Clock and chance."""
        return now() > 1e9, 0 <= random() < 1, uuid4() != uuid4()

    async def _hidden(self) -> int:
        return 42

    async def ask_hidden(self, other: str) -> int:
        """Private methods are for the own application."""
        return await ref(Box, other)._hidden()

    async def call_own(self) -> int:
        """A plain call of oneself is part of the step."""
        await self.note("own")
        return len(self.names)


@object_type
class Shelf:
    """Collections."""

    key: str
    by_name: Map[str, int]
    by_pair: Map[tuple[int, str], list[int]]
    line: List[str]
    numbers: Set[int]
    items: Map[str, Item]
    blobs: Map[str, bytes]

    async def fill(self, count: int) -> tuple[int, int, int]:
        """Some of each."""
        for n in range(count):
            self.by_name[f"n{n:03}"] = n
            self.line.append(f"l{n}")
            self.numbers.add(n % 7)
        return len(self.by_name), len(self.line), len(self.numbers)

    async def heavy(self, size: int, count: int) -> bytes:
        """Writes so many entries of so many bytes, and gives as many as one has."""
        for at in range(count):
            self.blobs[f"{at:02}"] = bytes([at]) * size
        return b"r" * size

    async def weighed(self) -> list[int]:
        """The entries both ways, whose bytes fill pages before their number does."""
        forth = [len(blob) + blob[0] for blob in self.blobs.values()]
        return forth + [len(blob) + blob[0] for _, blob in self.blobs.range(reverse=True)]

    async def weigh_all(self, others: list[str], size: int) -> list[int]:
        """Awaits much of others, one and then all at once."""
        one = await ref(Shelf, others[0]).heavy(size, 1)
        many = await gather(*[ref(Shelf, other).heavy(size, 1) for other in others])
        return [len(given) for given in (one, *many)]

    async def mapped(self) -> list[object]:
        """What a Map does."""
        found = self.by_name
        del found["n001"]
        found["n002"] += 100
        return [
            list(found)[:4],
            found.get("n001", -1),
            "n002" in found,
            list(found.range("n002", "n005")),
            list(found.range("n002", reverse=True, limit=2)),
            list(reversed(found))[:2],
            found.pop("n003"),
            len(found),
            sum(found.values()),
        ]

    async def listed(self) -> list[object]:
        """What a List does."""
        line = self.line
        line[0] = "first"
        line[-1] = "last"
        taken = [line.pop(), line.popleft()]
        return [taken, line[0], line[-1], line[1:4], line.last(2), len(line), list(reversed(line))[:2]]

    async def set_like(self) -> list[object]:
        """What a Set does."""
        self.numbers.discard(3)
        self.numbers.discard(33)
        return [list(self.numbers), 3 in self.numbers, 4 in self.numbers, len(self.numbers)]

    async def nested(self) -> list[object]:
        """Entries change in place; keys are tuples."""
        self.by_pair[2, "b"] = [1]
        self.by_pair[1, "z"] = []
        self.by_pair[2, "b"].append(2)
        self.items["x"] = Item("x")
        self.items["x"].tags.append("t")
        return [list(self.by_pair.items()), self.items["x"].tags]

    async def clear_all(self) -> int:
        """Empty."""
        self.by_name.clear()
        self.line.clear()
        self.line.append("again")
        return len(self.by_name) + len(self.line)

    async def missing(self) -> str:
        """Errors of the protocols."""
        found = []
        for ask in (lambda: self.by_name["no"], lambda: self.line[10**6], self.line.pop):
            try:
                ask()
            except (KeyError, IndexError) as error:
                found.append(type(error).__name__)
        return " ".join(found)

    async def while_iterating(self) -> list[str]:
        """Iteration goes on behind the last key when the map changes."""
        seen = []
        for name in self.by_name:
            seen.append(name)
            if name == "n001":
                del self.by_name["n002"]
                self.by_name["n0015"] = 1
        return seen


@object_type
class Account:
    """Awaits others."""

    key: str
    balance: int = 0
    log: List[str]

    async def put(self, amount: int) -> int:
        """Change the balance."""
        if self.balance + amount < 0:
            raise ValueError(f"{self.key} has only {self.balance}")
        self.balance += amount
        return self.balance

    async def pay(self, other: str, amount: int) -> int:
        """A part of its own on each side."""
        before = await self.put(-amount)
        self.log.append(f"paying {other}")
        theirs = await ref(Account, other).put(amount)
        self.log.append(f"paid {other}")
        return before + theirs

    async def pay_badly(self, other: str) -> str:
        """The other one's error comes here; what was before it is committed."""
        self.log.append("trying")
        try:
            await ref(Account, other).put(-(10**9))
        except (ValueError, RemoteError) as error:
            self.log.append("failed")
            return str(error)
        return "paid"

    async def fail_behind(self, other: str) -> None:
        """Only the current part is undone."""
        self.log.append("kept")
        await ref(Account, other).put(1)
        self.log.append("undone")
        raise ValueError("behind")

    async def gather_all(self, others: list[str]) -> list[int]:
        """Several at one point."""
        results = await gather(*(ref(Account, other).put(n + 1) for n, other in enumerate(others)))
        self.balance += sum(results)
        return results

    async def rounds(self, other: str, count: int) -> list[int]:
        """Many parts, with what was drawn and read in each."""
        found = []
        for _ in range(count):
            token = uuid4()
            begun = now()
            found.append(await ref(Account, other).put(1))
            assert now() >= begun
            assert token.version == 4
            self.log.append(str(found[-1]))
        return [*found, len(self.log)]

    async def stale(self, other: str) -> str:
        """A mutable value that was read before an await must be read again to be changed."""
        return await ref(Keeper, self.key).change_stale(other)

    async def nap(self) -> float:
        """Sleep durably."""
        begun = now()
        await sleep(0.05)
        self.log.append("slept")
        return now() - begun

    async def keyed(self, other: str) -> list[int]:
        """The same idempotency key gives the same result."""
        first = await call(ref(Account, other).put(5), idempotency_key="once")
        second = await call(ref(Account, other).put(5), idempotency_key="once")
        return [first, second]

    async def later(self) -> bool:
        """Messages for later can be cancelled."""
        kept = send(ref(self).note_later("kept"), delay=0.05)
        dropped = send(ref(self).note_later("dropped"), delay=0.05)
        assert await kept
        return await cancel(dropped)

    async def note_later(self, text: str) -> None:
        """Keep a text."""
        self.log.append(text)

    @readonly
    async def told(self) -> tuple[int, list[str]]:
        """Balance and log."""
        return self.balance, list(self.log)

    @readonly
    async def told_of(self, other: str) -> tuple[int, list[str]]:
        """A readonly method may await readonly ones."""
        return await ref(Account, other).told()

    @readonly
    async def pay_readonly(self, other: str) -> int:
        """Refused: it is not readonly."""
        return await ref(Account, other).put(1)

    async def back_and_forth(self, other: str, depth: int) -> int:
        """A calls B calls A: no deadlock."""
        self.balance += 1
        if depth == 0:
            return self.balance
        below = await ref(Account, other).back_and_forth(self.key, depth - 1)
        return below + self.balance


@object_type
class Keeper:
    """Keeps a list as one value."""

    key: str
    names: list[str] = []

    async def change_stale(self, other: str) -> str:
        """Changing an old value is an error."""
        names = self.names
        await ref(Account, other).put(0)
        self.names.append("fresh")
        names.append("stale")
        return "ended"
