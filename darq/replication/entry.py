"""One group as it travels: its place in the chain, and its operations exactly as the primary wrote them.

    operations = msgpack array, in order, of
                 [key, value] put | [key] delete | [begin, end, ""] delete range | [] a new log file begins here

What the log writes outside of its groups (its lease, the generation of a log file) travels at the front of the next
group. A copy begins a new log file wherever the primary has: so the rows that prove old log files are true of each.
A crash between such a row and its group leaves a row that no group knows of: it goes when the copy is opened again, as
opening has turned the log files into tables.
"""

from collections.abc import Iterable

import msgspec

from darq import codec, keys
from darq.replication.chain import Head
from darq.store import Store

Operation = tuple[bytes, ...]
ROTATE: Operation = ()

encode_operations = msgspec.msgpack.Encoder().encode
decode_operations = msgspec.msgpack.Decoder(list[tuple[bytes, ...]]).decode


class Entry(msgspec.Struct, array_like=True, frozen=True):
    """One group."""

    epoch: int
    group: int
    hash: bytes
    operations: bytes

    @property
    def head(self) -> Head:
        """The head of a chain that ends with this group."""
        return Head(self.epoch, self.group, self.hash)

    def follows(self, head: Head) -> bool:
        """Whether it is the next group of the chain that ends with `head`, unaltered."""
        return head.follow(self.epoch, self.operations) == self.head


def apply(store: Store, operations: list[Operation], extra: Iterable[tuple[bytes, bytes]]) -> int:
    """Write a group, with the rows `extra`, as one batch. Returns its size in bytes.

    What comes before a new log file is a batch of its own, as it was at the primary.
    """
    while ROTATE in operations:
        at = operations.index(ROTATE)
        _write(store, operations[:at])
        store.rotate()
        operations = operations[at + 1 :]
    return _write(store, [*operations, *extra])


def drop_loose_generations(store: Store) -> None:
    """Drop the row of a log file's end that is not followed by the group it was written for."""
    data = store.get(keys.HEAD)
    generation = codec.Head.decode(data).generation if data is not None else 0
    begin, end = keys.numbered(keys.GENERATION, generation + 1), keys.after(keys.GENERATION)
    if store.scan(begin, end, 1):
        batch = store.batch()
        batch.delete_range(begin, end)
        store.write(batch)


def _write(store: Store, operations: list[Operation]) -> int:
    batch = store.batch()
    for operation in operations:
        if len(operation) == 2:
            batch.put(operation[0], operation[1])
        elif len(operation) == 1:
            batch.delete(operation[0])
        else:
            batch.delete_range(operation[0], operation[1])
    size = batch.size_in_bytes()
    store.write(batch)
    return size
