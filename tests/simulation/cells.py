"""An object that keeps a history of all that has happened to it, so that others can check it."""

from __future__ import annotations

from automata import List, Map, gather, object_type, readonly, ref, send


@object_type(name="WorldCell")
class Cell:
    """version: counts the calls that have changed it; done: those, by the names that their callers gave them.

    received: messages with their senders and numbers; of a nested call, minus the number of the message before it.
    """

    key: str
    version: int = 0
    value: int = 0
    done: List[str]
    ended: List[str]
    sent: Map[str, int]
    received: List[tuple[str, int, str]]
    rung: List[str]

    async def add(self, name: str, amount: int) -> int:
        self.value += amount
        return self._step(name)

    async def pay(self, name: str, to: str, amount: int) -> int:
        """By message."""
        self.value -= amount
        self._send(name, to, amount)
        return self._step(name)

    async def pay_and_wait(self, name: str, to: str, amount: int) -> int:
        """By a nested call, which does not overtake the message before it."""
        self.value -= amount
        self._send(name, to, 0)
        version = self._step(name)
        await ref(Cell, to)._take(self.key, -self.sent[to], name, amount)
        self.ended.append(name)
        return version

    async def tour(self, name: str, keys: list[str]) -> int:
        """Through other cells and back to this one, in two parts."""
        version = self._step(name)
        if keys:
            await gather(ref(Cell, keys[0]).tour(f"{name}.", keys[1:]), ref(Cell, keys[-1]).tour(f"{name}!", []))
        self.ended.append(name)
        return version

    async def later(self, name: str, to: str, seconds: float) -> int:
        send(ref(Cell, to)._ring(name), delay=seconds)
        return self._step(name)

    @readonly
    async def read(self) -> int:
        return self.version

    @readonly
    async def read_there(self, to: str) -> int:
        return await ref(Cell, to).read()

    async def _take(self, sender: str, number: int, name: str, amount: int) -> None:
        self.value += amount
        self.received.append((sender, number, name))

    async def _ring(self, name: str) -> None:
        self.rung.append(name)

    def _send(self, name: str, to: str, amount: int) -> None:
        self.sent[to] = self.sent.get(to, 0) + 1
        send(ref(Cell, to)._take(self.key, self.sent[to], name, amount))

    def _step(self, name: str) -> int:
        self.done.append(name)
        self.version += 1
        return self.version
