"""How much passes between a component and its host at once: what is more goes in parts.

While it passes, each byte takes 32 bytes in wasmtime's C interface and 48 behind it: a megabyte is 80 in the process of
everybody else.
"""

PART_BYTES = 256 << 10
"""Of a task or an answer. A page of rows ends with the row by which it has as many."""

IN_PARTS = b"\xc1"
"""In place of a task that comes in parts: no MessagePack begins so."""


class Passing:
    """What passes in one run of a component. first: what it is called with."""

    def __init__(self, task: bytes) -> None:
        self._task = task
        self._given: list[bytes] = []
        self.given_bytes = 0
        self.first = task if len(task) <= PART_BYTES else IN_PARTS

    def part(self, number: int) -> bytes:
        """A part of its task; nothing behind the last."""
        return self._task[number * PART_BYTES : (number + 1) * PART_BYTES]

    def give(self, part: bytes) -> None:
        """The next part of its answer."""
        self._given.append(part)
        self.given_bytes += len(part)

    def answer(self) -> bytes:
        """All of its answer."""
        return b"".join(self._given)
