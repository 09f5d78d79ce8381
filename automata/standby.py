"""Automata kept warm at a copy that follows: what each group records is applied here as recovery would (SSMS §4.3).

    group of the primary -> this copy's store -> Standby.applied -> @apply of the automata in it
    promotion            -> Standby.hand_over -> the new host, whose first call replays nothing

A warm state is what the copy's store would be replayed to, or it is dropped: whatever is doubtful (an automaton that
was deleted or has moved, a type that was defined anew, an @apply that raises) is replayed when it is needed, as ever. A
checkpoint has the state rebuilt from it, since what it covers may never have been in any group.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from automata.context import logger
from automata.directory import decode_header
from automata.entity import load
from automata.partitions import address_of
from automata.types import AutomatonType, Registry
from automata.volatile import VolatileState
from darq import keys
from darq.records import StoreReader
from darq.store import Store

if TYPE_CHECKING:
    from automata.host import Host

AUTOMATA_MAX = 1_000
"""How many are kept: those that have recorded last."""

Records = list[tuple[int, bytes]]


class Warm(NamedTuple):
    """One automaton in memory."""

    made: AutomatonType
    key: str
    state: VolatileState
    instance: Any


class Standby:
    """The warm automata of one copy. Nothing here raises: what cannot be kept is dropped."""

    def __init__(self, store: Store, registry: Registry, automata_max: int = AUTOMATA_MAX) -> None:
        self._store = store
        self._rows = StoreReader(store)
        self._registry = registry
        self._max = automata_max
        self._warm: OrderedDict[bytes, Warm] = OrderedDict()

    def __len__(self) -> int:
        return len(self._warm)

    def find(self, partition: bytes) -> Warm | None:
        """An automaton at the newest group, if it is kept."""
        warm = self._warm.get(partition)
        return warm if warm is not None and self._is_current(partition, warm) else None

    def applied(self, operations: Iterable[Sequence[bytes]]) -> None:
        """A group is in the store. operations: what it was written as (`darq.replication.entry`)."""
        recorded: dict[bytes, Records] = {}
        changed: set[bytes] = set()
        for operation in operations:
            kind = operation[0][:1] if operation else b""
            if kind == keys.RECORD and len(operation) == 2:
                partition, number = keys.split_partition(operation[0])
                recorded.setdefault(partition, []).append((keys.number_of(number), operation[1]))
            elif self._warm and kind in (keys.STATE, keys.RECORD):
                changed.add(keys.split_partition(operation[0])[0])
        for partition in changed & self._warm.keys():
            del self._warm[partition]
            recorded.setdefault(partition, [])
        for partition, records in recorded.items():
            self._follow(partition, records)

    def forget(self) -> None:
        """The store was wiped, or holds something else now."""
        self._warm.clear()

    def hand_over(self, host: Host) -> int:
        """Let a host that was just opened over this store have them. How many it has taken."""
        taken = 0
        for partition, (made, key, state, instance) in self._warm.items():
            if self._is_current(partition, self._warm[partition]) and host.entities.find((made.name, key)) is None:
                state.move_to(host.log)
                entity = host.entities.get(made, key)
                entity.state, entity.instance = state, instance
                taken += 1
        self._warm.clear()
        return taken

    def _follow(self, partition: bytes, records: Records) -> None:
        """Apply what an automaton has recorded, or rebuild one that is not kept."""
        warm = self._warm.pop(partition, None)
        name, key = address_of(partition)
        made = self._registry.find(name)
        if made is None or not made.volatile:
            return
        try:
            if warm is not None and warm.made is made:
                warm.state.follow(sorted(records))
            else:
                warm = self._build(made, key, partition)
        except KeyboardInterrupt:
            raise
        except BaseException:  # noqa: BLE001 - what a user's @apply raises is seen again, and told, where it runs live
            logger.warning("%s/%s is not kept warm: it cannot be rebuilt here", name, key, exc_info=True)
            return
        self._warm[partition] = warm
        if len(self._warm) > self._max:
            self._warm.popitem(last=False)

    def _build(self, made: AutomatonType, key: str, partition: bytes) -> Warm:
        made.resolve()
        state, instance = load(made, key, self._rows, keys.partition_key(keys.STATE, partition))
        assert isinstance(state, VolatileState), "its type is volatile"
        state.load()
        return Warm(made, key, state, instance)

    def _is_current(self, partition: bytes, warm: Warm) -> bool:
        """Whether it exists here, as its type is defined now."""
        header = self._store.get(keys.partition_key(keys.DIRECTORY, partition))
        if header is None or decode_header(header).version != warm.made.options.version:
            return False
        return self._registry.find(warm.made.name) is warm.made
