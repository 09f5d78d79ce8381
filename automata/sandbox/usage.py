"""What sandboxed code has used: counted for each module, added up for its uploader."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace


@dataclass
class Usage:
    """Counters.

    runs: of instances; fuel: about the instructions run; seconds: of wall-clock time in them, host functions included;
    read_bytes, written_bytes: of rows; sends: messages; stopped: runs that a trap or a limit has ended.
    """

    runs: int = 0
    fuel: int = 0
    seconds: float = 0.0
    read_bytes: int = 0
    written_bytes: int = 0
    sends: int = 0
    stopped: int = 0

    def add(self, other: Usage) -> None:
        """Count what another has counted."""
        for name, value in asdict(other).items():
            setattr(self, name, getattr(self, name) + value)

    def take(self) -> Usage:
        """What was counted until now; from here on it counts from nothing."""
        taken, empty = replace(self), Usage()
        for name, value in asdict(empty).items():
            setattr(self, name, value)
        return taken
