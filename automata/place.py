"""What a turn asks of its object where no host holds it: in a worker, over the rows of a backup, inside a sandbox."""

from __future__ import annotations

from dataclasses import dataclass

from automata.types import AutomatonType


@dataclass(frozen=True)
class Place:
    """One object, in place of an `Entity`. group: none of its answers has to wait for one."""

    made: AutomatonType
    key: str
    group: int = 0

    @property
    def address(self) -> str:
        """TYPE/KEY, for people."""
        return f"{self.made.name}/{self.key}"
