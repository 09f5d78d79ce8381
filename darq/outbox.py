"""Messages that leave for other stores: a dense sequence of rows for each receiving store, trimmed behind its ack."""

import struct
from collections.abc import Callable, Sequence

from darq import keys
from darq.gate import Gate
from darq.group import Group
from darq.store import Store

_cursors = struct.Struct(">QQ")


class Outbox:
    """The sending ends of all lanes of one store (ENGINE, decision 6).

    A sequence number is given when the step commits, so lanes have no gaps; a message may leave once its group is
    durable, and `on_sendable(receiver)` says so.
    """

    def __init__(self, store: Store, gate: Gate) -> None:
        self.on_sendable: Callable[[bytes], None] = _nobody
        self._store = store
        self._gate = gate
        self._next: dict[bytes, int] = {}
        self._first: dict[bytes, int] = {}
        self._sendable: dict[bytes, int] = {}
        self._changed: set[bytes] = set()
        for key, value in store.scan(keys.LANE_OUT, keys.after(keys.LANE_OUT), keys.ALL):
            receiver = key[1:]
            self._next[receiver], self._first[receiver] = _cursors.unpack(value)
            self._sendable[receiver] = self._next[receiver]

    def add(self, receiver: bytes, message: bytes, group: Group) -> None:
        """Append one message to the lane to `receiver` (its store's 16-byte identity), with the open group."""
        sequence = self._next.get(receiver, 1)
        group.rows[_row(receiver, sequence)] = message
        self._next[receiver] = sequence + 1
        self._changed.add(receiver)
        self._stage_cursors(receiver, group)

    def sealed(self, group: int) -> None:
        """The group is written: once it is durable, what it added may leave."""
        for receiver in self._changed:
            self._gate.release(group, self._opener(receiver, self._next[receiver]))
        self._changed.clear()

    def receivers(self) -> list[bytes]:
        """The stores for which something waits to be acknowledged."""
        return [r for r, following in self._sendable.items() if self._first.get(r, 1) < following]

    def batch(self, receiver: bytes, messages_max: int, bytes_max: int) -> tuple[int, Sequence[bytes]]:
        """(sequence of the first, messages) that may leave for `receiver` now, oldest first; at least one if any."""
        first, end = self._first.get(receiver, 1), self._sendable.get(receiver, 1)
        rows = self._store.scan(_row(receiver, first), _row(receiver, end), messages_max)
        messages: list[bytes] = []
        size = 0
        for _, message in rows:
            size += len(message)
            if messages and size > bytes_max:
                break
            messages.append(message)
        return first, messages

    def acknowledged(self, receiver: bytes, sequence: int, group: Group) -> None:
        """`receiver` holds everything up to and with `sequence` durably: drop it with the open group."""
        first = self._first.get(receiver, 1)
        sequence = min(sequence, self._next.get(receiver, 1) - 1)
        if sequence < first:
            return
        for done in range(first, sequence + 1):
            group.rows[_row(receiver, done)] = None
        self._first[receiver] = sequence + 1
        self._stage_cursors(receiver, group)

    def _stage_cursors(self, receiver: bytes, group: Group) -> None:
        cursors = _cursors.pack(self._next.get(receiver, 1), self._first.get(receiver, 1))
        group.rows[keys.LANE_OUT + receiver] = cursors
        group.steps += 1

    def _opener(self, receiver: bytes, end: int) -> Callable[[BaseException | None], None]:
        def durable(error: BaseException | None) -> None:
            if error is None:
                self._sendable[receiver] = end
                self.on_sendable(receiver)

        return durable


def _row(receiver: bytes, sequence: int) -> bytes:
    return keys.OUTBOX + receiver + sequence.to_bytes(8, "big")


def _nobody(receiver: bytes) -> None:
    """No lane is running yet; `receivers` finds the work when one starts."""
