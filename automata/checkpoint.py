"""Checkpoints of automata: what they hold, below the automaton's STATE prefix (docs/FORMAT.md).

subkey = field-name 00 01 -> value, as of an object's value field
subkey = 00 04            -> lsn:u64, the last record that the checkpoint covers
subkey = 00 05            -> what `checkpoint()` of the class gave, self-describing; then there are no fields
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from automata.state import Reader
from darq import keys
from darq.overlay import Overlay

COVERED, CUSTOM = b"\x00\x04", b"\x00\x05"


@dataclass(frozen=True)
class Checkpoint:
    """A stored checkpoint. lsn: of the last record that it covers, 0 if there is none; rows: the others, by subkey."""

    lsn: int = 0
    rows: Mapping[bytes, bytes] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """The bytes of its values."""
        return sum(map(len, self.rows.values()))


def read(source: Reader, prefix: bytes) -> Checkpoint:
    """The checkpoint of the automaton with this STATE prefix."""
    rows = dict(source.scan(prefix, (b"", b"\xff"), keys.ALL))
    covered = rows.pop(COVERED, None)
    return Checkpoint(0 if covered is None else keys.number_of(covered), rows)


def changes(checkpoint: Checkpoint, earlier: Collection[bytes]) -> Overlay:
    """What writing a checkpoint changes. earlier: the subkeys of the one that it replaces."""
    overlay = Overlay()
    overlay.writes.update(dict.fromkeys(earlier))
    overlay.writes.update(checkpoint.rows)
    overlay.writes[COVERED] = keys.number(checkpoint.lsn)
    return overlay
