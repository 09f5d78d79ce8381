"""What an automaton has recorded since its last checkpoint, for people: with or without its type."""

from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from automata.applies import head_of, tag_of
from automata.checkpoint import COVERED
from automata.errors import InvalidArgument, StateError
from automata.partitions import partition_of
from automata.types import AutomatonType
from automata.values.untyped import decode_untyped
from automata.volatile_type import VolatileType
from darq import keys
from darq.records import StoreReader
from darq.store import Store
from ssms.cli.address import Address


@dataclass(frozen=True)
class Recorded:
    """One self-message. lsn: its number; tag: the name of its class; value: plain data where no class is at hand."""

    lsn: int
    tag: str
    value: object

    def __str__(self) -> str:
        shown = repr(self.value)
        return shown if shown.startswith(f"{self.tag}(") else f"{self.tag} {shown}"


class Records:
    """The records of one automaton, oldest first; of anything else there are none."""

    def __init__(self, store: Store, address: Address, made: AutomatonType | None) -> None:
        self._reader = StoreReader(store)
        self._partition = partition_of(address.type_name, address.key)
        self._made = made if isinstance(made, VolatileType) else None
        if self._made is not None:
            self._made.resolve()

    def last(self, count: int) -> list[tuple[int, bytes]]:
        """(lsn, row) of up to `count` of them, the last ones."""
        return list(deque(self._rows(), maxlen=count))

    def __len__(self) -> int:
        return sum(1 for _ in self._rows())

    def shown(self, lsn: int, row: bytes) -> Recorded:
        """One of them. Without its type, or if that applies no such records any more, as plain data."""
        tag, head = tag_of(row), head_of(row)
        if self._made is not None:
            applies = self._made.applies
            # a class that has changed since, or is gone: show what is there
            with suppress(StateError, InvalidArgument, ValueError, msgspec.MsgspecError):
                return Recorded(
                    lsn, tag, (applies.by_head.get(head) or applies.of_record(row)).decode(row[len(head) :])
                )
        return Recorded(lsn, tag, decode_untyped(row[len(head) :]))

    def _rows(self) -> Iterator[tuple[int, bytes]]:
        covered = self._reader.read(keys.partition_key(keys.STATE, self._partition), COVERED)
        return self._reader.replay(self._partition, keys.number_of(covered) if covered else 0)
