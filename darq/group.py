"""The open group: what the steps since the last write have staged. It becomes one batch when it is sealed.

A message that is born and consumed within one group is never written (run ahead, release after durable).
"""

import msgspec

from darq import keys
from darq.codec import length
from darq.overlay import Overlay
from darq.step import Message, Step
from darq.store import Batch

_encode_notes = msgspec.msgpack.Encoder().encode


class Group:
    """Staged writes of many steps, by partition, so that reads and scans of a partition see them at once."""

    __slots__ = ("born", "bytes", "drops", "gone", "notes", "number", "rows", "state", "steps")

    def __init__(self, number: int) -> None:
        self.number = number
        self.steps = 0
        self.bytes = 0  # about what it will write, without the notes and what is encoded when it is sealed
        self.state: dict[bytes, Overlay] = {}
        self.rows: dict[bytes, bytes | None] = {}
        self.drops: list[tuple[bytes, bytes]] = []  # ranges of rows, dropped before `rows` are set
        self.born: dict[int, Message] = {}
        self.gone: list[int] = []  # stored messages that were consumed
        self.notes: list[tuple[object, ...]] = []

    @property
    def dirty(self) -> bool:
        """Whether there is anything to write."""
        return self.steps > 0

    def stage(self, step: Step, size: int) -> None:
        """Take over the state, the rows and the note of a step of about `size` bytes."""
        self.steps += 1
        self.bytes += size
        layer = step.overlay
        if layer is not None and (layer.writes or layer.ranges):
            mine = self.state.get(step.prefix)
            if mine is None:
                self.state[step.prefix] = layer
            elif layer.ranges:
                mine.absorb(layer)
            else:
                mine.writes.update(layer.writes)
        if step.drops is not None:
            self._drop(step.drops)
        if step.rows is not None:
            self.rows.update(step.rows)
        if step.note is not None:
            self.notes.append(step.note)

    def _drop(self, ranges: list[tuple[bytes, bytes]]) -> None:
        rows = self.rows
        for begin, end in ranges:
            for key in [key for key in rows if begin <= key < end]:
                del rows[key]
        self.drops += ranges

    def write_to(self, batch: Batch) -> int:
        """Put everything staged into a batch, but for the head. Returns the size of the history row in bytes."""
        put, delete, numbered, inbox = batch.put, batch.delete, keys.numbered, keys.INBOX
        for begin, end in self.drops:
            batch.delete_range(begin, end)
        # sorted: RocksDB inserts a key behind its neighbour in half the time that it takes to search for its place
        for prefix in sorted(self.state):
            layer = self.state[prefix]
            for begin, end in layer.ranges:
                batch.delete_range(prefix + begin, prefix + end)
            for subkey, value in layer.writes.items():
                if value is None:
                    delete(prefix + subkey)
                else:
                    put(prefix + subkey, value)
        rows = self.rows
        for key in sorted(rows):
            value = rows[key]
            if value is None:
                delete(key)
            else:
                put(key, value)
        for lsn in self.gone:
            delete(numbered(inbox, lsn))
        for lsn, message in self.born.items():
            partition = message.partition  # as `codec.encode_message`, without the call
            put(numbered(inbox, lsn), length(len(partition)) + partition + message.payload())
        if not self.notes:
            return 0
        history = _encode_notes(self.notes)
        put(keys.numbered(keys.HISTORY, self.number), history)
        return len(history)
