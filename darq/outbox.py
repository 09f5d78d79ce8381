"""Messages that leave for other stores: a dense sequence of rows for each receiving store, trimmed behind its ack."""

import struct
from collections.abc import Callable, Sequence

from darq import keys
from darq.errors import StoreDamaged
from darq.gate import Gate
from darq.group import Group
from darq.store import Store

_cursors = struct.Struct(">QQ")
_FIRST_PAGE_ROWS = 16
_SINGLE_DELETES_MAX = 1024  # RocksDB reads slow down with each range that was dropped, so short stretches go row by row


class Outbox:
    """The sending ends of all lanes of one store.

    A sequence number is given when the step commits, so lanes have no gaps; a message may leave once its group is
    durable, and `on_sendable(receiver)` says so. `on_taken(receiver, sequence)` says what a receiver holds durably.
    """

    def __init__(self, store: Store, gate: Gate) -> None:
        self.on_sendable: Callable[[bytes], None] = _nobody
        self.on_taken: Callable[[bytes, int], None] = _nobody_waits
        self._store = store
        self._gate = gate
        self._next: dict[bytes, int] = {}
        self._first: dict[bytes, int] = {}
        self._sendable: dict[bytes, int] = {}  # behind the last message that may leave
        self._grown: set[bytes] = set()
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
        self._grown.add(receiver)

    def stage(self, group: Group) -> None:
        """The group is about to be written: put the cursors of all lanes that moved into it."""
        for receiver in self._grown | self._changed:
            cursors = _cursors.pack(self._next.get(receiver, 1), self._first.get(receiver, 1))
            group.rows[keys.LANE_OUT + receiver] = cursors

    def sealed(self, group: int) -> None:
        """The group is written: once it is durable, what it added may leave."""
        for receiver in self._grown:
            self._gate.release(group, self._opener(receiver, self._next[receiver]))
        self._grown.clear()
        self._changed.clear()

    def receivers(self) -> list[bytes]:
        """The stores for which something waits to be acknowledged."""
        return [receiver for receiver in self._sendable if self.waits(receiver)]

    def stores(self) -> list[bytes]:
        """All stores to which anything was ever sent."""
        return list(self._next)

    def waits(self, receiver: bytes) -> bool:
        """Whether a message that may leave for `receiver` is not acknowledged yet."""
        return self._first.get(receiver, 1) < self._sendable.get(receiver, 1)

    def last(self, receiver: bytes) -> int:
        """The sequence of the last message for `receiver`; 0 if there never was one."""
        return self._next.get(receiver, 1) - 1

    def taken(self, receiver: bytes) -> int:
        """Up to which sequence `receiver` holds everything."""
        return self._first.get(receiver, 1) - 1

    def batch(self, receiver: bytes, messages_max: int, bytes_max: int) -> tuple[int, Sequence[bytes]]:
        """(sequence of the first, messages) that may leave for `receiver` now, oldest first; at least one if any.

        Raises StoreDamaged where a row of the lane is missing.
        """
        first, end = self._first.get(receiver, 1), self._sendable.get(receiver, 1)
        messages: list[bytes] = []
        size, page = 0, _FIRST_PAGE_ROWS
        while (at := first + len(messages)) < end and len(messages) < messages_max:
            wanted = min(page, end - at, messages_max - len(messages))
            rows = self._store.scan(_row(receiver, at), _row(receiver, at + wanted), wanted)
            if len(rows) != wanted:
                raise StoreDamaged(
                    f"the outbox to store {receiver.hex()} lacks messages between {at} and {at + wanted - 1}: restore "
                    "the store from a backup"
                )
            for _, message in rows:
                size += len(message)
                if messages and size > bytes_max:
                    return first, messages
                messages.append(message)
            page *= 4
        return first, messages

    def acknowledged(self, receiver: bytes, sequence: int, group: Group) -> None:
        """`receiver` holds everything up to and with `sequence` durably: drop it with the open group.

        Raises StoreDamaged when it claims more than was ever sent, or less than it had claimed: then one of the two
        stores was put back to an older state, and going on would lose messages silently.
        """
        first, end = self._first.get(receiver, 1), self._sendable.get(receiver, 1)
        if not first - 1 <= sequence < end:
            raise StoreDamaged(
                f"store {receiver.hex()} acknowledges message {sequence} of a lane that holds {first} to {end - 1}: "
                "one of them was put back to an older state. Restore both from backups of one time"
            )
        if sequence < first:
            return
        if sequence + 1 - first > _SINGLE_DELETES_MAX:
            group.drops.append((_row(receiver, first), _row(receiver, sequence + 1)))
        else:
            for done in range(first, sequence + 1):
                group.rows[_row(receiver, done)] = None
        self._first[receiver] = sequence + 1
        self._changed.add(receiver)
        group.steps += 1
        self.on_taken(receiver, sequence)

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


def _nobody_waits(receiver: bytes, sequence: int) -> None:
    """Nobody has asked to be told what a receiver holds."""
