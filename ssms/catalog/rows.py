"""Rows of the catalog as the rest of the cluster sees them. `docs/CATALOG.md` explains each column."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum


class ClusterState(StrEnum):
    """Whether the processes of a cluster shall run."""

    NEW = "new"
    RUNNING = "running"
    STOPPED = "stopped"


class NodeState(StrEnum):
    """What shall become of a node. LEAVING: its copies move elsewhere, and none are placed there any more."""

    ACTIVE = "active"
    LEAVING = "leaving"


class CopyState(StrEnum):
    """What shall become of a copy. LEAVING: it ends once the others are enough; GONE: it is being stopped and wiped."""

    STAYING = "staying"
    LEAVING = "leaving"
    GONE = "gone"


@dataclass(frozen=True)
class NodeRow:
    """One machine. number: from 0, in the order of joining; load: of its copies, as they have last said."""

    id: str
    number: int
    state: NodeState = NodeState.ACTIVE
    kind: str = "both"
    address: str = ""
    load: float = 0.0


@dataclass(frozen=True)
class StoreRow:
    """One logical store. leader: the copy that has `epoch`, "" before the first; backups: the other in-sync copies.

    number: from 0, its index in placements. replicas: how many copies it shall have. revision: rises with each change.
    changes: the number of the last change that its leader has asked for, from 0 in each epoch. led: a leader was told
    of its part, which it takes once a group is durable: from then on a copy that holds none has lost its disk.
    """

    identity: bytes
    number: int
    name: str
    replicas: int
    epoch: int = 0
    leader: str = ""
    backups: tuple[str, ...] = ()
    revision: int = 0
    changes: int = 0
    led: bool = False
    kind: str = "rocksdb"
    load: float = 0.0

    @property
    def in_sync(self) -> tuple[str, ...]:
        """All copies that hold what was acknowledged, the leader first."""
        return (self.leader, *self.backups) if self.leader else self.backups


@dataclass(frozen=True)
class CopyRow:
    """One copy of a store. pid: of the process that has last reported, 0 for none; told: the epoch under which that
    process was told its part, -1 if it was not.
    """

    name: str
    store: bytes
    node: str
    state: CopyState = CopyState.STAYING
    pid: int = 0
    told: int = -1
    kind: str = "store"
    address: str = ""
    load: float = 0.0


@dataclass(frozen=True)
class PlacedRow:
    """One automaton that was moved by itself, and the store that has it."""

    partition: bytes
    store: bytes


@dataclass(frozen=True)
class NewStore:
    """A store to be created, with the nodes that its copies shall be on, the first leading."""

    identity: bytes
    nodes: tuple[str, ...]


def columns(row: NodeRow | StoreRow | CopyRow) -> dict[str, str | int | float | bytes]:
    """A row as what its table's columns hold: enums by their values, tuples as JSON."""
    held = vars(row).items()
    return {
        name: value.value if isinstance(value, StrEnum) else json.dumps(value) if isinstance(value, tuple) else value
        for name, value in held
    }
